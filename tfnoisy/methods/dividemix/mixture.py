"""Which given labels are probably right: a mixture fitted to the losses.

DivideMix (Li, Socher, Hoi, ICLR 2020), section 3.1, as in the original code
`Train_cifar.py`: the losses of all examples, scaled to [0, 1], are taken for
draws of two Gaussians; the probability that a label is clean is that of the
component with the smaller mean.  As that component may be the narrower one,
the probability need not fall as the loss grows; nothing is done about it, as
in the original.
"""

import warnings

import numpy as np
from etils import epy

with epy.lazy_imports():
    from sklearn import exceptions, mixture


def normalise_losses(losses):
    """Returns (l - min l) / (max l - min l), float64 [N]; 0 if all are equal.

    Args:
        losses: finite, [N].
    """
    losses = np.asarray(losses, np.float64)
    spread = np.ptp(losses)
    return (losses - losses.min()) / (spread if spread > 0 else 1.0)


def fit(losses, seed, reg_covar=5e-4):
    """Fits two Gaussians, with the settings of the original code.

    Args:
        losses: normalised, [N], not all equal.
        seed: of the k-means that the fit begins with, at least 0.
        reg_covar: added to the variances.

    Returns:
        A `sklearn.mixture.GaussianMixture`.
    """
    fitted = mixture.GaussianMixture(
        2, max_iter=10, tol=1e-2, reg_covar=reg_covar, random_state=seed
    )
    with warnings.catch_warnings():
        # Ten iterations are the method's, converged or not.
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        return fitted.fit(np.reshape(losses, [-1, 1]))


def low_mean_posterior(fitted, losses):
    """Returns the posterior of the component with the smaller mean, [N].

    Args:
        fitted: a `sklearn.mixture.GaussianMixture` of one feature.
        losses: [N].
    """
    posteriors = fitted.predict_proba(np.reshape(losses, [-1, 1]))
    return posteriors[:, fitted.means_.argmin()]


def clean_probability(losses, seed, reg_covar=5e-4):
    """Returns w, the probability of each label to be clean, float32 [N].

    Args:
        losses: normalised, [N].
        seed: as for `fit`.
        reg_covar: likewise.

    Returns:
        [N] in [0, 1]; 1 for all where all losses are equal, as nothing then
        speaks against any label.
    """
    losses = np.asarray(losses, np.float64)
    if np.ptp(losses) == 0:
        return np.ones(len(losses), np.float32)
    fitted = fit(losses, seed, reg_covar)
    return low_mean_posterior(fitted, losses).astype(np.float32)
