"""One's own images: in a folder for each class, or named by a CSV file.

`DIR/CLASS/*`, or `DIR/train/CLASS/*` and `DIR/test/CLASS/*`, need no more.
With a CSV the images may lie anywhere and the labels may be noisy, with or
without the truth beside them: `path,given_label[,clean_label][,split]`.
Hugging Face's `metadata.csv` and `metadata.jsonl` are read too.
"""

from tfnoisy import errors
from tfnoisy.datasets import splits as split_texts
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import csv_listing, folder_listing, own_images
from tfnoisy.datasets.sources import survey as survey_lib

# Without a test part of its own a data set may give this share of its images.
TEST_SHARE = 0.2
_USUAL_SPLITS = ("train", "val", "test")


def read(data_dir, split, **options):
    """Reads a split of an own data set, see `read_splits`.

    Args:
        data_dir: DIR; may be empty with a CSV.
        split: `train`, `test` or another, or a slice of it.
        **options: as for `read_splits`.

    Returns:
        An `ImageDataset`.

    Raises:
        UserError: as `read_splits`.
    """
    return read_splits(data_dir, [split], **options)[split]


def read_splits(
    data_dir,
    splits,
    *,
    labels_csv="",
    image_size=None,
    cache_mib=streamed.CACHE_MIB,
    test_share=0.0,
    min_class_images=1,
    skip_broken=False,
):
    """Reads splits of an own data set.

    The classes are the folders of `DIR/train` (or of DIR); with a CSV the
    folders of `DIR/test`, where the test split comes from there, or else the
    labels in the CSV: names, or integers 0..C-1.  Class names are sorted, as
    numbers where all are numbers.

    The training images decide for all splits: unless `image_size` is given
    they must be of one size, and only if all are grey there is one channel.

    Args:
        data_dir: DIR; may be empty with a CSV.
        splits: `train`, `test` or other folders of DIR or values of the CSV's
            column `split`; or slices of them.
        labels_csv: a CSV file with a head line, or empty.  Its paths are
            relative to `data_dir` or to its own folder.  An empty clean label
            must be empty in all rows; -1 says that no class is right.
        image_size: height and width to resize to (bilinear, anti-aliased).
        cache_mib: images of more MiB are streamed, see `streamed`.
        test_share: where there is no test part, the share of the training
            images that becomes it, chosen by their contents; in [0, 1).
        min_class_images: the fewest training images of a class.
        skip_broken: go on without images that cannot be used, and without
            classes that have too few.

    Returns:
        {split: `ImageDataset`}.  Ids count the examples of the split, sorted
        by path, or in the order of the CSV's rows; keys are the paths from
        DIR on.  The clean labels are None unless the CSV has them.

    Raises:
        DataError: a list of all problems: broken, truncated and empty files,
            labels out of range, classes without images, paths that occur
            twice or do not exist.
        UserError: if there is no such split or nothing to begin with.
    """
    names = list(map(split_texts.base, splits))
    found = _listing(data_dir, labels_csv, names)
    source = labels_csv or data_dir
    surveyed = survey_lib.survey(
        found, names, test_share, min_class_images, skip_small=skip_broken
    )
    reader = own_images.Reader(
        source, surveyed, image_size, cache_mib, skip_broken
    )
    for name in names:
        _check_split(source, name, found, surveyed)
    return reader.read(splits)


def survey(
    data_dir,
    *,
    labels_csv="",
    test_share=0.0,
    min_class_images=1,
):
    """Looks at the files of an own data set, all its splits.

    Args:
        data_dir: as for `read_splits`.
        labels_csv: likewise.
        test_share: likewise.
        min_class_images: likewise.

    Returns:
        A `survey.Survey`.

    Raises:
        UserError: if there is nothing to begin with.
    """
    found = _listing(data_dir, labels_csv, list(_USUAL_SPLITS))
    return survey_lib.survey(
        found, list(found.splits), test_share, min_class_images
    )


def read_like(data_dir, labels_csv, other, *, image_size=None):
    """Reads images of the classes and the shape of another data set.

    Args:
        data_dir: a folder of `CLASS/*`, or that of the CSV's paths.
        labels_csv: a CSV of path,given_label; labels by name or by number; or
            empty.
        other: an `ImageDataset`.
        image_size: the side that its images were resized to; if None, images
            must have its size.

    Returns:
        An `ImageDataset` of the other's classes, ids by path or line.

    Raises:
        DataError: as `read_splits`.
        UserError: if there are no images of these classes.
    """
    name = "probe"
    found = csv_listing.list_like(data_dir, labels_csv, other.class_names, name)
    source = labels_csv or data_dir
    surveyed = survey_lib.survey(found, [name])
    if not found.splits[name] and not surveyed.problems:
        raise errors.UserError(
            f"{source} holds no images of {other.name}'s classes in CLASS/*"
        )
    height, width, channels = other.images.shape[1:]
    reader = own_images.Reader(
        source,
        surveyed,
        image_size,
        streamed.CACHE_MIB,
        shape=(height, width, channels),
    )
    return reader.read([name], name=source, mirror=other.mirror)[name]


def _listing(data_dir, labels_csv, wanted):
    if labels_csv:
        return csv_listing.list_csv(data_dir, labels_csv, wanted)
    if not data_dir:
        raise errors.UserError(
            "--dataset_name=folder needs --data_dir=DIR with DIR/CLASS/* or "
            "DIR/train/CLASS/*, or --labels_csv=FILE"
        )
    if csv_listing.has_metadata(data_dir):
        return csv_listing.list_metadata(data_dir)
    return folder_listing.list_folders(data_dir, wanted)


def _check_split(source, name, found, surveyed):
    if surveyed.parts.get(name) or surveyed.problems or surveyed.faults:
        return
    known = ", ".join(
        split
        for split in found.splits
        if split not in surveyed.parts or surveyed.parts[split]
    )
    raise errors.UserError(
        f"{source}: no images for split {name!r}; there are {known}"
    )
