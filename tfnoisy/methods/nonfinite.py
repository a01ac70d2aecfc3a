"""Steps whose loss or weights are not finite, left out.

A loss or a gradient that is not a number ruins all that a step touches: the
weights, the moving averages, batch normalisation's statistics, and what a
method remembers of the batch.  So the whole step is taken back, whatever the
method; only the counters of steps go on, which name the batch, the learning
rate and the random draws of those to come.
"""

import tensorflow as tf

# The name of the log that says whether a step left everything finite.
FINITE = "finite"


class Guard:
    """Takes back the steps that leave a loss or a variable not finite."""

    def __init__(self, method):
        """Guards a method.

        Args:
            method: a compiled `methods.base.Method`.
        """
        optimizer = method.optimizer
        self._variables = [*method.variables, *optimizer.variables]
        counters = getattr(optimizer, "counters", [optimizer.iterations])
        goes_on = {id(variable) for variable in counters}
        self._taken_back = [v for v in self._variables if id(v) not in goes_on]

    def judging(self, step):
        """Returns a step with one more log, `FINITE`, 1.0 or 0.0.

        Args:
            step: one replica's training step, batch -> {name: scalar}.
        """

        def judged(batch):
            logs = step(batch)
            values = [tf.convert_to_tensor(v.value) for v in self._variables]
            finite = [
                tf.reduce_all(tf.math.is_finite(value))
                for value in (logs["loss"], *values)
                if value.dtype.is_floating
            ]
            return {**logs, FINITE: tf.cast(tf.reduce_all(finite), tf.float32)}

        return judged

    def taking_back(self, strategy, step, finite):
        """Returns a step that leaves no trace where something is not finite.

        Args:
            strategy: a `tf.distribute.Strategy`.
            step: iterator -> tensor of logs, of all replicas; called within
                a `tf.function`.
            finite: these logs -> scalar, 1.0 if all replicas found all finite.
        """

        def guarded(iterator):
            copies = [
                copy
                for variable in self._taken_back
                for copy in strategy.experimental_local_results(variable.value)
            ]
            before = []
            for copy in copies:
                with tf.device(copy.device):
                    before.append(tf.identity(copy))
            logs = step(iterator)

            def restore():
                for copy, value in zip(copies, before):
                    copy.assign(value)
                return tf.constant(True)

            tf.cond(finite(logs) < 1.0, restore, lambda: tf.constant(False))
            return logs

        return guarded
