import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import loss_mixture
from tfnoisy.methods.dividemix import mixture as method_mixture


def known(weights, means, variances):
    return loss_mixture.Mixture(
        np.array(means), np.array(variances), np.array(weights)
    )


@pytest.mark.parametrize(
    "weights, means, variances, x, expected",
    [
        # By hand, of the two densities.
        ((0.5, 0.5), (0.1, 0.7), (0.01, 0.01), 0.3, 0.997527),
        ((0.5, 0.5), (0.1, 0.7), (0.01, 0.01), 0.4, 0.5),
        ((0.8, 0.2), (0.1, 0.7), (0.01, 0.01), 0.4, 0.8),
        ((0.7, 0.3), (0.1, 0.6), (0.0025, 0.04), 0.25, 0.324064),
        ((0.5, 0.5), (0.3, 0.35), (0.0025, 0.09), 0.0, 1.8e-7),
    ],
)
def test_posteriors_by_hand(weights, means, variances, x, expected):
    (found,) = known(weights, means, variances).clean_probability([x])
    assert found == pytest.approx(expected, rel=6e-3, abs=1e-6)


def ramp(count):
    return (np.arange(count) + 0.5) / count


# As tests/methods/dividemix/test_mixture.py fits them.
LOSSES = {
    "apart": np.concatenate([0.15 * ramp(800) ** 2, 0.4 + 0.6 * ramp(200)]),
    "overlapping": np.concatenate([0.5 * ramp(500), 0.3 + 0.7 * ramp(500)]),
    "collapsed": np.concatenate([0.02 * ramp(900) ** 3, ramp(100)]),
}
CLEAN = {"apart": 800, "overlapping": 704, "collapsed": 909}


@pytest.mark.parametrize("name", LOSSES)
def test_the_fit_is_dividemix(name):
    scaled = loss_mixture.scale(LOSSES[name])
    fitted = loss_mixture.fit(scaled)
    posterior = fitted.clean_probability(scaled)
    np.testing.assert_allclose(
        posterior, method_mixture.clean_probability(scaled, 0), atol=1e-6
    )
    assert abs(np.sum(posterior > 0.5) - CLEAN[name]) <= 1
    assert fitted.means[0] < fitted.means[1]


@pytest.mark.parametrize("name", LOSSES)
def test_the_threshold_is_where_it_is_drawn(name):
    scaled = loss_mixture.scale(LOSSES[name])
    fitted = loss_mixture.fit(scaled)
    for probability in (0.5, 0.6):
        cut = fitted.loss_at(probability)
        assert fitted.clean_probability([cut])[0] == pytest.approx(probability)
        held = fitted.monotone_clean_probability(scaled)
        np.testing.assert_array_equal(held > probability, scaled < cut)


def test_held_where_it_would_turn_back():
    fitted = known((0.9, 0.1), (0.3, 0.5), (1e-3, 0.05))
    x = np.linspace(0, 1, 201)
    plain = fitted.clean_probability(x)
    held = fitted.monotone_clean_probability(x)
    assert plain[0] < 0.5 < plain[60] and held[0] > 0.5
    assert np.all(np.diff(held) <= 0)
    np.testing.assert_array_equal(held[x >= 0.3], plain[x >= 0.3])
    # The other way round: the noisy one is narrower, losses beyond it return.
    fitted = known((0.9, 0.1), (0.3, 0.5), (0.05, 1e-3))
    plain = fitted.clean_probability(x)
    held = fitted.monotone_clean_probability(x)
    assert plain[-1] > 0.9 and held[-1] < 0.5
    assert np.all(np.diff(held) <= 0)
    np.testing.assert_array_equal(held[x <= 0.5], plain[x <= 0.5])
    # Equally wide ones need no help.
    fitted = known((0.9, 0.1), (0.3, 0.5), (0.05, 0.05))
    np.testing.assert_array_equal(
        fitted.monotone_clean_probability(x), fitted.clean_probability(x)
    )


def test_no_threshold_between_the_means():
    assert known((0.01, 0.99), (0.4, 0.45), (0.1, 0.1)).loss_at() is None
    assert known((0.99, 0.01), (0.4, 0.45), (0.1, 0.1)).loss_at() is None


def test_densities_are_a_distribution():
    fitted = known((0.7, 0.3), (0.3, 0.6), (0.002, 0.01))
    x = np.linspace(-1, 2, 3001)
    np.testing.assert_allclose(
        fitted.densities(x).sum(axis=0) / 1000, [0.7, 0.3], atol=1e-6
    )


def test_the_clean_one_is_first_whatever_was_fitted():
    weights, means, variances = np.array([[0.3, 0.7], [0.1, 0.6], [0.2, 0.4]])
    for order in (slice(None), slice(None, None, -1)):
        found = loss_mixture.Mixture.of(
            method_mixture.Mixture(
                weights[order], means[order], variances[order]
            )
        )
        np.testing.assert_array_equal(found.weights, weights)
        np.testing.assert_array_equal(found.means, means)
        np.testing.assert_array_equal(found.variances, variances)


def test_extreme_losses_overflow_nothing():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        fitted = known((0.5, 0.5), (0.0, 1.0), (1e-6, 1e-6))
        np.testing.assert_allclose(
            fitted.clean_probability([-50, 0, 1, 50]), [1, 1, 0, 0], atol=1e-9
        )


def test_equal_losses():
    with pytest.raises(errors.UserError, match="the 3 losses are all equal"):
        loss_mixture.scale([2.0, 2.0, 2.0])
