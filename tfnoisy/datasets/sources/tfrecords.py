"""TFRecords in the layout of the authors' code (google-research/mentormix).

`DIR/cifar100_train-*` holds the training data of one noise rate; the test
data `cifar100_test-*` are in the same folder, in `DIR/val` or in `DIR/../val`
(the original's `data/cifar100/0.4` and `data/cifar100/val`).

Features of a record: `image/encoded` (PNG or JPEG), `image/format` and
`image/class/label`, the label to train with.  For CIFAR-100 the original reads
`image/class/fine_label` instead when it tests; training files have it too, as
the truth that noise was added to.  tfnoisy writes two features more,
`image/class/clean_label` and `image/id`, and beside the records
`class_names.txt`, a name a line; files without them can be read as well.
"""

import functools
import glob
import pathlib
import re

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets import arrays, dataset, splits
from tfnoisy.datasets.images import records as image_records
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import tfds_images

CLASS_NAMES = "class_names.txt"
NUM_SHARDS = 10

_IMAGE = "image/encoded"
_FORMAT = "image/format"
_LABEL = "image/class/label"
_FINE = "image/class/fine_label"
_CLEAN = "image/class/clean_label"
_ID = "image/id"
# Stands for a number that a record lacks; -1 is a clean label (open-set).
_ABSENT = -2
_SHARD = re.compile(r"-(\d+)-of-(\d+)$")

# The last is for TensorFlow's words about bytes that are no text.
_DAMAGED = (
    tf.errors.InvalidArgumentError,
    tf.errors.DataLossError,
    UnicodeDecodeError,
)


def prefix(name):
    """Returns what file names begin with: `imagenette-160px` for one of TFDS.

    Args:
        name: a data set's name.
    """
    return re.sub(r"[^\w.-]", "-", name)


def holds(data_dir, name):
    """Returns whether a folder has TFRecords of this data set."""
    directory = pathlib.Path(data_dir).expanduser()
    return any(_glob(directory, name, split) for split in ("train", "test"))


def read(
    name, split, *, data_dir, image_size=None, cache_mib=streamed.CACHE_MIB
):
    """Reads a split.

    Args:
        name: the data set's name, with which the files' names begin.
        split: `train` or `test`, or a slice in the files' order.
        data_dir: the folder, see above.
        image_size: height and width to resize to; needed where the images
            differ in size.
        cache_mib: images of more MiB are streamed, see `streamed`.

    Returns:
        An `ImageDataset`.  Its ids are the records' own or, where they have
        none, their positions in the files.  The clean labels of a training
        split are None where the files do not have them; those of a test split
        are then the given ones.

    Raises:
        UserError: for files that are missing, incomplete or damaged, or
            labels out of range.
    """
    base = splits.base(split)
    files = _files(pathlib.Path(data_dir).expanduser(), name, base)
    class_names = _class_names(files[0].parent, name)
    index = image_records.Index.of(files)
    start, stop = splits.bounds(split, len(index))
    index = index.take(slice(start, stop))

    def parse_image(record):
        return _parse(record, image_size)["image"]

    try:
        shape = parse_image(index.read([0])[0]).shape
        images = streamed.StreamedImages(
            image_records.RecordImages(
                str(files[0].parent), index, parse_image, shape
            )
        )
        held = images.nbytes <= cache_mib * 2**20
        parse = functools.partial(
            _parse, image_size=image_size, with_image=held
        )
        columns = arrays.collect(
            _records(files, start, stop, parse), stop - start
        )
    except _DAMAGED:
        # Fast first; which record it was is found out only when it matters.
        raise errors.UserError(_first_problem(files, image_size)) from None
    given, clean = _labels(name, base, columns)
    _check_labels(files, given, clean, start, len(class_names))
    has_ids = np.all(columns[_ID] != _ABSENT)
    return dataset.ImageDataset(
        name=name,
        images=columns["image"] if held else images,
        given_labels=given,
        clean_labels=clean,
        ids=columns[_ID] if has_ids else np.arange(start, stop),
        class_names=class_names,
        mirror=tfds_images.can_mirror(name),
    )


def write(source, split, directory):
    """Writes a data set, sorted by id, and its class names.

    Args:
        source: an `ImageDataset`.
        split: `train` or `test`; part of the files' names.
        directory: an existing folder.
    """
    directory = pathlib.Path(directory)
    names = "".join(f"{name}\n" for name in source.class_names)
    (directory / CLASS_NAMES).write_text(names, encoding="utf-8")
    order = np.argsort(source.ids)
    num_shards = min(NUM_SHARDS, len(order))
    for shard, rows in enumerate(np.array_split(order, num_shards)):
        # Images that are streamed are read as they are iterated over.
        images = iter(streamed.take(source.images, rows))
        path = directory / (
            f"{prefix(source.name)}_{split}-{shard:05d}-of-{num_shards:05d}"
        )
        with tf.io.TFRecordWriter(str(path)) as writer:
            for row, image in zip(rows, images):
                writer.write(_serialized(source, row, image))


def _glob(directory, name, split):
    pattern = f"{glob.escape(prefix(name))}_{split}-*"
    return sorted(path for path in directory.glob(pattern) if path.is_file())


def _files(directory, name, split):
    """Returns the files of a split, all of which must be there."""
    folders = [directory]
    if split != "train":
        folders += [directory / "val", directory.parent / "val"]
    files = next(filter(None, (_glob(f, name, split) for f in folders)), None)
    if files is None:
        raise errors.UserError(
            f"no TFRecords {prefix(name)}_{split}-* in "
            + " or ".join(map(str, folders))
        )
    shards = [_SHARD.search(path.name) for path in files]
    if all(shards):
        found = {int(shard[1]) for shard in shards}
        missing = set(range(int(shards[0][2]))) - found
        if missing or len({shard[2] for shard in shards}) > 1:
            raise errors.UserError(
                f"{files[0].parent} does not hold one whole set of "
                f"{prefix(name)}_{split}-*: {len(files)} of {shards[0][2]} "
                "files"
            )
    return files


def _class_names(directory, name):
    path = directory / CLASS_NAMES
    if path.exists():
        lines = path.read_text(encoding="utf-8").split("\n")
        names = tuple(filter(None, lines))
    else:
        names = tfds_images.class_names(name)
    if not names:
        raise errors.UserError(
            f"the classes of {name} are not known: {path} is missing or "
            "empty; it should hold one name a line"
        )
    return names


def _records(files, start, stop, parse):
    """Returns a `tf.data.Dataset` of what `parse` makes of these records."""
    records = tf.data.TFRecordDataset([str(path) for path in files])
    return (
        records.skip(start)
        .take(stop - start)
        .map(
            tf.autograph.experimental.do_not_convert(parse),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
    )


def _parse(record, image_size, with_image=True):
    """Returns {image: uint8 [H, W, C], feature: int64 []} of one record.

    Without its image it need not have one that can be decoded.
    """
    features = {
        name: tf.io.FixedLenFeature([], tf.int64, _ABSENT)
        for name in (_LABEL, _FINE, _CLEAN, _ID)
    }
    features[_IMAGE] = tf.io.FixedLenFeature([], tf.string)
    example = tf.io.parse_single_example(record, features)
    contents = example.pop(_IMAGE)
    if with_image:
        image = tf.io.decode_image(contents, expand_animations=False)
        example["image"] = arrays.resize(image, image_size)
    return example


def _first_problem(files, image_size):
    """Returns a line on the first record that cannot be read."""
    shape = None
    for path in files:
        number = 0
        try:
            for record in tf.data.TFRecordDataset(str(path)):
                number += 1
                image = _parse(record, image_size)["image"]
                shape = shape or tuple(image.shape)
                if tuple(image.shape) != shape:
                    return (
                        f"{path}: record {number} has an image of "
                        f"{tuple(image.shape)}, the first of all one of "
                        f"{shape}; --image_size makes the sizes equal"
                    )
        except tf.errors.DataLossError:
            return f"{path}: damaged after record {number}"
        except _DAMAGED:
            return (
                f"{path}: record {number} holds no image that can be read "
                f"({_IMAGE} must be PNG or JPEG)"
            )
    return f"{files[0].parent}: the records cannot be read"


def _labels(name, split, columns):
    """Returns the given labels, int64 [N], and the clean ones or None."""

    def column(feature):
        absent = np.all(columns[feature] == _ABSENT)
        return None if absent else columns[feature]

    label, fine, clean = column(_LABEL), column(_FINE), column(_CLEAN)
    if name == "cifar100" and split == "test" and fine is not None:
        return fine, fine.copy()
    if label is None:
        # google/mentornet's CIFAR-100 has no other label than the fine one,
        # and where the file is noisy so is this.
        label, fine = columns[_FINE], None
    if clean is None and name == "cifar100":
        clean = fine
    if clean is None and split != "train":
        clean = label.copy()
    return label, clean


def _check_labels(files, given, clean, start, num_classes):
    """Raises a UserError for the first record with a label out of range."""
    bad = (given < 0) | (given >= num_classes)
    if clean is not None:
        bad |= (clean < -1) | (clean >= num_classes)
    if not bad.any():
        return
    row = int(np.argmax(bad))
    labels = {"given": given[row]}
    if clean is not None:
        labels["clean"] = clean[row]
    described = " and ".join(
        f"no {kind} label" if label == _ABSENT else f"{kind} label {label}"
        for kind, label in labels.items()
    )
    raise errors.UserError(
        f"{files[0].parent}: in {files[0].name.split('-')[0]}-* {bad.sum()} "
        f"records lack a label or have one out of range 0..{num_classes - 1}; "
        f"the first is record {start + row + 1} with {described}"
    )


def _serialized(source, row, image):
    given = int(source.given_labels[row])
    numbers = {_LABEL: given, _ID: int(source.ids[row])}
    if source.clean_labels is not None:
        numbers[_CLEAN] = int(source.clean_labels[row])
        if source.name == "cifar100":
            numbers[_FINE] = numbers[_CLEAN]
    texts = {
        _IMAGE: tf.io.encode_png(image).numpy(),
        _FORMAT: b"png",
    }
    feature = {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
        for name, number in numbers.items()
    }
    for name, text in texts.items():
        feature[name] = tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[text])
        )
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString()
