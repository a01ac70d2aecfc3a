import numpy as np
import pytest
from scipy import stats

from tfnoisy.noise import instance, models

C = 10


def _images(count, seed):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, [count, 8, 8, 1]).astype(np.uint8)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.2, 0.45, 1.0])
def test_flip_rates_follow_the_truncated_normal(rate):
    rates = instance.flip_rates(
        rate, models.uniforms(1, np.arange(20000))[:, 0]
    )
    low, high = -rate / 0.1, (1 - rate) / 0.1
    expected = stats.truncnorm(low, high, loc=rate, scale=0.1)
    assert rates.min() >= 0 and rates.max() <= 1
    assert stats.kstest(rates, expected.cdf).pvalue > 1e-3


def test_flip_probabilities_are_algorithm_two_by_hand():
    images, clean = _images(30, 0), np.arange(30) % 3
    rates = np.linspace(0.1, 0.9, 30)
    found = instance.flip_probabilities(images, clean, 3, rates, seed=5)
    for i, label in enumerate(clean):
        projection = instance._projection(5, label, 64, 3)
        logits = images[i].reshape(-1).astype(float) @ projection
        others = [c for c in range(3) if c != label]
        weights = np.exp(logits[others] - logits[others].max())
        expected = np.empty(3)
        expected[others] = rates[i] * weights / weights.sum()
        expected[label] = 1 - rates[i]
        np.testing.assert_allclose(found[i], expected, rtol=1e-9, atol=1e-15)


def test_projections_are_standard_normal_and_one_for_each_class():
    first = instance._projection(5, 0, 3072, C)
    assert first.shape == (3072, C)
    assert abs(first.mean()) < 0.03 and abs(first.std() - 1) < 0.02
    assert not np.array_equal(first, instance._projection(5, 1, 3072, C))
    assert not np.array_equal(first, instance._projection(6, 0, 3072, C))


def test_rows_sum_to_one_and_the_true_class_keeps_the_rest():
    images, clean = _images(200, 1), np.arange(200) % C
    rates = np.full(200, 0.3)
    found = instance.flip_probabilities(images, clean, C, rates, seed=1)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found[np.arange(200), clean], 0.7)


def test_the_flip_depends_on_the_image_and_the_class_only():
    images, clean = _images(40, 2), np.zeros(40, int)
    clean[20:] = 1
    rates = np.full(40, 0.3)
    found = instance.flip_probabilities(images, clean, C, rates, seed=1)
    twins = np.repeat(images[:1], 40, axis=0)
    same = instance.flip_probabilities(twins, clean, C, rates, seed=1)
    assert np.array_equal(same[:20], np.repeat(same[:1], 20, axis=0))
    np.testing.assert_allclose(same[0], found[0], rtol=1e-9)
    # Other images of the same class are flipped elsewhere, and so is the same
    # image under another class.
    assert len(set(found[:20].argsort(axis=1)[:, -2])) > 1
    assert not np.allclose(same[0], same[20])


def test_draw_follows_the_distribution():
    rows = np.tile([0.5, 0.0, 0.3, 0.2], [20000, 1])
    labels = instance.draw(rows, models.uniforms(2, np.arange(20000))[:, 1])
    shares = np.bincount(labels, minlength=4) / 20000
    np.testing.assert_allclose(shares, rows[0], atol=0.016)
    assert shares[1] == 0
    assert instance.draw(rows[:2], np.array([0.0, 1 - 2**-24])).tolist() == [
        0,
        3,
    ]


@pytest.mark.parametrize("rate", [0.2, 0.4])
def test_mean_rate_is_close_to_the_asked_one(rate):
    images, clean = _images(10000, 3), np.arange(10000) % C
    uniforms = models.uniforms(4, np.arange(10000))
    given = instance.given_labels(images, clean, C, rate, 4, uniforms)
    assert abs(np.mean(given != clean) - rate) < 0.025
    assert given.min() >= 0 and given.max() < C
