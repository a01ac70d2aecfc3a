"""Dynamic loss scaling, without which float16 loses small gradients.

Micikevicius et al., "Mixed Precision Training", ICLR 2018, section 3.2, with
the constants of NVIDIA's, PyTorch's and Keras's scalers.
"""

import keras
import tensorflow as tf

from tfnoisy.training import optimizer

_FIRST = 2.0**15
_LARGEST = 2.0**24
_PATIENCE = 2000


def momentum_for(mixed_precision):
    """Returns the class of the optimiser for networks of that precision.

    bfloat16 reaches as far as float32: float16 alone needs a scale.

    Args:
        mixed_precision: one of `nets.precision.NAMES`.
    """
    scaled = mixed_precision == "float16"
    return LossScaledMomentum if scaled else optimizer.TF1Momentum


@keras.saving.register_keras_serializable("tfnoisy")
class LossScaledMomentum(optimizer.TF1Momentum):
    """`TF1Momentum` of the gradients of S times the loss.

    Where a gradient of any replica is not finite, none of them moves weights
    or accumulators, and S is halved; after 2000 steps in a row without that it
    is doubled, up to 2^24.  At S = 1 nothing is left out: it is not the scale
    then, and the loss that follows will stop the run.

    Unlike with `keras.optimizers.LossScaleOptimizer` a step that is left out
    counts: `iterations` names the batch, the learning rate and the draws of a
    step, and a run that is resumed must find those that it would have had.

    Args:
        initial_scale: the first S, a power of two.
        patience: the steps in a row after which it is doubled.
        **kwargs: as for `TF1Momentum`.

    Attributes:
        loss_scale: S, a float32 variable.
        steps_in_a_row: the steps since it last changed.
        skipped_steps: how many were left out in all.
    """

    def __init__(
        self, *args, initial_scale=_FIRST, patience=_PATIENCE, **kwargs
    ):
        super().__init__(*args, **kwargs)
        self.initial_scale = initial_scale
        self.patience = patience

    def build(self, variables):
        """Creates the accumulators and the state of the scale.

        Args:
            variables: the trainable variables.
        """
        if self.built:
            return
        super().build(variables)

        def state(name, value, dtype="int64"):
            return self.add_variable(
                shape=(),
                initializer=keras.initializers.Constant(value),
                dtype=dtype,
                aggregation="only_first_replica",
                name=name,
            )

        self.loss_scale = state("loss_scale", self.initial_scale, "float32")
        self.steps_in_a_row = state("steps_in_a_row", 0)
        self.skipped_steps = state("skipped_steps", 0)
        # For `update_step`, which knows one variable: whether to move it.
        self.moves = state("moves", True, "bool")

    @property
    def counters(self):
        """Those of `TF1Momentum`, and the state of the loss scale."""
        return [
            *super().counters,
            self.loss_scale,
            self.steps_in_a_row,
            self.skipped_steps,
            self.moves,
        ]

    def scale_loss(self, loss):
        """Returns S times the loss, or what stands for it."""
        return loss * tf.cast(self.loss_scale.value, loss.dtype)

    def apply(self, grads, trainable_variables=None):
        """Updates the variables, or leaves the step out.

        Args:
            grads: of `scale_loss`, a replica's share; they are added up.
            trainable_variables: as for Keras's optimisers.
        """
        scale = tf.convert_to_tensor(self.loss_scale.value)
        finite = _all_finite(grads)
        moves = finite | (scale <= 1.0)
        self.moves.assign(moves)
        super().apply(
            [g if g is None else g / tf.cast(scale, g.dtype) for g in grads],
            trainable_variables,
        )
        steps = tf.cast(finite, tf.int64) * (self.steps_in_a_row.value + 1)
        grows = steps >= self.patience
        factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        self.loss_scale.assign(tf.clip_by_value(scale * factor, 1.0, _LARGEST))
        self.steps_in_a_row.assign(tf.cast(~grows, tf.int64) * steps)
        self.skipped_steps.assign(
            self.skipped_steps.value + tf.cast(~moves, tf.int64)
        )

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable; `keras.optimizers.Optimizer` calls it."""
        moves = tf.convert_to_tensor(self.moves.value)
        accumulator = self.accumulator(variable)
        velocity = accumulator * self.momentum + gradient
        change = tf.cast(learning_rate, velocity.dtype) * velocity
        # Not zero times the change, which may be no number.
        self.assign(accumulator, tf.where(moves, velocity, accumulator))
        self.assign_sub(variable, tf.where(moves, change, 0.0))

    def get_config(self):
        """Returns what the constructor needs."""
        return {
            **super().get_config(),
            "initial_scale": self.initial_scale,
            "patience": self.patience,
        }


def _all_finite(gradients):
    """Returns whether all gradients of all replicas are numbers, a bool."""
    finite = tf.reduce_all(
        [
            tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(g)))
            for g in gradients
            if g is not None
        ]
    )
    replica = tf.distribute.get_replica_context()
    if replica is None:
        return finite
    bad = tf.cast(~finite, tf.float32)
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, bad) == 0.0
