"""Where the steps of an epoch of `fit` take their batches from."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.methods.fitting import arrays, checks, streams

_ENDLESS = np.iinfo(np.int64).max


def make(method, x, y, arguments, steps_per_epoch=None):
    """Returns the source of what `fit` was given.

    Args:
        method: a compiled `methods.base.Method`.
        x: arrays, a `tf.data.Dataset`, a `keras.utils.PyDataset`, a generator,
            an `ImageDataset` or a `pipeline.TrainingData`.
        y: labels, where x are arrays.
        arguments: the other `arrays.Arguments` of `fit`.
        steps_per_epoch: as for `fit`.

    Returns:
        A `Stages` or a `Stream`.

    Raises:
        ArgumentError: for what the method cannot train on.
    """
    own = isinstance(x, (dataset_lib.ImageDataset, pipeline.TrainingData))
    stream = None if own else streams.as_stream(x)
    if stream is None:
        data = arrays.training_data(method, x, y, arguments)
        sparse = y is None or checks.are_integers(
            np.shape(y), method.num_classes
        )
        return Stages(method, data, steps_per_epoch, sparse)
    if y is not None:
        raise errors.ArgumentError("y: a data set gives its labels itself")
    if method.trains_in_epochs:
        images, labels, ids = streams.collected(method, stream, arguments)
        if method.own_batch_size is None and arguments.batch_size is None:
            arguments = dataclasses.replace(
                arguments, batch_size=streams.batch_size_of(stream.dataset)
            )
        data = arrays.of_arrays(method, images, labels, arguments, ids)
        sparse = checks.are_integers(labels.shape, method.num_classes)
        return Stages(method, data, steps_per_epoch, sparse)
    return Stream(method, stream, arguments, steps_per_epoch)


class Stages:
    """The stages of a method on training data, as the scripts' loop has them.

    Attributes:
        images: whose errors `streamed.naming_broken` explains, a list.
        steps_per_epoch: the steps of an epoch; None where the method's
            stages say when one ends.
        example: a few images as the student sees them, [b, ...].
        sparse: whether labels are integers.
    """

    def __init__(self, method, data, steps_per_epoch, sparse=True):
        """Prepares the stages.

        Args:
            method: a compiled `methods.base.Method`.
            data: a `pipeline.TrainingData`.
            steps_per_epoch: as for `fit`.
            sparse: whether labels were given as integers.

        Raises:
            ArgumentError: if the method ends its epochs itself, or remembers
                fewer examples than there are.
        """
        if method.remembers:
            if method.num_ids is None:
                method.keep_ids(data.dataset.num_ids)
            if method.num_ids < data.dataset.num_ids:
                raise errors.ArgumentError(
                    f"num_ids={method.num_ids}: the data have ids up to "
                    f"{data.dataset.num_ids - 1}; give the constructor "
                    f"num_ids={data.dataset.num_ids}"
                )
        method.leaves_learning_rate = not method.was_given("lr")
        replicas_in_all = method.distribute_strategy.num_replicas_in_sync
        if method.trains_in_epochs:
            if steps_per_epoch is not None:
                raise errors.ArgumentError(
                    f"steps_per_epoch={steps_per_epoch}: an epoch of "
                    f"{type(method).__name__} is a pass over its data"
                )
        elif steps_per_epoch is None:
            steps_per_epoch = data.steps_of_pass(replicas_in_all)
        self.steps_per_epoch = steps_per_epoch
        self.images = data.images
        self.example = data.augmentation.evaluate(data.dataset.images[:4])
        self.sparse = sparse
        self._method = method
        self._data = data
        self._replicas = replicas_in_all
        self._stage = self._iterator = self._step = None

    def problems(self, error):
        """Raises TensorFlow's error on a batch as it is."""
        raise error

    def stretches(self, most):
        """Yields the steps of an epoch: (train step, iterator, number).

        Args:
            most: the most steps of a stretch.
        """
        made = 0
        if self._step != self._method.steps_made():
            self._enter()
        while self._stage is not None:
            number = min(most, self._stage.last_step - self._step)
            if self.steps_per_epoch:
                number = min(number, self.steps_per_epoch - made)
            yield self._stage.train_step, self._iterator, number
            self._step += number
            made += number
            ended = self._step >= self._stage.last_step
            ends_epoch = ended and self._stage.ends_epoch
            if ended:
                self._stage = None
            if made == self.steps_per_epoch or ends_epoch:
                break
            if ended:
                self._enter()
        if self._stage is None:
            # The next epoch asks for the next stage.
            self._step = None

    def end(self):
        """Lets the method conclude, once no more epochs are to come."""
        step = self._method.steps_made()
        self._method.stage(step, self._data, step)

    def _enter(self):
        """Asks for the stage of the next step, and its batches."""
        self._step = self._method.steps_made()
        self._stage = stage = self._method.stage(
            self._step, self._data, _ENDLESS
        )
        if stage is not None:
            first = (self._step - stage.first_step) * self._replicas
            self._iterator = replicas.iterate(
                self._method.distribute_strategy,
                lambda context: stage.batches(first, context),
            )


class Stream:
    """A user's data set, pass after pass; attributes as those of `Stages`."""

    images = ()

    def __init__(self, method, stream, arguments, steps_per_epoch):
        """Prepares the stream.

        Args:
            method: a compiled `methods.base.Method`.
            stream: a `streams.Stream`.
            arguments: the `arrays.Arguments` of `fit`.
            steps_per_epoch: as for `fit`.

        Raises:
            ArgumentError: for what the method cannot train on.
        """
        self._method = method
        self._arguments = arguments
        self._batches, self._watch = streams.checked(method, stream, arguments)
        self.sparse = checks.are_integers(
            self._batches.element_spec["labels"].shape, method.num_classes
        )
        length = int(self._batches.cardinality())
        if length == 0:
            raise errors.ArgumentError("the data set is empty")
        several = method.distribute_strategy.num_replicas_in_sync > 1
        endless = length == tf.data.INFINITE_CARDINALITY
        if steps_per_epoch is None and endless:
            raise errors.ArgumentError(
                "the data set has no end: give fit steps_per_epoch"
            )
        if steps_per_epoch is None and length > 0:
            steps_per_epoch = length
        if steps_per_epoch is None and several:
            raise errors.ArgumentError(
                "the length of the data set is not known: give fit "
                "steps_per_epoch"
            )
        # As long as its length is known, or given, it does not run out.
        self._repeats = steps_per_epoch is not None and not endless
        self.steps_per_epoch = steps_per_epoch
        self.example = streams.first_batch(stream)["images"][:4]
        self._iterator = None

    def problems(self, error):
        """Raises what was found in a batch in place of TensorFlow's error."""
        self._watch.raise_problems()
        raise error

    def stretches(self, most):
        """Yields the steps of an epoch, see `Stages.stretches`.

        Where the data set's length is not known, it ends with the data.
        """
        if self.steps_per_epoch is None:
            # One by one: a step that finds no batch would count all the same.
            try:
                for batch in self._entered():
                    one = tf.data.Dataset.from_tensors(batch)
                    yield self._method.train_step, iter(one), 1
            except tf.errors.OpError as error:
                self.problems(error)
            return
        if self._iterator is None:
            self._iterator = iter(self._entered())
        made = 0
        while made < self.steps_per_epoch:
            number = min(most, self.steps_per_epoch - made)
            yield self._method.train_step, self._iterator, number
            made += number

    def end(self):
        """Does nothing: there are no stages to conclude."""

    def _entered(self):
        method = self._method
        batches = self._batches
        if self._repeats:
            batches = batches.repeat()
        batches = streams.of_replicas(batches, method.distribute_strategy)
        step = method.steps_made()
        first = step * method.distribute_strategy.num_replicas_in_sync
        return streams.with_views(method, batches, first, self._arguments)
