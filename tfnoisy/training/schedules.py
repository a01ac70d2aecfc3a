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
