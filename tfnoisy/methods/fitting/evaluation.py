"""What `evaluate` and the validation of `fit` judge a method on."""

import contextlib
import dataclasses

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.methods import students
from tfnoisy.methods.fitting import arrays, checks, streams, views, watch

_BATCH_SIZE = 32
# Of what `validation_freq` may be a collection, of the epochs to judge after.
_EPOCHS = (list, tuple, set)


@dataclasses.dataclass(frozen=True)
class Data:
    """Checked data as Keras's `evaluate` takes it.

    Attributes:
        arguments: {x, y, sample_weight, batch_size} of those that it takes.
        sparse: whether labels are integers.
        guard: the `watch.Watch` of a data set, else None.
    """

    arguments: dict
    sparse: bool
    guard: watch.Watch | None = None

    @property
    def is_endless(self):
        """Whether it is a data set without end."""
        x = self.arguments["x"]
        return isinstance(x, tf.data.Dataset) and (
            x.cardinality() == tf.data.INFINITE_CARDINALITY
        )

    @contextlib.contextmanager
    def explaining(self):
        """Raises what was found in a batch in place of TensorFlow's error."""
        try:
            yield
        except tf.errors.OpError:
            if self.guard:
                self.guard.raise_problems()
            raise


def prepared(method, x, y, sample_weight=None, batch_size=None, augment=None):
    """Returns the `Data` of what `evaluate` was given.

    Args:
        method: a `methods.base.Method`.
        x: arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset`, or an
            `ImageDataset`, which is judged by its given labels.
        y: labels, where x are arrays.
        sample_weight: [N], or None.
        batch_size: as for Keras.
        augment: whose evaluation view an `ImageDataset` is seen in.

    Raises:
        ArgumentError: with a line for each thing that is wrong.
    """
    if isinstance(x, dataset_lib.ImageDataset):
        method.build_student(x.images.shape[1:])
        view = views.dataset_view(augment, x)
        size = min(batch_size or _BATCH_SIZE, len(x))
        return Data({"x": pipeline.evaluation_batches(x, view, size)}, True)
    stream = streams.as_stream(x)
    if stream is None:
        x, y, sparse = batch(method, x, y)
        given = {"x": x, "y": y, "batch_size": batch_size}
        if sample_weight is not None:
            weights, problems = checks.weights(sample_weight, len(x))
            checks.refuse(problems)
            given["sample_weight"] = weights
        return Data(given, sparse)
    if y is not None:
        raise errors.ArgumentError("y: a data set gives its labels itself")
    method.build_student(streams.image_shape_of(stream))
    shape = stream.dataset.element_spec["labels"].shape
    guard = watch.Watch(method.num_classes)
    dataset = watch.numbered(stream.dataset).map(guard.map)
    sparse = checks.are_integers(shape, method.num_classes)
    return Data({"x": dataset}, sparse, guard)


def batch(method, x, y):
    """Returns checked arrays: images, labels, and whether these are integers.

    Args:
        method: a `methods.base.Method`.
        x: images [N, ...].
        y: labels [N], [N, 1] or [N, C].

    Raises:
        ArgumentError: with a line for each thing that is wrong.
    """
    images = arrays.as_array(x)
    if y is None:
        raise errors.ArgumentError("labels y are needed beside the images")
    method.build_student(images.shape[1:])
    labels, problems = checks.labels(y, method.num_classes)
    problems += checks.shape(images, method.image_shape)
    problems += checks.images(images)
    problems += checks.lengths(images, labels)
    checks.refuse(problems)
    return images, labels, labels.ndim == 1


def images_of(method, x):
    """Returns what `predict` was given, checked if it is an array.

    Args:
        method: a `methods.base.Method`.
        x: images [N, ...]; or batches of them, which are left as they are.

    Raises:
        ArgumentError: with a line for each thing that is wrong.
    """
    batches = (tf.data.Dataset, keras.utils.PyDataset)
    if isinstance(x, batches) or hasattr(x, "__next__"):
        students.refuse_unbuilt(method.student)
        return x
    images = arrays.as_array(x)
    method.build_student(images.shape[1:])
    problems = checks.shape(images, method.image_shape)
    problems += checks.images(images)
    if not len(images):
        problems.append("there are no images")
    checks.refuse(problems)
    return images


def split(given, share):
    """Splits arrays into those to train on and the last ones to validate by.

    Args:
        given: (x, y, sample_weight), each an array or None.
        share: of the validation, in (0, 1).

    Returns:
        (given to train on, given to validate by without what is None).

    Raises:
        ArgumentError: for what cannot be split.
    """
    x = given[0]
    if isinstance(x, dataset_lib.ImageDataset) or streams.as_stream(x):
        raise errors.ArgumentError(
            "validation_split is for arrays: give validation_data"
        )
    if not 0 < share < 1:
        raise errors.ArgumentError(
            f"validation_split={share} must be between 0 and 1"
        )
    count = int(np.floor(len(x) * (1 - share)))
    if not 0 < count < len(x):
        raise errors.ArgumentError(
            f"validation_split={share} of {len(x)} examples leaves nothing to "
            "train on or nothing to validate by"
        )
    parts = [None if a is None else np.asarray(a) for a in given]
    train = [None if a is None else a[:count] for a in parts]
    return train, tuple(a[count:] for a in parts if a is not None)


class Validation:
    """The validation of `fit`: nothing, where there are no data for it."""

    def __init__(self, method, data, batch_size, steps, frequency, augment):
        """Checks the data.

        Args:
            method: a compiled `methods.base.Method`.
            data: `validation_data` of `fit`, or None.
            batch_size: as for Keras.
            steps: as for Keras.
            frequency: `validation_freq` of `fit`.
            augment: of `fit`.

        Raises:
            ArgumentError: with a line for each thing that is wrong.
        """
        self._method = method
        self._steps = steps
        self._frequency = frequency
        self._data = None
        few = frequency if isinstance(frequency, _EPOCHS) else [frequency]
        for number in few:
            checks.refuse(checks.counts(validation_freq=(number, 1)))
        if data is None:
            return
        x, y, weights = data, None, None
        if isinstance(data, (tuple, list)):
            if len(data) not in (2, 3):
                raise errors.ArgumentError(
                    f"validation_data of {len(data)} parts: (images, labels) "
                    "or (images, labels, sample_weight)"
                )
            x, y, *rest = data
            weights = rest[0] if rest else None
        try:
            self._data = prepared(method, x, y, weights, batch_size, augment)
        except errors.ArgumentError as error:
            raise errors.ArgumentError(f"validation_data: {error}") from None
        if steps is None and self._data.is_endless:
            raise errors.ArgumentError(
                "validation_data has no end: give fit validation_steps"
            )

    def __call__(self, epoch, callbacks):
        """Returns {val_name: value}, empty where none is due.

        Args:
            epoch: int, from 0.
            callbacks: a `keras.callbacks.CallbackList`.
        """
        due = self._frequency
        if self._data is None or not (
            epoch + 1 in due
            if isinstance(due, _EPOCHS)
            else (epoch + 1) % due == 0
        ):
            return {}
        with self._data.explaining():
            logs = self._method.evaluate_prepared(
                self._data, steps=self._steps, callbacks=callbacks
            )
        return {f"val_{name}": value for name, value in logs.items()}
