import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.methods.ido import beta_mixture

# The sheet's numbers, of the authors' class: the counts that they released
# (CIFAR-100, instance noise 0.4, five epochs), and two made up.
RELEASED = [9963, 9469, 6097, 4579, 5578, 14314]
PEAKED = [0, 10, 40, 30, 10, 10]


def fitted(histogram, iterations, mixture=None):
    mixture = mixture or beta_mixture.start(1)
    return beta_mixture.fit(mixture, [histogram], iterations)


def assert_parameters(mixture, weight, alpha, beta):
    for found, expected in zip(mixture, (weight, alpha, beta)):
        np.testing.assert_allclose(found[0], expected, atol=1.1e-6)


def predicted(mixture, counts, monotone=False):
    counts = tf.constant(counts, tf.float64)
    rows = tf.repeat(beta_mixture.packed(mixture)[:1], len(counts), 0)
    p, f = beta_mixture.predict(beta_mixture.unpacked(rows), counts, monotone)
    return p.numpy().T, f.numpy().T


@pytest.mark.parametrize(
    "histogram, iterations, weight, alpha, beta",
    [
        (
            RELEASED,
            1,
            [0.482872, 0.517128],
            [0.450021, 1.042285],
            [1.736215, 0.248003],
        ),
        (
            RELEASED,
            2,
            [0.491980, 0.508020],
            [0.469761, 1.048352],
            [1.773823, 0.237718],
        ),
        (
            RELEASED,
            20,
            [0.610177, 0.389823],
            [0.531308, 1.202519],
            [1.430191, 0.129779],
        ),
        (
            [60, 20, 5, 3, 4, 8],
            1,
            [0.809999, 0.190001],
            [0.158870, 1.1],
            [2.075210, 0.320914],
        ),
        (
            [60, 20, 5, 3, 4, 8],
            20,
            [0.896700, 0.103300],
            [0.177570, 1.1],
            [1.488081, 0.093690],
        ),
        (
            PEAKED,
            20,
            [0.693157, 0.306843],
            [3.678390, 1.1],
            [6.165766, 0.180265],
        ),
    ],
)
def test_the_fit(histogram, iterations, weight, alpha, beta):
    assert_parameters(fitted(histogram, iterations), weight, alpha, beta)


def test_a_further_fit_goes_on():
    mixture = fitted(RELEASED, 1, fitted(RELEASED, 20))
    assert_parameters(
        mixture,
        [0.614562, 0.385438],
        [0.532868, 1.206376],
        [1.417773, 0.125022],
    )


def test_predictions_of_the_released_counts():
    p, f = predicted(fitted(RELEASED, 20), range(6))
    clean = [0.999988, 0.944649, 0.880564, 0.768233, 0.525951, 0]
    np.testing.assert_allclose(p[0], clean, atol=1e-6)
    below = [0.000812, 0.515731, 0.719484, 0.856859, 0.950595, 1]
    np.testing.assert_allclose(f[0], below, atol=1e-6)
    below = [0, 0.017899, 0.046780, 0.090007, 0.163762, 0.827620]
    np.testing.assert_allclose(f[1], below, atol=1e-6)


def test_predictions_of_few_counts():
    p, _ = predicted(fitted([60, 20, 5, 3, 4, 8], 20), range(6))
    clean = [1.0, 0.983002, 0.953337, 0.888712, 0.699683, 0.0]
    np.testing.assert_allclose(p[0], clean, atol=1e-6)


def test_above_the_largest_count_nothing_is_likely():
    p, f = predicted(fitted(RELEASED, 20), [6, 7])
    np.testing.assert_array_equal(p, np.zeros([2, 2]))
    np.testing.assert_array_equal(f, np.ones([2, 2]))


def test_the_guard_trusts_the_smallest_counts():
    mixture = fitted(PEAKED, 20)
    clean = [0, 0.960217, 0.927170, 0.363696, 0]
    p, _ = predicted(mixture, range(1, 6))
    np.testing.assert_allclose(p[0], clean, atol=1e-6)
    p, _ = predicted(mixture, range(6), monotone=True)
    clean = [0.960217, 0.960217, *clean[1:]]
    np.testing.assert_allclose(p[0], clean, atol=1e-6)
    # Where P falls anyway it changes nothing.
    released = fitted(RELEASED, 20)
    for found, expected in zip(
        predicted(released, range(8), monotone=True),
        predicted(released, range(8)),
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("histogram", [[7, 0, 0], [0, 0, 7], [0, 0, 0]])
def test_equal_counts_tell_nothing(histogram):
    mixture = fitted(histogram, 20)
    for found, expected in zip(mixture, beta_mixture.start(1)):
        np.testing.assert_array_equal(found, expected)
    p, f = predicted(mixture, range(4))
    np.testing.assert_array_equal(p, np.full([2, 4], 0.5))
    np.testing.assert_array_equal(f, np.full([2, 4], 0.5))


def test_each_class_has_its_own():
    histograms = [RELEASED, PEAKED, [5, 0, 0, 0, 0, 0]]
    together = beta_mixture.fit(beta_mixture.start(3), histograms, 20)
    for k, histogram in enumerate(histograms):
        for found, alone in zip(together, fitted(histogram, 20)):
            np.testing.assert_allclose(found[k], alone[0], rtol=1e-12)


def test_it_is_what_scipy_has():
    from scipy import stats

    x = np.linspace(0.001, 0.999, 7)
    for a, b in [(0.5, 1.4), (1.2, 0.13), (3.7, 6.2)]:
        ours = beta_mixture.density(
            tf.constant(x), *tf.constant([a, b], tf.float64)
        )
        np.testing.assert_allclose(ours, stats.beta.pdf(x, a, b), rtol=1e-10)
