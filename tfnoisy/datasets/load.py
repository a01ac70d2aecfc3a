"""A name and a split to an `ImageDataset`: the one way in."""

import inspect
import pathlib

from tfnoisy import errors
from tfnoisy.catalogue import datasets
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import tfds_images, tfrecords

# What a data set need not know: it changes no pixel.
_NEVER_REFUSED = ("name", "split", "cache_mib")


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
            `folder.read`), `clothing1m`, `webvision` (see there), a plugin's
            (see `catalogue.datasets`) or any image classification set of TFDS.
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
        return tfrecords.read(name, split, data_dir=directory, **how)
    if entry is not None:
        return _from_entry(
            entry,
            {
                "name": name,
                "split": split,
                "data_dir": data_dir,
                "labels_csv": labels_csv,
                **how,
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
        return datasets.DATASETS.load(name)(split, image_size)
    return tfds_images.read(
        name, split, data_dir=data_dir and str(directory), **how
    )


def _from_entry(entry, options):
    """Returns the split that a registered function reads.

    Args:
        entry: a `datasets.DataSet`.
        options: {name: value} of all that `load` was asked for.

    Raises:
        UserError: for an option that was given and that the function does
            not take, or if it returns something else than a data set.
    """
    function = entry.load()
    parameters = inspect.signature(function).parameters
    known = set(options)
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        known &= set(parameters)
    for option, value in options.items():
        if value and option not in (*known, *_NEVER_REFUSED):
            raise errors.UserError(
                f"--{option}={value} does not go with --dataset_name="
                f"{entry.name}, which does not take it"
            )
    data = function(
        **{name: value for name, value in options.items() if name in known}
    )
    if not isinstance(data, dataset_lib.ImageDataset):
        raise errors.UserError(
            f"data set {entry.name} of {entry.module} should be a "
            f"dataset.ImageDataset, not {type(data).__name__}"
        )
    return data
