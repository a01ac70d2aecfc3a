"""One's own images: a folder for each class, or a CSV of labels.

`DIR/train/CLASS/*.png` (or jpg, jpeg) and `DIR/test/CLASS/*` need no more.
With a CSV the images may lie anywhere and the labels may be noisy, with or
without the truth beside them: `path,given_label[,clean_label][,split]`.
"""

import numpy as np
from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets import dataset, splits
from tfnoisy.datasets import problems as problems_lib
from tfnoisy.datasets.images import files as image_files
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import own_listing

_GREY_MODES = {"1", "L", "LA"}
_DEEP_MODES = {"I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
# What Pillow raises for files that are missing, damaged or no images.
_BROKEN = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read(
    data_dir,
    split,
    *,
    labels_csv="",
    image_size=None,
    cache_mib=streamed.CACHE_MIB,
):
    """Reads a split of an own data set.

    Without a CSV the classes are the folders of `DIR/train`.  With one they
    are the folders of `DIR/test`, where the test split comes from there, or
    else the labels in the CSV: names, or integers 0..C-1.  Class names are
    sorted, as numbers where all are numbers.

    The training images decide for all splits: unless `image_size` is given
    they must be of one size, and only if all are grey there is one channel.

    Args:
        data_dir: DIR; may be empty with a CSV.
        split: `train`, `test` or another folder of DIR or value of the CSV's
            column `split`; or a slice of it.
        labels_csv: a CSV file with a head line, or empty.  Its paths are
            relative to `data_dir` or to its own folder.  An empty clean label
            must be empty in all rows; -1 says that no class is right.
        image_size: height and width to resize to (bilinear, anti-aliased).
        cache_mib: images of more MiB are streamed, see `streamed`.

    Returns:
        An `ImageDataset`.  Ids count the examples of the split, sorted by
        path, or in the order of the CSV's rows.  The clean labels are None
        unless the CSV has them.

    Raises:
        UserError: one line that names up to ten problems: broken images,
            labels out of range, classes without images, paths that occur
            twice or do not exist.
    """
    name = splits.base(split)
    problems = []
    if labels_csv:
        listing = own_listing.from_csv(data_dir, labels_csv, name, problems)
    elif data_dir:
        listing = own_listing.from_folders(data_dir, name, problems)
    else:
        raise errors.UserError(
            "--dataset_name=folder needs --data_dir=DIR with "
            "DIR/train/CLASS/*.png, or --labels_csv=FILE"
        )
    source = labels_csv or data_dir
    rows = listing.splits.get(name, [])
    if not rows and not problems:
        known = ", ".join(key for key in listing.splits if listing.splits[key])
        raise errors.UserError(
            f"{source}: no images for split {name!r}; there are {known}"
        )
    size, grey = _check_headers(listing, name, image_size, problems)
    problems_lib.refuse(source, problems)

    start, stop = splits.bounds(split, len(rows))
    rows = rows[start:stop]
    images = _images(source, rows, (size[1], size[0], 1 if grey else 3))
    clean = [row.clean for row in rows]
    return dataset.ImageDataset(
        name="folder",
        images=streamed.held(images, cache_mib),
        given_labels=np.array([row.given for row in rows], np.int64),
        clean_labels=None if None in clean else np.array(clean, np.int64),
        ids=np.arange(start, stop),
        class_names=listing.class_names,
        paths=tuple(str(row.path) for row in rows),
    )


def read_like(data_dir, labels_csv, other, *, image_size=None):
    """Reads images of the classes and the shape of another data set.

    Args:
        data_dir: a folder of `CLASS/*.png|jpg`, or that of the CSV's paths.
        labels_csv: a CSV of path,given_label; labels by name or by number; or
            empty.
        other: an `ImageDataset`.
        image_size: the side that its images were resized to; if None, images
            must have its size.

    Returns:
        An `ImageDataset` of the other's classes, ids by path or line.

    Raises:
        UserError: as `read`.
    """
    problems = []
    name = "probe"
    listing = own_listing.like(
        data_dir, labels_csv, other.class_names, name, problems
    )
    source = labels_csv or data_dir
    rows = listing.splits[name]
    if not rows and not problems:
        raise errors.UserError(
            f"{source} holds no images of {other.name}'s classes in "
            "CLASS/*.png (or jpg, jpeg)"
        )
    size, _ = _check_headers(listing, name, image_size, problems)
    height, width, channels = other.images.shape[1:]
    if not problems and image_size is None and size != (width, height):
        problems.append(
            f"{rows[0].where}: {size[0]}x{size[1]} pixels where the training "
            f"images have {width}x{height}; give --image_size to resize all"
        )
    problems_lib.refuse(source, problems)
    images = _images(source, rows, (height, width, channels))
    return dataset.ImageDataset(
        name=source,
        images=streamed.held(images, streamed.CACHE_MIB),
        given_labels=np.array([row.given for row in rows], np.int64),
        clean_labels=None,
        ids=np.arange(len(rows)),
        class_names=other.class_names,
        mirror=other.mirror,
        paths=tuple(str(row.path) for row in rows),
    )


def _check_headers(listing, name, image_size, problems):
    """Decides on size and channels from what the files say of themselves.

    Returns:
        (width, height) in pixels, and whether all training images are grey.
    """
    asked_for = listing.splits.get(name, [])
    training = listing.splits.get("train") or asked_for
    num_training = len(training)
    rows = training if asked_for is training else training + asked_for
    headers = []
    for row in rows:
        try:
            with Image.open(row.path) as image:
                headers.append((image.size, image.mode))
        except FileNotFoundError:
            problems.append(f"{row.where}: no such image")
            headers.append(None)
        except _BROKEN:
            problems.append(f"{row.where}: broken image")
            headers.append(None)
    for row, header in zip(rows, headers):
        if header and header[1] in _DEEP_MODES:
            problems.append(
                f"{row.where}: more than 8 bits a pixel; save it with 8"
            )
    found = [header for header in headers[:num_training] if header]
    grey = all(mode in _GREY_MODES for _, mode in found)
    if image_size is not None:
        return (image_size, image_size), grey
    size = found[0][0] if found else None
    for row, header in zip(rows, headers):
        if header and size and header[0] != size:
            problems.append(
                f"{row.where}: {header[0][0]}x{header[0][1]} pixels where "
                f"others have {size[0]}x{size[1]}; give --image_size, e.g. "
                "--image_size=64, to resize all"
            )
            break
    return size, grey


def _images(source, rows, image_shape):
    def where(index):
        row = rows[index]
        # In a CSV a row is called by its line.
        same = row.where == str(row.path)
        return row.where if same else f"{row.where}: {row.path}"

    paths = [str(row.path) for row in rows]
    return streamed.StreamedImages(
        image_files.FileImages(source, paths, image_shape, where=where)
    )
