"""IEG's learning-rate schedules.

Source: google-research/ieg, `--lr_schedule`.  A schedule is read at the number
of updates made before the present one.
"""

import math

import keras

from tfnoisy import errors
from tfnoisy.training import schedules


def cosine(learning_rate, first_cycle, t_mul=1.5, m_mul=0.9):
    """Cosine decay to 0 that starts anew, each time longer and lower.

    Cycle i lasts first_cycle * t_mul^i steps and starts at learning_rate *
    m_mul^i.

    Args:
        learning_rate: the first one.
        first_cycle: S_0, in steps; the original takes 500 or one epoch.
        t_mul: what each restart multiplies the length by, at least 1.
        m_mul: what each restart multiplies the peak by.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        UserError: if first_cycle or t_mul is below 1.
    """
    if first_cycle < 1 or t_mul < 1:
        raise errors.UserError(
            "cosine restarts want a first cycle of at least 1 step and "
            f"--cos_t_mul of at least 1; got {first_cycle} and {t_mul}"
        )
    return keras.optimizers.schedules.CosineDecayRestarts(
        learning_rate, first_cycle, t_mul, m_mul
    )


def cycle_ends(first_cycle, num_steps, t_mul=1.5):
    """Returns the steps nearest to the ends of `cosine`'s cycles.

    There the learning rate has come down, and the original's results are read.

    Args:
        first_cycle: S_0.
        num_steps: T, the last step of interest.
        t_mul: what each restart multiplies the length by.

    Returns:
        A list of integers; halves are rounded down.
    """
    ends, end, length = [], first_cycle, first_cycle
    while end <= num_steps:
        ends.append(math.ceil(end - 0.5))
        length *= t_mul
        end += length
    return ends


def cosine_warmup(
    learning_rate, warmup_steps, first_cycle, t_mul=1.5, m_mul=0.9
):
    """A linear rise over warmup_steps, then `cosine` from its start.

    Args:
        learning_rate: what the rise ends at.
        warmup_steps: epochs of warm-up * steps an epoch; 0 for none (the
            original divides by zero).
        first_cycle: see `cosine`, as the others.
        t_mul: the same.
        m_mul: the same.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    return schedules.Warmup(
        learning_rate,
        warmup_steps,
        cosine(learning_rate, first_cycle, t_mul, m_mul),
    )


def cosine_one(learning_rate, num_steps):
    """One cosine decay from learning_rate to 0 over num_steps.

    Args:
        learning_rate: the first one.
        num_steps: T, `--max_iteration`.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    return keras.optimizers.schedules.CosineDecay(learning_rate, num_steps)


def custom_step(learning_rate, decay_steps, decay_rate=0.1):
    """learning_rate * decay_rate^k once k of the decay steps are reached.

    Args:
        learning_rate: the first one.
        decay_steps: increasing steps.
        decay_rate: what each drop multiplies by.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.

    Raises:
        UserError: unless the steps are positive and increasing.
    """
    steps = list(decay_steps)
    if not steps or not all(a < b for a, b in zip([0, *steps], steps)):
        raise errors.UserError(
            "--decay_steps wants increasing, positive steps, such as "
            f"40000,60000; got {steps}"
        )
    # PiecewiseConstantDecay keeps a value up to and including its boundary.
    return keras.optimizers.schedules.PiecewiseConstantDecay(
        [step - 1 for step in steps],
        [learning_rate * decay_rate**k for k in range(len(steps) + 1)],
    )


def exponential(learning_rate, decay_steps):
    """learning_rate * 0.9 every decay_steps steps; `--decay_rate` is ignored.

    Args:
        learning_rate: the first one.
        decay_steps: the first of `--decay_steps`.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`.
    """
    return keras.optimizers.schedules.ExponentialDecay(
        learning_rate, decay_steps, 0.9, staircase=True
    )
