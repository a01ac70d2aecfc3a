import numpy as np
import pytest

from tfnoisy.noise import class_maps, flips, models

N, C = 20000, 10
CLEAN = np.arange(N) % C


@pytest.fixture(scope="module")
def uniforms():
    return models.uniforms(3, np.arange(N))


def _within(share, probability, count, sigmas=4.5):
    """Whether a share of `count` Bernoulli draws is where it should be."""
    deviation = np.sqrt(probability * (1 - probability) / count)
    return abs(share - probability) <= sigmas * deviation + 1e-12


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4, 0.8, 0.95, 1.0])
def test_symmetric_may_draw_the_true_class(uniforms, rate):
    given = flips.symmetric(CLEAN, C, rate, uniforms)
    # Redrawn from all ten classes: 0.2/0.4/0.8 -> 0.18/0.36/0.72.
    assert _within(np.mean(given != CLEAN), rate * (1 - 1 / C), N)
    drawn = given[uniforms[:, 0] < rate]
    for label in range(C if rate else 0):
        assert _within(np.mean(drawn == label), 1 / C, len(drawn))


@pytest.mark.parametrize("rate", [0.0, 0.4, 1.0])
def test_symmetric_exclusive_never_draws_the_true_class(uniforms, rate):
    given = flips.symmetric_exclusive(CLEAN, C, rate, uniforms)
    chosen = uniforms[:, 0] < rate
    assert np.array_equal(given != CLEAN, chosen)
    assert _within(np.mean(chosen), rate, N)
    shift = (given - CLEAN)[chosen] % C
    for step in range(1, C if rate else 1):
        assert _within(np.mean(shift == step), 1 / (C - 1), len(shift))


def test_mapped_flips_by_the_map_alone(uniforms):
    given = flips.mapped(CLEAN, class_maps.ring(C), 0.3, uniforms)
    wrong = given != CLEAN
    assert _within(np.mean(wrong), 0.3, N)
    assert np.array_equal(given[wrong], (CLEAN[wrong] + 1) % C)
    keep = flips.mapped(CLEAN, np.arange(C), 1.0, uniforms)
    assert np.array_equal(keep, CLEAN)


def test_the_extreme_draws_stay_in_range():
    almost_one = np.nextafter(np.float32(1), np.float32(0)).astype(float)
    edge = np.array([[0.0, 0.0], [0.0, almost_one]])
    clean = np.array([0, 0])
    for classes in (2, 10, 1000):
        top = flips.symmetric(clean, classes, 0.1, edge)
        assert top.tolist() == [0, classes - 1]
        other = flips.symmetric_exclusive(clean, classes, 0.1, edge)
        assert other.tolist() == [1, classes - 1]
    assert flips.symmetric(clean, 10, 0.0, edge).tolist() == [0, 0]


def test_a_higher_rate_chooses_a_superset(uniforms):
    low = flips.symmetric_exclusive(CLEAN, C, 0.2, uniforms) != CLEAN
    high = flips.symmetric_exclusive(CLEAN, C, 0.4, uniforms) != CLEAN
    assert low.sum() < high.sum() and not np.any(low & ~high)
