"""Any image classification set of TensorFlow Datasets, by its name.

A set qualifies with the features `image` (uint8, grey or RGB) and `label`.
A split is held in memory, as uint8, or streamed if it takes more than a bound
and TFDS keeps it in TFRecord files, as it does unless it is told otherwise.
"""

import difflib
import pathlib
import socket
import urllib.parse
import urllib.request

import numpy as np
import tensorflow as tf
from etils import epy

from tfnoisy import errors
from tfnoisy.catalogue import datasets
from tfnoisy.datasets import arrays, dataset, splits
from tfnoisy.datasets.images import records as image_records
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import tfds_labels

with epy.lazy_imports():
    import tensorflow_datasets as tfds

# A mirrored digit or letter is no digit or letter.
_NOT_MIRRORED = {
    "digits",
    "emnist",
    "kmnist",
    "mnist",
    "mnist_corrupted",
    "svhn_cropped",
}

# TFDS shuffles CIFAR once when it prepares it, and keeps the published
# position in `id`, e.g. `train_16399`.
_PUBLISHED_ID = {"cifar10", "cifar100", "cifar10_n", "cifar100_n"}


def base_name(name):
    """Returns a TFDS name without its config and version."""
    return name.split("/")[0].split(":")[0]


def can_mirror(name):
    """Returns whether a horizontal flip keeps the classes of a data set."""
    return base_name(name) not in _NOT_MIRRORED


def class_names(name):
    """Returns TFDS's class names for a set, or None if TFDS has no such set.

    Needs neither the data nor the network; classes whose names are known only
    once the set is prepared are numbered.
    """
    try:
        return _class_names(tfds.builder(name).info.features["label"])
    except Exception:  # Whatever TFDS says, it does not know these classes.
        return None


def read(
    name,
    split,
    *,
    data_dir="",
    image_size=None,
    cache_mib=streamed.CACHE_MIB,
):
    """Reads a split of a TFDS set, preparing the set first if need be.

    Args:
        name: TFDS's name, e.g. `cifar10` or `imagenette/160px-v2`.
        split: a split of the set, or a slice in TFDS's order of its examples.
        data_dir: TFDS's own directory if it is not the default one.
        image_size: height and width to resize to; needed where the images of
            the set differ in size.
        cache_mib: images of more MiB are streamed, see `streamed`.

    Returns:
        An `ImageDataset` sorted by id.  The ids of CIFAR are the published
        positions; those of other sets count the examples in TFDS's order.
        For the clean ones see `tfds_labels.clean_labels`; the training splits
        of `cifar10_n` and `cifar100_n` have people's labels beside them.

    Raises:
        UserError: if there is no such set or split, if the set is no image
            classification, if it cannot be prepared, or if `image_size` is
            missing.
    """
    builder = _builder(name, data_dir)
    _check_features(name, builder.info.features, image_size)
    _prepare(name, builder)
    base = splits.base(split)
    if base not in builder.info.splits:
        raise errors.UserError(
            f"{name} has no split {base!r}; it has "
            f"{', '.join(builder.info.splits)}"
        )
    count = builder.info.splits[base].num_examples
    start, stop = splits.bounds(split, count)
    images = _streamed(builder, (base, start, stop), image_size)
    wanted = _wanted_features(name, base, builder.info.features)
    if images is None or images.nbytes <= cache_mib * 2**20:
        images = None
        wanted.append("image")
    columns = _read_columns(builder, (base, start, stop), wanted, image_size)
    labels = columns["label"]
    if labels.min() < 0:
        raise errors.UserError(f"split {base} of {name} has no labels")
    if base_name(name) in _PUBLISHED_ID:
        ids = np.array([int(text.split(b"_")[-1]) for text in columns["id"]])
    else:
        ids = np.arange(start, stop)
    whole = dataset.ImageDataset(
        name=name,
        images=columns["image"] if images is None else images,
        given_labels=labels,
        clean_labels=tfds_labels.clean_labels(
            base_name(name),
            base,
            columns,
            lambda features: _read_columns(builder, (base, 0, count), features),
        ),
        ids=ids,
        class_names=_class_names(builder.info.features["label"]),
        mirror=can_mirror(name),
        human_labels=tfds_labels.human_labels(base_name(name), columns),
    )
    del columns
    return whole.take(np.argsort(ids))


def _class_names(label_feature):
    return tuple(map(label_feature.int2str, range(label_feature.num_classes)))


def _builder(name, data_dir):
    try:
        return tfds.builder(name, data_dir=data_dir or None)
    except tfds.core.DatasetNotFoundError:
        names = tfds.list_builders(with_community_datasets=False)
        (nearest,) = difflib.get_close_matches(
            name, [*datasets.DATASETS.names(), *names], n=1, cutoff=0
        )
        raise errors.UserError(
            f"no data set is called {name!r}; did you mean {nearest}?"
        ) from None
    except Exception as error:  # A wrong config or version, a missing module.
        raise errors.UserError(
            f"TFDS cannot open {name!r}: {_first_line(error)}"
        ) from error


def _check_features(name, features, image_size):
    columns = {}
    if isinstance(features, tfds.features.FeaturesDict):
        columns = dict(features)
    image, label = columns.get("image"), columns.get("label")
    if not (
        isinstance(image, tfds.features.Image)
        and isinstance(label, tfds.features.ClassLabel)
        and image.np_dtype == np.uint8
        and image.shape[-1] in (1, 3)
    ):
        raise errors.UserError(
            f"{name} is not an image classification set: it needs a feature "
            "image (uint8, 1 or 3 channels) and a feature label"
        )
    if None in image.shape[:2] and image_size is None:
        raise errors.UserError(
            f"the images of {name} differ in size; say with --image_size how "
            "many pixels high and wide they are to become, e.g. "
            "--image_size=64"
        )


def _prepare(name, builder):
    if builder.is_prepared():
        return
    where = f"{name} is not prepared in {builder.data_dir}"
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        _check_manual_files(name, builder, where)
    hosts = {
        urllib.parse.urlparse(url).hostname for url in builder.url_infos or ()
    } - {None}
    # TFDS retries a download for minutes; without a network say so at once.
    if (
        hosts
        and not urllib.request.getproxies()
        and not any(map(_resolves, sorted(hosts | {"storage.googleapis.com"})))
    ):
        raise errors.UserError(
            f"{where} and cannot be downloaded: no network (none of "
            f"{', '.join(sorted(hosts))} is found)"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # TFDS lets through whatever goes wrong below.
        raise errors.UserError(
            f"{where} and cannot be downloaded: {_first_line(error)}"
        ) from error


def _check_manual_files(name, builder, where):
    """Refuses a set whose files TFDS may not download and does not find."""
    root = str(builder.data_dir).removesuffix(builder.info.full_name)
    manual = pathlib.Path(root, "downloads", "manual")
    if not manual.is_dir() or not any(manual.iterdir()):
        raise errors.UserError(
            f"{where}, and its files are not in {manual}: put them there as "
            "https://www.tensorflow.org/datasets/catalog/"
            f"{base_name(name)} says"
        )


def _resolves(host):
    try:
        return bool(socket.getaddrinfo(host, 443))
    except OSError:
        return False


def _first_line(error):
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _wanted_features(name, split, features):
    extra = tfds_labels.features(base_name(name), split, features)
    if base_name(name) in _PUBLISHED_ID:
        extra = ["id", *extra]
    return ["label", *extra]


def _streamed(builder, rows, image_size):
    """Returns the images of a split, unread; None if they are in no TFRecords.

    Args:
        builder: a TFDS builder.
        rows: (split, from, to).
        image_size: as for `read`.
    """
    split, start, stop = rows
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        return None
    index = image_records.Index.of(builder.info.splits[split].filepaths)
    index = index.take(slice(start, stop))
    features = tfds.decode.PartialDecoding({"image": True}).extract_features(
        builder.info.features
    )

    def decode(record):
        image = features.deserialize_example(record)["image"]
        return arrays.resize(image, image_size)

    return streamed.StreamedImages(
        image_records.RecordImages(
            builder.info.full_name,
            index,
            decode,
            decode(index.read([0])[0]).shape,
        )
    )


def _read_columns(builder, rows, wanted, image_size=None):
    """Returns {feature: array [to - from, ...]} in the order of the files.

    Args:
        builder: a TFDS builder.
        rows: (split, from, to).
        wanted: names of features; the others are not decoded.
        image_size: as for `read`.
    """
    split, start, stop = rows
    examples = builder.as_dataset(
        split=tfds.core.ReadInstruction(split, start, stop, unit="abs"),
        # One file after the other: thus the rows of a slice are the rows that
        # they are in the whole split.
        read_config=tfds.ReadConfig(
            interleave_cycle_length=1, try_autocache=False
        ),
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys(wanted, True)),
    )

    @tf.autograph.experimental.do_not_convert
    def resize(example):
        if "image" in example:
            example["image"] = arrays.resize(example["image"], image_size)
        return example

    return arrays.collect(
        examples.map(
            resize, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ),
        stop - start,
    )
