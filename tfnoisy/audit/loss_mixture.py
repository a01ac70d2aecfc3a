"""Two Gaussians on the losses, for people to look at.

The fit is DivideMix's (`tfnoisy.methods.dividemix.mixture`); here is what an
audit adds to it: the curves, the loss at which labels begin to be flagged,
and a score that does not call the smallest losses suspicious.
"""

import dataclasses

import numpy as np
from scipy import optimize

from tfnoisy import errors
from tfnoisy.methods.dividemix import mixture as method_mixture


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """Two Gaussians on losses scaled to [0, 1], the clean one first.

    Attributes:
        means: float64 [2], ascending.
        variances: float64 [2].
        weights: float64 [2], which sum to 1.
    """

    means: np.ndarray
    variances: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, fitted):
        """Returns the mixture that DivideMix's code fitted to losses.

        Args:
            fitted: a `methods.dividemix.mixture.Mixture`.
        """
        order = np.argsort(fitted.means)
        return cls(
            means=fitted.means[order],
            variances=fitted.variances[order],
            weights=fitted.weights[order],
        )

    def densities(self, scaled_losses):
        """Returns weight * density of each Gaussian, [N, 2].

        Args:
            scaled_losses: [N].
        """
        return np.exp(self._log_densities(scaled_losses))

    def _log_densities(self, scaled_losses):
        gaps = np.asarray(scaled_losses, float)[:, np.newaxis] - self.means
        return (
            np.log(self.weights)
            - np.log(2 * np.pi * self.variances) / 2
            - gaps**2 / (2 * self.variances)
        )

    def clean_probability(self, scaled_losses):
        """Returns the posterior of the Gaussian with the smaller mean, [N].

        It is not monotone: where that one is much the narrower, losses far
        below its mean belong to the other.

        Args:
            scaled_losses: [N].
        """
        clean, noisy = self._log_densities(scaled_losses).T
        # Wherever one is that much likelier the posterior is 0 or 1 anyhow.
        return 1 / (1 + np.exp(np.clip(noisy - clean, -700, 700)))

    def monotone_clean_probability(self, scaled_losses):
        """Returns the posterior, held where it would turn back, [N].

        Unless both are equally wide, the posterior has one turning point:
        a maximum below the smaller mean if the clean one is the narrower,
        else a minimum above the larger mean.

        Args:
            scaled_losses: [N].
        """
        scaled_losses = np.asarray(scaled_losses, float)
        (low, high), (clean, noisy) = self.means, self.variances
        if clean != noisy:
            turn = (low * noisy - high * clean) / (noisy - clean)
            bound = np.maximum if clean < noisy else np.minimum
            scaled_losses = bound(scaled_losses, turn)
        return self.clean_probability(scaled_losses)

    def loss_at(self, clean_probability=0.5):
        """Returns the scaled loss of this posterior, between the two means.

        Args:
            clean_probability: in (0, 1).

        Returns:
            A float, or None if the posterior does not cross the value there.
        """

        def excess(loss):
            return self.clean_probability([loss])[0] - clean_probability

        low, high = self.means
        if not excess(low) > 0 > excess(high):
            return None
        return float(optimize.brentq(excess, low, high))


def scale(losses):
    """Returns losses [N] scaled so that the least is 0 and the largest 1.

    Raises:
        UserError: if they are all equal.
    """
    losses = np.asarray(losses, np.float64)
    if losses.min() == losses.max():
        raise errors.UserError(
            f"the {losses.size} losses are all equal: they do not tell clean "
            "labels from wrong ones"
        )
    return method_mixture.normalise_losses(losses)


def fit(scaled_losses, seed=0):
    """Returns the `Mixture` that DivideMix's settings give.

    Args:
        scaled_losses: [N], as from `scale`.
        seed: of the k-means that the fit begins with.
    """
    return Mixture.of(method_mixture.fit(scaled_losses, seed))
