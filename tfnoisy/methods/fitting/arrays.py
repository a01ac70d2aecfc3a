"""From what a user gives `fit` to the training data of the scripts.

Arrays become a `pipeline.TrainingData`, in which an example's id is its
position.  So `fit` draws the batches that a script would, in an order that
depends on the method's seed alone.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.methods.fitting import checks, views

_BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The arguments of `fit` that say what to train on.

    Attributes:
        sample_weight: [N], or None.
        class_weight: {class: weight}, or None.
        batch_size: of all replicas together; None for the method's own, or
            32.
        shuffle: whether each epoch has an order of its own.
        augment: see `views`.
        probe: trusted (images, labels), an `ImageDataset`, or None.
    """

    sample_weight: np.ndarray | None = None
    class_weight: dict | None = None
    batch_size: int | None = None
    shuffle: bool = True
    augment: object = None
    probe: object = None


def training_data(method, x, y, arguments):
    """Returns the `pipeline.TrainingData` of arrays or of our own data.

    Args:
        method: a `methods.base.Method`.
        x: images [N, ...], an `ImageDataset` or a `TrainingData`.
        y: labels [N], [N, 1] or [N, C]; None where x has them.
        arguments: the other `Arguments` of `fit`.

    Raises:
        ArgumentError: with a line for each thing that is wrong.
    """
    if isinstance(x, pipeline.TrainingData):
        return _given(method, x, y, arguments)
    _refuse_weights(method, arguments)
    if isinstance(x, dataset_lib.ImageDataset):
        return _of_dataset(method, x, y, arguments)
    return of_arrays(method, x, y, arguments)


def _given(method, data, y, arguments):
    default = Arguments()
    changed = [
        field.name
        for field in dataclasses.fields(Arguments)
        if getattr(arguments, field.name) is not getattr(default, field.name)
    ]
    if y is not None or changed:
        raise errors.ArgumentError(
            f"{', '.join(changed) or 'y'}: a TrainingData has it already; "
            "leave it out"
        )
    _refuse_classes(method, data.dataset)
    return data


def _of_dataset(method, dataset, y, arguments):
    if y is not None:
        raise errors.ArgumentError("y: an ImageDataset has labels already")
    _refuse_classes(method, dataset)
    view = views.dataset_view(arguments.augment, dataset)
    strong = None
    if method.uses_strong_view:
        strong = method.strong
        strong = (
            views.strong_view(strong, view.view_shape)
            if callable(strong)
            else views.named_strong_view(
                strong, dataset.images.shape[1:], dataset.mirror
            )
        )
    values, problems = _weights(method, dataset.given_labels, arguments)
    checks.refuse(problems)
    probe = probe_of(method, arguments, dataset.images.shape[1:])
    return pipeline.TrainingData(
        dataset,
        view,
        batch_size(method, arguments, len(dataset)),
        method.seed,
        strong,
        probe,
        arguments.shuffle,
        values,
    )


def of_arrays(method, x, y, arguments, ids=None):
    """Returns the `pipeline.TrainingData` of arrays.

    Args:
        method: a `methods.base.Method`.
        x: images [N, ...].
        y: labels [N], [N, 1] or [N, C].
        arguments: the other `Arguments` of `fit`.
        ids: int64 [N], ascending; the positions if None.

    Raises:
        ArgumentError: with a line for each thing that is wrong.
    """
    images = as_array(x)
    method.build_student(images.shape[1:])
    if y is None:
        raise errors.ArgumentError("fit needs the labels y beside the images")
    labels, problems = checks.labels(y, method.num_classes)
    problems += checks.shape(images, method.image_shape)
    problems += checks.images(images)
    if not len(images):
        problems.append("there are no images")
    problems += checks.lengths(images, labels)
    checks.refuse(problems)
    values, problems = _weights(method, labels, arguments)
    checks.refuse(problems)
    given = labels
    if labels.ndim == 2:
        given = labels.argmax(1)
        if not np.array_equal(labels, np.eye(labels.shape[1])[given]):
            _refuse_soft(method)
            values["labels"] = labels
    view = views.training_view(arguments.augment, images.shape[1:])
    strong = None
    if method.uses_strong_view:
        strong = _strong(method, images)
    return pipeline.TrainingData(
        _dataset("arrays", images, given, method.num_classes, ids),
        view,
        batch_size(method, arguments, len(images)),
        method.seed,
        strong,
        probe_of(method, arguments, images.shape[1:]),
        arguments.shuffle,
        values,
    )


def as_array(values):
    """Returns an array of an array, a tensor or a list."""
    if values is None:
        raise errors.ArgumentError("images x are needed")
    if isinstance(values, (str, bytes, dict)) or callable(values):
        raise errors.ArgumentError(
            f"fit takes arrays, a tf.data.Dataset, a keras.utils.PyDataset or "
            f"a tfnoisy data set, not {type(values).__name__}"
        )
    array = values.numpy() if tf.is_tensor(values) else np.asarray(values)
    if array.ndim < 2:
        raise errors.ArgumentError(
            f"images of shape {array.shape}: [N, H, W, channels] is wanted"
        )
    return array


def _dataset(name, images, labels, num_classes, ids=None):
    return dataset_lib.ImageDataset(
        name=name,
        images=images,
        given_labels=np.asarray(labels, np.int64),
        clean_labels=None,
        ids=np.arange(len(images)) if ids is None else ids,
        class_names=tuple(map(str, range(num_classes))),
    )


def _strong(method, images):
    strong, given = method.strong, method.value_range
    if not callable(strong) and given is None:
        given = views.value_range(images)
    return views.strong_view(strong, images.shape[1:], method.flip, given)


def probe_of(method, arguments, image_shape):
    """Returns the trusted examples as an `ImageDataset`, or None."""
    probe = method.probe if arguments.probe is None else arguments.probe
    if not method.needs_probe:
        if probe is not None:
            raise errors.ArgumentError(
                f"{type(method).__name__} takes no probe of trusted images"
            )
        return None
    if probe is None:
        raise errors.ArgumentError(
            f"{type(method).__name__} needs trusted images: fit(x, y, "
            "probe=(images, labels)), a few of each class whose labels are "
            "right"
        )
    if isinstance(probe, dataset_lib.ImageDataset):
        return probe
    if not isinstance(probe, (tuple, list)) or len(probe) != 2:
        raise errors.ArgumentError(
            "probe: the pair (images, labels) of trusted examples, or an "
            f"ImageDataset, is wanted, not {type(probe).__name__}"
        )
    images, labels = probe
    images = as_array(images)
    labels, problems = checks.labels(labels, method.num_classes, "probe labels")
    problems += checks.shape(images, image_shape, "probe images")
    problems += checks.images(images, "probe images")
    problems += checks.lengths(images, labels, "probe images", "probe labels")
    checks.refuse(problems)
    if labels.ndim == 2:
        labels = labels.argmax(1)
    order = interleaved(labels)
    return _dataset("probe", images[order], labels[order], method.num_classes)


def interleaved(labels):
    """Returns the rows in an order in which the classes take turns.

    Args:
        labels: int [N].

    Returns:
        int [N]: the first example of each class, then the second ones, ...
    """
    by_class = np.argsort(labels, kind="stable")
    counts = np.bincount(labels)
    first = np.cumsum(counts) - counts
    turn = np.empty(len(labels), np.int64)
    turn[by_class] = np.arange(len(labels)) - first[labels[by_class]]
    return np.lexsort((labels, turn))


def batch_size(method, arguments, count):
    """Returns how many examples a replica has in each batch.

    Args:
        method: a `methods.base.Method`.
        arguments: those of `fit`.
        count: N; a batch has no more.
    """
    given, own = arguments.batch_size, method.own_batch_size
    if own is not None:
        if given not in (None, own):
            raise errors.ArgumentError(
                f"batch_size={given}: that of {type(method).__name__} is an "
                f"argument of its own, {own} here"
            )
        return own
    replicas = method.distribute_strategy.num_replicas_in_sync
    total = _BATCH_SIZE if given is None else given
    if total < 1 or total % replicas:
        raise errors.ArgumentError(
            f"batch_size={total} must be a multiple of the {replicas} replicas"
        )
    return min(total // replicas, count)


def _refuse_classes(method, dataset):
    method.build_student(dataset.images.shape[1:])
    if dataset.num_classes != method.num_classes:
        raise errors.ArgumentError(
            f"{dataset.name} has {dataset.num_classes} classes, the student "
            f"{method.num_classes}"
        )


def _refuse_weights(method, arguments):
    for name in ("sample_weight", "class_weight"):
        if getattr(arguments, name) is not None:
            method.refuse_weights(name)
    if arguments.sample_weight is not None and arguments.class_weight:
        raise errors.ArgumentError(
            "sample_weight and class_weight: give one of the two"
        )
    if not arguments.shuffle and method.trains_in_epochs:
        raise errors.ArgumentError(
            f"shuffle=False: {type(method).__name__} shuffles the parts that "
            "it divides the data into"
        )


def _refuse_soft(method):
    if method.trains_in_epochs:
        raise errors.ArgumentError(
            f"{type(method).__name__} judges one given label an example: "
            "integers or one-hot rows are wanted, not probabilities"
        )


def _weights(method, labels, arguments):
    """Returns ({sample_weight: [N]} or {}, what is wrong with them)."""
    if arguments.class_weight is not None:
        table = arguments.class_weight
        found = checks.of_classes(table, labels, method.num_classes)
        return {"sample_weight": found}, []
    if arguments.sample_weight is None:
        return {}, []
    found, problems = checks.weights(arguments.sample_weight, len(labels))
    return {"sample_weight": found}, problems
