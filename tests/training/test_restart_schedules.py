import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.training import optimizer, restart_schedules

ENDS_499 = [
    *(499, 1247, 2370, 4054, 6581, 10370, 16054, 24580, 37368, 56552),
    # The first of these is 85326.56.
    *(85327, 128489, 193232),
]


@pytest.mark.parametrize(
    "step, expected",
    [
        (0, 0.1),
        (250, 0.05),
        (499, 9.87e-7),
        (500, 0.09),
        (875, 0.045),
        (1250, 0.081),
    ],
)
def test_cosine_restarts_are_tf1s(step, expected):
    # tf.train.cosine_decay_restarts, as google-research/ieg calls it.
    schedule = restart_schedules.cosine(0.1, 500)
    tolerance = 2e-3 if step == 499 else 1e-5
    assert float(schedule(step)) == pytest.approx(expected, rel=tolerance)


def test_a_value_that_the_original_logged():
    schedule = restart_schedules.cosine(0.1, 499)
    assert float(schedule(4169)) == pytest.approx(0.0652773, abs=1e-7)


def test_the_whole_of_a_run_by_the_formula():
    # google-research/ieg, basemodel.py, `time_for_evaluation`, in float64.
    def by_hand(k, s, t, m):
        i = math.floor(math.log(1 + (k / s) * (t - 1), t))
        phase = (k / s - (t**i - 1) / (t - 1)) / t**i
        return 0.1 * m**i * (1 + math.cos(math.pi * phase)) / 2

    for t_mul, m_mul, first in ((1.5, 0.9, 499), (2.0, 0.8, 500)):
        schedule = restart_schedules.cosine(0.1, first, t_mul, m_mul)
        ends = restart_schedules.cycle_ends(first, 200000, t_mul)
        for k in np.linspace(0, 199999, 60).astype(int):
            if min(abs(k - end) for end in ends) > 2:
                assert float(schedule(k)) == pytest.approx(
                    by_hand(int(k), first, t_mul, m_mul), abs=2e-5
                )


def test_cycle_ends():
    assert restart_schedules.cycle_ends(499, 200000) == ENDS_499
    assert restart_schedules.cycle_ends(500, 63500, 2) == [
        *(500, 1500, 3500, 7500, 15500, 31500, 63500)
    ]
    assert restart_schedules.cycle_ends(500, 400) == []
    assert restart_schedules.cycle_ends(500, 500) == [500]
    # There the rate is at its least, and two steps on at its next peak.
    schedule = restart_schedules.cosine(0.1, 499)
    for i, end in enumerate(ENDS_499[:8]):
        assert float(schedule(end - 1)) < 2e-5
        assert float(schedule(end + 2)) == pytest.approx(
            0.1 * 0.9 ** (i + 1), rel=1e-3
        )


def test_equal_cycles():
    schedule = restart_schedules.cosine(0.1, 100, t_mul=1.0, m_mul=0.5)
    assert float(schedule(150)) == pytest.approx(0.025, rel=1e-5)
    assert restart_schedules.cycle_ends(100, 300, 1.0) == [100, 200, 300]


def test_warmup():
    schedule = restart_schedules.cosine_warmup(0.1, 200, 500)
    for step, expected in [
        (0, 0.0),
        (50, 0.025),
        (199, 0.0995),
        (200, 0.1),
        (450, 0.05),
        (700, 0.09),
    ]:
        assert float(schedule(step)) == pytest.approx(expected, rel=1e-5)
    none = restart_schedules.cosine_warmup(0.1, 0, 500)
    assert float(none(0)) == pytest.approx(0.1)
    assert float(none(250)) == pytest.approx(0.05)


def test_warmup_within_an_optimiser_and_saved():
    schedule = restart_schedules.cosine_warmup(0.1, 4, 500)
    weight = tf.Variable(0.0)
    kept = optimizer.TF1Momentum(schedule, momentum=0.0)
    step = tf.function(lambda: kept.apply([tf.constant(1.0)], [weight]))
    kept.build([weight])
    for _ in range(3):
        step()
    # 0 + 0.025 + 0.05.
    assert float(weight) == pytest.approx(-0.075)
    copy = keras.optimizers.schedules.deserialize(
        keras.optimizers.schedules.serialize(schedule)
    )
    for k in (2, 100):
        assert float(copy(k)) == float(schedule(k))


def test_one_cosine():
    schedule = restart_schedules.cosine_one(0.1, 1000)
    for step, expected in [(0, 0.1), (500, 0.05), (1000, 0.0), (2000, 0.0)]:
        assert float(schedule(step)) == pytest.approx(expected, abs=1e-8)


def test_custom_steps():
    schedule = restart_schedules.custom_step(0.1, [100, 150], 0.01)
    for step, expected in [
        (0, 0.1),
        (99, 0.1),
        (100, 1e-3),
        (149, 1e-3),
        (150, 1e-5),
    ]:
        assert float(schedule(step)) == pytest.approx(expected)


def test_exponential():
    schedule = restart_schedules.exponential(0.1, 500)
    for step, expected in [(499, 0.1), (500, 0.09), (1000, 0.081)]:
        assert float(schedule(step)) == pytest.approx(expected)


@pytest.mark.parametrize("first, t_mul", [(0, 1.5), (500, 0.5)])
def test_restarts_that_make_no_sense(first, t_mul):
    with pytest.raises(errors.UserError, match="at least 1"):
        restart_schedules.cosine(0.1, first, t_mul)


@pytest.mark.parametrize("steps", [[], [0, 5], [5, 5], [9, 3]])
def test_custom_steps_that_make_no_sense(steps):
    with pytest.raises(errors.UserError, match="increasing, positive"):
        restart_schedules.custom_step(0.1, steps)
