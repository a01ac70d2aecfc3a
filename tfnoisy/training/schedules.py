"""Learning-rate schedules, by the names that the flags use.

Each is one of Keras's own; what is ours is how the originals count steps.
"""

import keras

from tfnoisy import errors


def exponential(
    learning_rate, factor, num_epochs_per_decay, num_examples, batch_size
):
    """MentorMix: lr * factor^floor(t / (epochs * N / B)), a float divisor.

    Args:
        learning_rate: the first one.
        factor: what each drop multiplies by.
        num_epochs_per_decay: passes over the data between two drops.
        num_examples: N.
        batch_size: B.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    return keras.optimizers.schedules.ExponentialDecay(
        learning_rate,
        num_epochs_per_decay * num_examples / batch_size,
        factor,
        staircase=True,
    )


def exponential_integer(
    learning_rate, factor, num_epochs_per_decay, num_examples, batch_size
):
    """google/mentornet: as `exponential`, with Python 2's integer divisions.

    N / B is rounded down, and so is its product with the epochs (CIFAR's
    390 * 50 = 19500 steps).

    Args:
        learning_rate: the first one.
        factor: what each drop multiplies by.
        num_epochs_per_decay: passes over the data between two drops.
        num_examples: N.
        batch_size: B.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    steps_per_epoch = max(1, num_examples // batch_size)
    return keras.optimizers.schedules.ExponentialDecay(
        learning_rate,
        max(1, int(steps_per_epoch * num_epochs_per_decay)),
        factor,
        staircase=True,
    )


def mentornet_piecewise():
    """google/mentornet's ResNet trainer, which ignores its flags.

    Returns:
        A schedule: 0.1 while t <= 19531, then 0.01 to 25000, 0.001 to 30000,
        0.0001 from there on.
    """
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [19531, 25000, 30000], [0.1, 0.01, 0.001, 0.0001]
    )


# The share of a one-cycle training in which the rate rises (airbench: 0.23,
# ResNet-9: 0.21).
_RISE = 0.2


def one_cycle(learning_rate, num_steps):
    """Rises in a line from 0 for a fifth of the training, and falls to 0.

    Source: Smith and Topin, "Super-convergence" (2017), in the form of David
    Page's ResNet-9 for DAWNBench: two straight lines.

    Args:
        learning_rate: the highest one.
        num_steps: T.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    rise = round(_RISE * num_steps)
    fall = keras.optimizers.schedules.PolynomialDecay(
        learning_rate, max(1, num_steps - rise), 0.0
    )
    return Warmup(learning_rate, rise, fall)


@keras.saving.register_keras_serializable("tfnoisy")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises from 0 in a line, then follows another schedule from its start.

    Args:
        learning_rate: what the line rises to.
        warmup_steps: how long it rises, at least 0.
        schedule: the `LearningRateSchedule` that follows.
    """

    def __init__(self, learning_rate, warmup_steps, schedule):
        self.learning_rate = learning_rate
        self.warmup_steps = warmup_steps
        self.schedule = schedule

    def __call__(self, step):
        """Returns the learning rate at this step, a scalar."""
        step = keras.ops.cast(step, "float32")
        rising = self.learning_rate * step / max(self.warmup_steps, 1)
        after = self.schedule(keras.ops.maximum(step - self.warmup_steps, 0.0))
        return keras.ops.where(step < self.warmup_steps, rising, after)

    def get_config(self):
        """Returns what the constructor needs."""
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "schedule": keras.saving.serialize_keras_object(self.schedule),
        }

    @classmethod
    def from_config(cls, config):
        """Makes a schedule from `get_config`'s dictionary."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(**{**config, "schedule": schedule})


def drops(learning_rate, factor, fractions, num_steps):
    """Multiplies by `factor` at each given fraction of the training.

    Args:
        learning_rate: the first one.
        factor: what each drop multiplies by.
        fractions: increasing numbers in (0, 1).
        num_steps: T.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        UserError: if the fractions are not increasing numbers in (0, 1).
    """
    # PiecewiseConstantDecay keeps a value up to and including its boundary.
    boundaries = [step - 1 for step in drop_points(fractions, num_steps)]
    values = [learning_rate * factor**k for k in range(len(fractions) + 1)]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, values)


def drop_points(fractions, length):
    """Returns where in the training the learning rate drops, integers.

    Args:
        fractions: of the training, increasing numbers in (0, 1).
        length: of the training, in steps or epochs.

    Returns:
        A list of the first step or epoch, from 0, after each drop.

    Raises:
        UserError: if they are not increasing numbers in (0, 1).
    """
    ordered = all(a < b for a, b in zip([0.0, *fractions], [*fractions, 1.0]))
    if not fractions or not ordered:
        raise errors.UserError(
            "--lr_drops wants increasing fractions of the training between 0 "
            f"and 1, such as 0.5,0.75; got {list(fractions)}"
        )
    return [round(fraction * length) for fraction in fractions]
