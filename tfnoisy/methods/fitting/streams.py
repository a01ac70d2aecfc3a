"""A user's `tf.data.Dataset` as the batches of a method.

Its batches are used as they are.  The ids that it lacks are positions in a
pass; whether the order stays the same is checked (`watch`).
"""

import dataclasses
import warnings

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness, replicas
from tfnoisy.datasets import pipeline
from tfnoisy.methods.fitting import arrays, checks, views, watch

_WANTED = (
    "a data set must give batches (images, labels), (images, labels, "
    "sample_weight) or {'images': ..., 'labels': ..., 'ids': ...}"
)


@dataclasses.dataclass(frozen=True)
class Stream:
    """Batches that a user gives.

    Attributes:
        dataset: a `tf.data.Dataset` of batches {images, labels, ...}.
        first: the first batch, of what can be read only once; else None.
    """

    dataset: tf.data.Dataset
    first: dict | None = None


def as_stream(x):
    """Returns the `Stream` of what gives batches, None for anything else.

    Args:
        x: a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator.

    Raises:
        ArgumentError: for batches that are not of images and labels.
    """
    if isinstance(x, tf.data.Dataset):
        return Stream(_named(x))
    if isinstance(x, keras.utils.PyDataset):
        return Stream(_named(_of_pydataset(x)))
    if hasattr(x, "__next__"):
        first = _as_tuple(next(x))
        dataset = _named(_of_generator(first, x))
        names = ("images", "labels", "sample_weight")
        if not isinstance(first, dict):
            first = dict(zip(names, first))
        return Stream(dataset, first)
    return None


def _of_pydataset(x):
    def batches():
        for index in range(x.num_batches):
            yield _as_tuple(x[index])
        x.on_epoch_end()

    dataset = tf.data.Dataset.from_generator(
        batches, output_signature=_spec(_as_tuple(x[0]))
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(x.num_batches))


def _of_generator(first, others):
    waiting = [first]

    def batches():
        while waiting:
            yield waiting.pop()
        yield from map(_as_tuple, others)

    return tf.data.Dataset.from_generator(
        batches, output_signature=_spec(first)
    )


def _as_tuple(batch):
    return batch if isinstance(batch, dict) else tuple(batch)


def _spec(batch):
    """Returns the specification of a batch, of any size."""

    def spec(values):
        values = np.asarray(values)
        return tf.TensorSpec([None, *values.shape[1:]], values.dtype)

    return tf.nest.map_structure(spec, batch)


def _named(dataset):
    """Returns the data set with batches {images, labels, ...}.

    Raises:
        ArgumentError: if it gives something else.
    """
    spec = dataset.element_spec
    if isinstance(spec, dict):
        if not {"images", "labels"} <= spec.keys():
            raise errors.ArgumentError(
                f"{_WANTED}, not {{{', '.join(map(str, spec))}}}"
            )
    elif isinstance(spec, tuple) and len(spec) in (2, 3):
        names = ("images", "labels", "sample_weight")
        dataset = dataset.map(lambda *parts: dict(zip(names, parts)))
    else:
        raise errors.ArgumentError(f"{_WANTED}, not {spec}")
    spec = dataset.element_spec
    if not all(hasattr(spec[name], "dtype") for name in ("images", "labels")):
        raise errors.ArgumentError(f"{_WANTED}, not {spec}")
    if spec["labels"].shape.rank == 0:
        raise errors.ArgumentError(
            "the data set gives single examples: dataset.batch(32)"
        )
    return dataset


def first_batch(stream):
    """Returns the first batch of a `Stream`, {images, labels, ...}."""
    if stream.first is not None:
        return stream.first
    for batch in stream.dataset.take(1):
        return batch
    raise errors.ArgumentError("the data set is empty")


def batch_size_of(dataset):
    """Returns the size of a data set's first batch."""
    spec = dataset.element_spec["labels"]
    if spec.shape.rank and spec.shape[0]:
        return spec.shape[0]
    return len(first_batch(Stream(dataset))["labels"])


def image_shape_of(stream):
    """Returns the shape of one image of a `Stream`."""
    shape = stream.dataset.element_spec["images"].shape
    if shape.rank is None or None in tuple(shape[1:]):
        return tuple(first_batch(stream)["images"].shape[1:])
    return tuple(shape[1:])


def checked(method, stream, arguments):
    """Returns named batches with ids and weights, and what watches them.

    Args:
        method: a `methods.base.Method`.
        stream: a `Stream`.
        arguments: the `arrays.Arguments` of `fit`.

    Returns:
        (a `tf.data.Dataset`, a `watch.Watch`).

    Raises:
        ArgumentError: for what the method cannot train on.
    """
    _refuse_given(arguments)
    shape = image_shape_of(stream)
    method.build_student(shape)
    checks.refuse(checks.shape(np.empty((0, *shape)), method.image_shape))
    dataset = _weighted(method, stream.dataset, arguments.class_weight)
    has_ids = "ids" in dataset.element_spec
    dataset = watch.numbered(dataset)
    if method.remembers:
        _settle_ids(method, stream, dataset, has_ids)
    by_position = not has_ids and method.num_ids is not None
    compare = "ids" if has_ids else "positions" if by_position else None
    guard = watch.Watch(method.num_classes, compare, method.num_ids)
    dataset = dataset.map(guard.map)
    if not has_ids and not by_position:
        dataset = dataset.map(
            lambda batch: {k: v for k, v in batch.items() if k != "ids"}
        )
    return dataset, guard


def _refuse_given(arguments, batch_size=True):
    """Refuses what a data set says itself."""
    if arguments.sample_weight is not None:
        raise errors.ArgumentError(
            "sample_weight: of a data set, it is the third part of a batch"
        )
    if batch_size and arguments.batch_size is not None:
        raise errors.ArgumentError(
            "batch_size: a data set has batches already; dataset.batch(...)"
        )


def _weighted(method, dataset, class_weight):
    if "sample_weight" in dataset.element_spec:
        method.refuse_weights("sample_weight")
    if class_weight is None:
        return dataset
    method.refuse_weights("class_weight")
    classes = np.arange(method.num_classes)
    table = tf.constant(
        checks.of_classes(class_weight, classes, method.num_classes)
    )

    def weigh(batch):
        labels = batch["labels"]
        if labels.shape.rank == 2 and labels.shape[1] == method.num_classes:
            labels = tf.argmax(labels, 1)
        labels = tf.reshape(tf.cast(labels, tf.int32), [-1])
        # The watch says what is wrong with a label.
        labels = tf.clip_by_value(labels, 0, method.num_classes - 1)
        return {**batch, "sample_weight": tf.gather(table, labels)}

    return dataset.map(weigh)


def _settle_ids(method, stream, dataset, has_ids):
    """Lets the method remember examples, if they can be told apart."""
    if has_ids:
        if method.num_ids is None:
            _no_evidence(
                method,
                f"give {type(method).__name__} num_ids, the largest id plus "
                "one",
            )
        return
    once = stream.first is not None
    if once or not watch.begins_alike(dataset, method.num_classes):
        what = "is read only once" if once else "is shuffled"
        line = f"the data set {what} and has no ids: {watch.REMEDY}"
        if method.num_ids is not None:
            raise errors.ArgumentError(line)
        _no_evidence(method, line)
    elif method.num_ids is None:
        batches = int(dataset.cardinality())
        if batches < 0:
            _no_evidence(
                method,
                f"give {type(method).__name__} num_ids, the number of "
                "examples, as the length of the data set is not known",
            )
        else:
            method.keep_ids(batches * batch_size_of(dataset))


def _no_evidence(method, reason):
    if method.needs_ids:
        raise errors.ArgumentError(reason)
    warnings.warn(f"no evidence on the labels is kept: {reason}", stacklevel=7)


def of_replicas(dataset, strategy):
    """Returns batches of one replica each, if there are several.

    A step takes one for each of them.  They cross the borders of passes, so
    that all are full.
    """
    count = strategy.num_replicas_in_sync
    if count == 1:
        return dataset
    if replicas.num_workers(strategy) > 1:
        raise errors.ArgumentError(
            "fit takes a tf.data.Dataset on one worker only; give it arrays "
            "or a TrainingData"
        )
    size = batch_size_of(dataset)
    if size % count:
        raise errors.ArgumentError(
            f"batches of {size} examples cannot be shared by {count} replicas"
        )
    return dataset.repeat().rebatch(size // count)


def with_views(method, dataset, first, arguments):
    """Adds what a method needs beside images and labels.

    Args:
        method: a `methods.base.Method`.
        dataset: named batches.
        first: the number of the first batch, which keys the draws.
        arguments: the `arrays.Arguments` of `fit`.
    """
    shape = image_shape_of(Stream(dataset))
    adding, seed = [], method.seed
    if arguments.augment is not None:
        weak = views.training_view(arguments.augment, shape)
        adding.append(_adding_view("images", "images", (seed, "augment"), weak))
    spec = dataset.element_spec
    if method.uses_strong_view and "images_strong" not in spec:
        strong = _strong(method, spec["images"].dtype, shape)
        key = (seed, "augment_strong")
        if strong.comes_first:
            moved = _adding_view(
                "images_strong", "images", key, strong, strong.move
            )
            if arguments.augment is not None:
                # Another crop than that of the training view.
                then = ("images_strong", "images_strong", (seed, "augment", 1))
                adding.insert(0, _adding_view(*then, weak))
            adding.insert(0, moved)
        else:
            adding.append(_adding_view("images_strong", "images", key, strong))
    if method.needs_probe and "probe_images" not in spec:
        probe = arrays.probe_of(method, arguments, shape)
        adding.append(_adding_probe(probe))

    def add(index, batch):
        for function in adding:
            batch = function(index, batch)
        return batch

    if adding:
        dataset = dataset.enumerate(start=first).map(add)
    return pipeline.untuned(dataset.prefetch(2))


def _adding_view(name, source, key, view, function=None):
    """Returns what adds a view of some images of a batch, keyed by its number.

    Args:
        name: of the view, in the batch.
        source: of the images.
        key: (seed, stream, ...), as for `randomness.stream_seed`.
        view: a `standard.Augmentation`.
        function: of images and draws; `view.train` if None.
    """

    def add(index, batch):
        size = tf.shape(batch["labels"])[0]
        seed = randomness.stream_seed(*key, index)
        draws = randomness.uniform(seed, [size, view.num_draws])
        seen = (function or view.train)(batch[source], draws)
        return {**batch, name: seen}

    return add


def _adding_probe(probe):
    images, labels = tf.constant(probe.images), tf.constant(probe.given_labels)

    def add(index, batch):
        size = tf.shape(batch["labels"], tf.int64)[0]
        rows = (index * size + tf.range(size)) % len(probe)
        return {
            **batch,
            "probe_images": tf.gather(images, rows),
            "probe_labels": tf.gather(labels, rows),
        }

    return add


def _strong(method, dtype, shape):
    given = method.value_range
    if not callable(method.strong) and given is None and dtype != tf.uint8:
        raise errors.ArgumentError(
            f"{type(method).__name__} makes its strong view of the values of "
            "images: say with value_range=(low, high) which of them are black "
            "and white"
        )
    return views.strong_view(method.strong, shape, method.flip, given)


def collected(method, stream, arguments):
    """Reads a data set into arrays, for methods that divide it.

    Args:
        method: a `methods.base.Method`.
        stream: a finite `Stream`.
        arguments: the `arrays.Arguments` of `fit`.

    Returns:
        (images, labels, ids), in the order of the ids.

    Raises:
        ArgumentError: if its order or its images change between two passes.
    """
    _refuse_given(arguments, batch_size=False)
    dataset = stream.dataset
    if (
        dataset.cardinality() == tf.data.INFINITE_CARDINALITY
        or stream.first is not None
    ):
        raise errors.ArgumentError(
            f"{type(method).__name__} reads all examples before it trains: "
            "give it a finite data set, without repeat()"
        )
    method.build_student(image_shape_of(stream))
    has_ids = "ids" in dataset.element_spec
    if "sample_weight" in dataset.element_spec:
        method.refuse_weights("sample_weight")
    guard = watch.Watch(method.num_classes, "ids" if has_ids else "positions")
    dataset = watch.numbered(dataset)
    watched = dataset.map(guard.map)
    try:
        batches = list(watched.as_numpy_iterator())
        for _ in watched.take(1):
            pass
    except tf.errors.OpError:
        guard.raise_problems()
        raise
    if guard.views_change:
        raise errors.ArgumentError(
            f"{type(method).__name__} reads a data set once, but its images "
            "change from pass to pass: give them unchanged, and the random "
            "views by fit(..., augment=...)"
        )
    if not batches:
        raise errors.ArgumentError("the data set is empty")
    images, labels, ids = (
        np.concatenate([batch[name] for batch in batches])
        for name in ("images", "labels", "ids")
    )
    order = np.argsort(ids, kind="stable")
    images, labels, ids = images[order], labels[order], ids[order]
    (twice,) = np.nonzero(ids[1:] == ids[:-1])
    if len(twice):
        raise errors.ArgumentError(
            f"{len(twice)} ids of the data set come twice in a pass, "
            f"{ids[twice[0]]} for one"
        )
    return images, labels, ids
