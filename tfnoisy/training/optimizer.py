"""Momentum as TF1 and PyTorch mean it."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("tfnoisy")
class TF1Momentum(keras.optimizers.Optimizer):
    """SGD with momentum, the learning rate outside the velocity.

    accumulator <- momentum * accumulator + gradient
    weight <- weight - learning_rate * accumulator

    This is TF1's MomentumOptimizer and, with L2 added to the loss, PyTorch's
    SGD.  `keras.optimizers.SGD` folds the learning rate into the velocity
    instead, so the two part at every change of the learning rate.

    Args:
        learning_rate: a float or a `LearningRateSchedule`.
        momentum: in [0, 1); 0 is plain gradient descent.
        **kwargs: as for `keras.optimizers.Optimizer`.
    """

    def __init__(self, learning_rate=0.1, momentum=0.9, **kwargs):
        super().__init__(
            learning_rate=learning_rate,
            name=kwargs.pop("name", "tf1_momentum"),
            **kwargs,
        )
        self.momentum = momentum

    def build(self, variables):
        """Creates the accumulators, zero at first.

        Args:
            variables: the trainable variables.
        """
        if self.built:
            return
        super().build(variables)
        self.accumulators = self.add_optimizer_variables(
            variables, "accumulator"
        )

    @property
    def counters(self):
        """The variables that count a step even if its update is left out."""
        return [self.iterations]

    def accumulator(self, variable):
        """Returns the accumulator that belongs to a trainable variable."""
        return self.accumulators[self._get_variable_index(variable)]

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable; `keras.optimizers.Optimizer` calls it."""
        learning_rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        accumulator = self.accumulator(variable)
        velocity = accumulator * self.momentum + gradient
        self.assign(accumulator, velocity)
        self.assign_sub(variable, learning_rate * velocity)

    def get_config(self):
        """Returns what the constructor needs."""
        return {**super().get_config(), "momentum": self.momentum}
