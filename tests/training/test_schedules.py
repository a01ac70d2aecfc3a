import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.training import schedules


@pytest.mark.parametrize("kind", [int, lambda t: tf.constant(t, tf.int64)])
@pytest.mark.parametrize(
    "step, rate",
    [
        (0, 0.1),
        (11718, 0.1),
        (11719, 0.09),
        (23437, 0.09),
        (23438, 0.081),
        (199999, 0.0166772),
    ],
)
def test_published_mentormix(step, rate, kind):
    # google-research/mentormix, cifar_train_mentormix.py, `decay_steps`.
    schedule = schedules.exponential(0.1, 0.9, 30, 50000, 128)
    assert float(schedule(kind(step))) == pytest.approx(rate, rel=1e-5)


def test_default_mentormix():
    # The same, by its flags' defaults: 1171.875, a float.
    schedule = schedules.exponential(0.1, 0.9, 3, 50000, 128)
    drops = [float(schedule(t)) for t in (1171, 1172, 2343, 2344, 9374, 9375)]
    expected = 0.1 * 0.9 ** np.array([0, 1, 1, 2, 7, 8])
    np.testing.assert_allclose(drops, expected, rtol=1e-5)
    assert float(schedule(99999)) == pytest.approx(1.29e-5, rel=2e-3)


@pytest.mark.parametrize(
    "epochs, first_drop", [(50, 19500), (200, 78000), (0.5, 195)]
)
def test_mentornet_divides_integers(epochs, first_drop):
    # google/mentornet: 50000 / 128 is 390 in Python 2.
    schedule = schedules.exponential_integer(0.1, 0.1, epochs, 50000, 128)
    around = [0, first_drop - 1, first_drop, 2 * first_drop - 1, 2 * first_drop]
    np.testing.assert_allclose(
        [float(schedule(t)) for t in around],
        [0.1, 0.1, 0.01, 0.01, 0.001],
        rtol=1e-5,
    )


def test_mentornet_with_fewer_examples_than_a_batch():
    schedule = schedules.exponential_integer(0.1, 0.5, 0.5, 10, 128)
    np.testing.assert_allclose(
        [float(schedule(t)) for t in range(3)], [0.1, 0.05, 0.025], rtol=1e-5
    )


@pytest.mark.parametrize(
    "step, rate",
    [
        (0, 0.1),
        (19531, 0.1),
        (19532, 0.01),
        (25000, 0.01),
        (25001, 0.001),
        (30000, 0.001),
        (30001, 0.0001),
        (39000, 0.0001),
    ],
)
def test_mentornet_piecewise(step, rate):
    # google/mentornet, cifar_train_mentornet.py: the piecewise rate.
    schedule = schedules.mentornet_piecewise()
    assert float(schedule(tf.constant(step, tf.int64))) == pytest.approx(rate)


def test_drops_begin_at_their_fraction():
    schedule = schedules.drops(0.1, 0.1, [0.5, 0.75], 400)
    around = [0, 199, 200, 299, 300, 399]
    np.testing.assert_allclose(
        [float(schedule(t)) for t in around],
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001],
        rtol=1e-5,
    )
    # BKD, blind_knowledge_dist_training.py, line 266: a tenth from epoch 150.
    schedule = schedules.drops(0.02, 0.1, [0.5], 300)
    assert float(schedule(149)) == pytest.approx(0.02)
    assert float(schedule(150)) == pytest.approx(0.002)


@pytest.mark.parametrize(
    "fractions",
    [
        [],
        [0.0, 0.5],
        [0.5, 0.5],
        [0.75, 0.5],
        [0.5, 1.0],
        [-0.1],
        [50.0],
        [float("nan")],
    ],
    ids=str,
)
def test_drops_outside_the_training_are_refused(fractions):
    with pytest.raises(errors.UserError, match=r"--lr_drops wants increasing"):
        schedules.drops(0.1, 0.1, fractions, 100)


def test_one_cycle_rises_for_a_fifth_and_falls_to_nothing():
    schedule = schedules.one_cycle(0.4, 100)
    rates = [float(schedule(t)) for t in (0, 10, 19, 20, 60, 99, 100, 150)]
    expected = [0.0, 0.2, 0.38, 0.4, 0.2, 0.005, 0.0, 0.0]
    np.testing.assert_allclose(rates, expected, atol=1e-7)
    again = type(schedule).from_config(schedule.get_config())
    assert float(again(60)) == pytest.approx(0.2)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_of_very_few_steps(steps):
    schedule = schedules.one_cycle(0.4, steps)
    assert max(float(schedule(t)) for t in range(steps)) == pytest.approx(0.4)
