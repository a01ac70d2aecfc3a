import warnings

import numpy as np
import pytest
from sklearn import exceptions
from sklearn import mixture as sklearn_mixture

from tfnoisy.methods.dividemix import mixture


@pytest.mark.parametrize(
    "weights, means, variances, x, expected",
    [
        ((0.5, 0.5), (0.1, 0.7), (0.01, 0.01), 0.3, 0.997527),
        ((0.5, 0.5), (0.1, 0.7), (0.01, 0.01), 0.4, 0.5),
        ((0.8, 0.2), (0.1, 0.7), (0.01, 0.01), 0.4, 0.8),
        ((0.7, 0.3), (0.1, 0.6), (0.0025, 0.04), 0.25, 0.324064),
        # Small losses that count as wrong: the wider component takes them.
        ((0.5, 0.5), (0.3, 0.35), (0.0025, 0.09), 0.0, 1.8e-7),
    ],
)
def test_posteriors_by_hand(weights, means, variances, x, expected):
    for order in (slice(None), slice(None, None, -1)):
        fitted = mixture.Mixture(
            *(np.array(values[order]) for values in (weights, means, variances))
        )
        w = fitted.low_mean_posterior([x, x])
        np.testing.assert_allclose(w, [expected] * 2, rtol=6e-3, atol=1e-6)


def ramp(count):
    return (np.arange(count) + 0.5) / count


LOSSES = {
    "apart": np.concatenate([0.15 * ramp(800) ** 2, 0.4 + 0.6 * ramp(200)]),
    "overlapping": np.concatenate([0.5 * ramp(500), 0.3 + 0.7 * ramp(500)]),
    "collapsed": np.concatenate([0.02 * ramp(900) ** 3, ramp(100)]),
    "two_values": np.concatenate([np.zeros(60), np.ones(40)]),
}


@pytest.mark.parametrize(
    "name, reg_covar, weight, means, variances, clean, tolerance",
    [
        (
            "apart",
            5e-4,
            0.79975,
            (0.05005, 0.70032),
            (0.002505, 0.030978),
            800,
            0,
        ),
        (
            "apart",
            1e-3,
            None,
            (0.05005, 0.70032),
            (0.003005, 0.031477),
            800,
            0,
        ),
        (
            "overlapping",
            5e-4,
            None,
            (0.30584, 0.76856),
            (0.02705, 0.02231),
            704,
            1,
        ),
        (
            "collapsed",
            5e-4,
            None,
            (0.0054, 0.5393),
            (0.000554, 0.073495),
            909,
            0,
        ),
        ("two_values", 5e-4, 0.6, (0, 1), (5e-4, 5e-4), 60, 0),
    ],
)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fits(
    name, reg_covar, weight, means, variances, clean, tolerance, seed
):
    losses = mixture.normalise_losses(LOSSES[name])
    fitted = mixture.fit(losses, seed, reg_covar)
    order = fitted.means.argsort()
    # Where the heaps overlap, k-means may begin a little beside the optimum.
    far = 1e-3 if name == "overlapping" else 6e-5
    np.testing.assert_allclose(fitted.means[order], means, atol=far)
    found = fitted.variances[order]
    np.testing.assert_allclose(found, variances, rtol=20 * far)
    if weight is not None:
        assert fitted.weights[order[0]] == pytest.approx(weight, abs=2e-5)
    w = mixture.clean_probability(losses, seed, reg_covar)
    assert w.dtype == np.float32
    assert abs(np.sum(w > 0.5) - clean) <= tolerance
    assert np.sum(w > 0.6) <= np.sum(w > 0.5)


def scikit_learns(losses, seed, reg_covar):
    """The fit as the original code makes it."""
    fitted = sklearn_mixture.GaussianMixture(
        2, max_iter=10, tol=1e-2, reg_covar=reg_covar, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return fitted.fit(losses[:, np.newaxis])


MORE_LOSSES = {
    **LOSSES,
    "skewed": np.random.default_rng(0).exponential(1.0, 20_000),
    "uniform": np.random.default_rng(1).random(500),
    "not_converging": np.concatenate(
        [0.5 * ramp(1000) ** 40, 1 - ramp(1000) ** 40]
    ),
    "three": np.array([0.0, 0.1, 1.0]),
}


@pytest.mark.parametrize("reg_covar", [5e-4, 1e-3, 1e-6])
@pytest.mark.parametrize("name", MORE_LOSSES)
def test_the_fit_is_scikit_learns(name, reg_covar):
    losses = mixture.normalise_losses(MORE_LOSSES[name])
    for seed in range(3):
        fitted = mixture.fit(losses, seed, reg_covar)
        expected = scikit_learns(losses, seed, reg_covar)
        assert fitted.iterations == expected.n_iter_
        assert fitted.converged == expected.converged_
        for found, wanted in (
            (fitted.weights, expected.weights_),
            (fitted.means, expected.means_[:, 0]),
            (fitted.variances, expected.covariances_[:, 0, 0]),
            (
                fitted.low_mean_posterior(losses),
                expected.predict_proba(losses[:, np.newaxis])[
                    :, expected.means_.argmin()
                ],
            ),
        ):
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)


def test_the_first_fit_in_detail():
    losses = mixture.normalise_losses(LOSSES["apart"])
    fitted = mixture.fit(losses, 0)
    assert fitted.iterations == 2
    w = mixture.clean_probability(losses, 0)
    assert w.sum(dtype=float) == pytest.approx(799.749, abs=1e-3)
    assert w[0] == pytest.approx(0.999957, abs=1e-6)
    assert w[799] == pytest.approx(0.996067, abs=1e-6)
    overlapping = mixture.normalise_losses(LOSSES["overlapping"])
    w = mixture.clean_probability(overlapping, 0)
    assert np.sum(w > 0.6) == 688


def test_ten_iterations_are_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = np.concatenate([0.5 * ramp(1000) ** 40, 1 - ramp(1000) ** 40])
        fitted = mixture.fit(mixture.normalise_losses(losses), 0, 1e-6)
    assert not fitted.converged
    assert fitted.iterations == 10


def test_normalised_losses():
    np.testing.assert_allclose(
        mixture.normalise_losses(np.float32([3, 1, 2])), [1, 0, 0.5]
    )
    np.testing.assert_array_equal(mixture.normalise_losses([2.0, 2.0]), [0, 0])


@pytest.mark.parametrize("count", [1, 2, 100])
def test_equal_losses_speak_against_no_label(count):
    w = mixture.clean_probability(np.full(count, 0.25), 0)
    np.testing.assert_array_equal(w, np.ones(count))


def test_the_seed_settles_the_fit():
    losses = np.random.default_rng(0).random(500)
    first, again = (mixture.clean_probability(losses, 7) for _ in range(2))
    np.testing.assert_array_equal(first, again)
