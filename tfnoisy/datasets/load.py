"""A name and a split to an `ImageDataset`: the one way in."""

import pathlib

from tfnoisy import errors
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import (
    clothing1m,
    digits,
    folder,
    tfds_images,
    tfrecords,
    webvision,
)


def load(
    name,
    split,
    *,
    data_dir="",
    labels_csv="",
    image_size=None,
    cache_mib=streamed.CACHE_MIB,
):
    """Loads a split of a data set: into memory, if its images fit there.

    Args:
        name: `digits` (needs no network), `folder` (own images, see
            `folder.read`), `clothing1m`, `webvision` (see there) or any image
            classification set of TFDS.
        split: e.g. `train`, `test`, `train[:20%]`, `train[1000:2000]`.
        data_dir: a folder with TFRecords of that name in the original code's
            layout, which are then read whatever the name; for `folder`,
            `clothing1m` and `webvision` that of the images; for TFDS its own
            data directory.
        labels_csv: for `folder`, a file of labels.
        image_size: height and width in pixels to resize the images to; None
            keeps them as they are.
        cache_mib: a split whose pixels take more MiB is streamed: its images
            are read whenever they are needed.  The pixels are the same.

    Returns:
        An `ImageDataset`.

    Raises:
        UserError: for whatever the user can put right.
    """
    if image_size is not None and image_size < 1:
        raise errors.UserError(
            f"--image_size is a number of pixels from 1 on, not {image_size}"
        )
    if labels_csv and name != "folder":
        raise errors.UserError(
            "--labels_csv belongs to --dataset_name=folder; "
            f"{name} has its own labels"
        )
    how = {"image_size": image_size, "cache_mib": cache_mib}
    directory = pathlib.Path(data_dir).expanduser()
    if data_dir and not directory.is_dir():
        raise errors.UserError(f"--data_dir={data_dir} is not a folder")
    if data_dir and not labels_csv and tfrecords.holds(directory, name):
        return tfrecords.read(name, split, data_dir=directory, **how)
    if name == "folder":
        return folder.read(data_dir, split, labels_csv=labels_csv, **how)
    if name == "clothing1m":
        return clothing1m.read(data_dir, split, **how)
    if tfds_images.base_name(name) == "webvision":
        return webvision.read(name, data_dir, split, **how)
    # A mistyped folder of noisy labels must not end in clean ones from TFDS.
    of_tfds = (tfds_images.base_name(name), "downloads/manual")
    if data_dir and not any((directory / part).is_dir() for part in of_tfds):
        raise errors.UserError(
            f"--data_dir={data_dir} holds no TFRecords "
            f"{tfrecords.prefix(name)}_train-* or _test-*, nor is it a TFDS "
            f"directory with {name}"
        )
    if name == "digits":
        return digits.read(split, image_size)
    return tfds_images.read(
        name, split, data_dir=data_dir and str(directory), **how
    )
