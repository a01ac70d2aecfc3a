"""A name and a split to an `ImageDataset`: the one way in."""

import inspect
import pathlib
from typing import Any

from tfnoisy import errors
from tfnoisy.catalogue import datasets
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import tfds_images, tfrecords

# What a data set need not know: these change no pixel, or say what to do where
# it has no other part or few images.
_NEVER_REFUSED = (
    "name",
    "split",
    "splits",
    "cache_mib",
    "test_share",
    "min_class_images",
)


def load(name: str, split: str, **options: Any) -> dataset_lib.ImageDataset:
    """Loads a split of a data set: into memory, if its images fit there.

    Args:
        name: see `load_splits`.
        split: e.g. `train`, `test`, `train[:20%]`, `train[1000:2000]`.
        **options: see `load_splits`.

    Returns:
        An `ImageDataset`.

    Raises:
        UserError: for whatever the user can put right.
    """
    return load_splits(name, [split], **options)[split]


def load_splits(
    name,
    splits,
    *,
    data_dir="",
    labels_csv="",
    image_size=None,
    cache_mib=streamed.CACHE_MIB,
    test_share=0.0,
    min_class_images=1,
    skip_broken=False,
):
    """Loads splits of a data set, what is wrong with any of them in one list.

    Args:
        name: `digits` (needs no network), `folder` (own images, see
            `folder.read_splits`), `clothing1m`, `webvision` (see there), a
            plugin's (see `catalogue.datasets`) or any image classification set
            of TFDS.
        splits: a list of texts as for `load`.
        data_dir: a folder with TFRecords of that name in the original code's
            layout, which are then read whatever the name; for `folder`,
            `clothing1m` and `webvision` that of the images; for TFDS its own
            data directory.
        labels_csv: for `folder`, a file of labels.
        image_size: height and width in pixels to resize the images to; None
            keeps them as they are.
        cache_mib: a split whose pixels take more MiB is streamed: its images
            are read whenever they are needed.  The pixels are the same.
        test_share: for `folder`, the share of the images that is held out as
            `test` where there is no such part; 0 for none.
        min_class_images: for `folder`, the fewest training images of a class.
        skip_broken: for data in image files: go on without those that cannot
            be used, and say in `skipped` which they are.

    Returns:
        {split: `ImageDataset`}.

    Raises:
        UserError: for whatever the user can put right.
    """
    if image_size is not None and image_size < 1:
        raise errors.UserError(
            f"--image_size is a number of pixels from 1 on, not {image_size}"
        )
    if not 0.0 <= test_share < 1.0:
        raise errors.UserError(
            f"--test_share is a share in [0, 1), not {test_share}"
        )
    # Digits are read as a set of TFDS is: it may be in files too.
    entry = None
    if name != "digits":
        entry = datasets.DATASETS.get(tfds_images.base_name(name))
    if labels_csv and entry is None:
        raise errors.UserError(
            "--labels_csv belongs to --dataset_name=folder; "
            f"{name} has its own labels"
        )
    how = {"image_size": image_size, "cache_mib": cache_mib}
    directory = pathlib.Path(data_dir).expanduser()
    if data_dir and not directory.is_dir():
        raise errors.UserError(f"--data_dir={data_dir} is not a folder")
    if data_dir and not labels_csv and tfrecords.holds(directory, name):
        return {
            split: tfrecords.read(name, split, data_dir=directory, **how)
            for split in splits
        }
    if entry is not None:
        return _from_entry(
            entry,
            splits,
            {
                "name": name,
                "data_dir": data_dir,
                "labels_csv": labels_csv,
                **how,
                "test_share": test_share,
                "min_class_images": min_class_images,
                "skip_broken": skip_broken,
            },
        )
    # A mistyped folder of noisy labels must not end in clean ones from TFDS.
    of_tfds = (tfds_images.base_name(name), "downloads/manual")
    if data_dir and not any((directory / part).is_dir() for part in of_tfds):
        raise errors.UserError(
            f"--data_dir={data_dir} holds no TFRecords "
            f"{tfrecords.prefix(name)}_train-* or _test-*, nor is it a TFDS "
            f"directory with {name}"
        )
    if name == "digits":
        read = datasets.DATASETS.load(name)
        return {split: read(split, image_size) for split in splits}
    return {
        split: tfds_images.read(
            name, split, data_dir=data_dir and str(directory), **how
        )
        for split in splits
    }


def _from_entry(entry, splits, options):
    """Returns the splits that a registered function reads.

    Args:
        entry: a `datasets.DataSet`.
        splits: a list of texts.
        options: {name: value} of all that `load_splits` was asked for.

    Raises:
        UserError: for an option that was given and that the function does
            not take, or if it returns something else than a data set.
    """
    function = entry.load()
    parameters = inspect.signature(function).parameters
    known = {*options, "split"}
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        known = set(parameters)
    for option, value in options.items():
        if value and option not in (*known, *_NEVER_REFUSED):
            raise errors.UserError(
                f"--{option}={value} does not go with --dataset_name="
                f"{entry.name}, which does not take it"
            )
    options = {name: value for name, value in options.items() if name in known}
    if "splits" in known:
        found = function(splits=splits, **options)
    else:
        found = {split: function(split=split, **options) for split in splits}
    for data in found.values():
        if not isinstance(data, dataset_lib.ImageDataset):
            raise errors.UserError(
                f"data set {entry.name} of {entry.module} should be a "
                f"dataset.ImageDataset, not {type(data).__name__}"
            )
    return found
