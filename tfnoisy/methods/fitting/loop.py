"""`fit` of all methods: the steps of the scripts' loop, the epochs of Keras.

The steps, their batches and their order are those of `training.loop`; the
callbacks, the history and the progress bar are Keras's.
"""

import functools
import warnings

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets.images import streamed
from tfnoisy.methods import execution, students

# In a step's logs: how many examples its means are of.
_ROWS = "number_of_rows"


class RunningMeans:
    """The means of the steps' logs over an epoch, weighted by examples.

    They are added up by TensorFlow: nothing waits for a step to end.
    """

    def __init__(self):
        self._totals = {}

    def add(self, logs):
        """Adds steps.

        Args:
            logs: {name: [number of steps]}, one of which is `number_of_rows`.

        Returns:
            {name: the mean so far, a scalar tensor}.
        """
        before = {
            name: self._totals.get(name, tf.zeros([2]))
            for name in logs
            if name != _ROWS
        }
        self._totals |= _added(before, logs)
        return self.values()

    def values(self):
        """Returns {name: mean}, empty before the first step."""
        return {
            name: total[0] / total[1] for name, total in self._totals.items()
        }


@tf.function(autograph=False, reduce_retracing=True)
def _added(totals, logs):
    rows = logs[_ROWS]
    return {
        name: total
        + tf.stack([tf.reduce_sum(rows * logs[name]), tf.reduce_sum(rows)])
        for name, total in totals.items()
    }


class Fit:
    """One call of `fit`."""

    def __init__(self, method, source, *, callbacks, verbose, epochs):
        """Prepares training.

        Args:
            method: a compiled `methods.base.Method`.
            source: see `sources`.
            callbacks: as for Keras's `fit`.
            verbose: likewise.
            epochs: likewise.
        """
        if source.example is not None:
            students.refuse_by_example(
                method.student, method.as_inputs(source.example)
            )
        self._method = method
        self._source = source
        self._epochs = epochs
        self._callbacks = callbacks
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            _refuse_other_callbacks(callbacks)
            self._callbacks = keras.callbacks.CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                verbose=verbose,
                epochs=epochs,
                steps=source.steps_per_epoch,
                model=method,
            )

    def run(self, initial_epoch, evaluate):
        """Trains epoch after epoch.

        Args:
            initial_epoch: as for Keras's `fit`.
            evaluate: (epoch, callbacks) -> {name: value} of the validation
                data, empty where there is no validation.

        Returns:
            The Keras history.
        """
        method, callbacks = self._method, self._callbacks
        method.stop_training = False
        callbacks.on_train_begin()
        # Set by `BackupAndRestore`, for this fit and not for the next one.
        first = getattr(method, "_initial_epoch", None) or initial_epoch
        method._initial_epoch = None
        self._settle_length(self._epochs - first)
        logs = None
        for epoch in range(first, self._epochs):
            method.reset_metrics()
            callbacks.on_epoch_begin(epoch)
            with streamed.naming_broken(*self._source.images):
                made = self._train()
            if made is None:
                warnings.warn(
                    f"{type(method).__name__} has no epochs left after "
                    f"{epoch}: its own number of epochs is smaller",
                    stacklevel=4,
                )
                break
            logs = {**made, **evaluate(epoch, callbacks)}
            callbacks.on_epoch_end(epoch, logs)
            if method.stop_training:
                break
        if self._epochs > 0:
            method.optimizer.finalize_variable_values(method.trained_variables)
        self._source.end()
        callbacks.on_train_end(logs)
        return method.history

    def _settle_length(self, epochs):
        each = self._source.steps_per_epoch
        method = self._method
        method.settle_length(
            None if each is None else method.steps_made() + epochs * each
        )

    def _train(self):
        """Trains an epoch; returns its logs, None if there were no steps."""
        method, callbacks = self._method, self._callbacks
        most = method.steps_per_execution
        means, made, logs = RunningMeans(), 0, None
        for train_step, iterator, number in self._source.stretches(most):
            callbacks.on_train_batch_begin(made)
            execute = self._execution(train_step)
            try:
                found = execute(iterator, number)
            except tf.errors.OutOfRangeError:
                break
            except tf.errors.OpError as error:
                self._source.problems(error)
            made += number
            found, latest = method.split_logs(found)
            logs = {**means.add(found), **latest}
            callbacks.on_train_batch_end(made - 1, logs)
            if method.stop_training:
                break
        if logs is None:
            return None
        return {**means.values(), **method.metric_results()}

    def _execution(self, train_step):
        """Returns the compiled step, traced once for each compilation."""
        method = self._method
        how = (
            method.steps_per_execution,
            method.jit_compile,
            method.run_eagerly,
        )
        if (train_step, *how) not in method.executions:
            method.executions[train_step, *how] = execution.compiled(
                method.distribute_strategy,
                functools.partial(_step_with_metrics, method, train_step),
                method.prepare,
                *how,
            )
        return method.executions[train_step, *how]


def _refuse_other_callbacks(callbacks):
    """Raises an `ArgumentError` if one is none of Keras's."""
    if callbacks is None:
        return
    for callback in keras.tree.flatten(callbacks):
        if not isinstance(callback, keras.callbacks.Callback):
            raise errors.ArgumentError(
                f"callbacks: {callback!r} is no keras.callbacks.Callback"
            )


def _step_with_metrics(method, train_step, batch):
    """One replica's step, which updates the compiled metrics too."""
    logs = train_step(batch)
    labels = batch.get("labelled", batch)["labels"]
    rows = tf.cast(tf.shape(labels)[0], tf.float32)
    return {**logs, **method.observed_metrics(batch), _ROWS: rows}
