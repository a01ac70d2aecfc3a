import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import mixup


def test_one_coefficient_for_all():
    x = tf.reshape([1.0, 2.0, 3.0], [3, 1, 1, 1])
    y = tf.one_hot([0, 1, 2], 3)
    images, labels = mixup.mix(x, y, [2, 0, 1], tf.constant(0.75))
    np.testing.assert_allclose(np.ravel(images), [1.5, 1.75, 2.75])
    np.testing.assert_allclose(
        labels, [[0.75, 0, 0.25], [0.25, 0.75, 0], [0, 0.25, 0.75]]
    )


@pytest.mark.parametrize(
    "alpha, expected", [(2.0, 0.6875), (4.0, 0.63672), (8.0, 0.59819)]
)
def test_beta_has_the_mean_of_its_larger_share(alpha, expected):
    draws = mixup.beta(tf.constant([1, 2]), [200000], alpha)
    larger = tf.maximum(draws, 1.0 - draws)
    assert abs(float(tf.reduce_mean(larger)) - expected) < 1e-3
    assert abs(float(tf.reduce_mean(draws)) - 0.5) < 2e-3


def test_beta_of_a_tiny_alpha_is_a_number():
    draws = mixup.beta(tf.constant([1, 2]), [100000], 0.001).numpy()
    assert np.isfinite(draws).all()
    assert draws.min() >= 0.0 and draws.max() <= 1.0


def test_draws_are_functions_of_the_seed():
    for draw in (
        lambda seed: mixup.beta(seed, [8], 2.0),
        lambda seed: randomness.permutation(seed, 8),
    ):
        first, again = draw(tf.constant([1, 2])), draw(tf.constant([1, 2]))
        other = draw(tf.constant([1, 3]))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)


def test_permutation_holds_each_index_once():
    drawn = randomness.permutation(tf.constant([3, 4]), 1000).numpy()
    np.testing.assert_array_equal(np.sort(drawn), np.arange(1000))
