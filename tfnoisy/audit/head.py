"""A linear classifier on frozen features, from corrected labels.

A ridge regression on the posterior of `label_errors`, in closed form: nothing
is trained, and the wrong labels weigh little.  Its scores are shares, not
logits: `with_temperature` makes probabilities of them.
"""

import dataclasses

import numpy as np
from scipy import optimize, special

from tfnoisy.audit import geometry

_LOG_FACTORS = (-2.0, 8.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """Features to scores of classes.

    Attributes:
        mean: float64 [D], subtracted from features before they are scaled to
            length 1.
        kernel: float64 [D, C].
        bias: float64 [C].
    """

    mean: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray

    def scores(self, features):
        """Returns scores float64 [M, C], the largest of the likeliest class.

        Args:
            features: floats [M, D].
        """
        unit = geometry.unit_vectors(np.asarray(features), self.mean)
        return unit @ self.kernel + self.bias

    def predict(self, features):
        """Returns the predicted labels, int64 [M], of features [M, D]."""
        return self.scores(features).argmax(axis=1)

    def with_temperature(self, measured, targets, penalty):
        """Returns the head with scores that a softmax makes probabilities of.

        The scores are multiplied by the number that makes the leave-one-out
        predictions of the targets likeliest.

        Args:
            measured: the `geometry.Geometry` of the training features.
            targets: as for `ridge`.
            penalty: as for `ridge`.
        """
        held_out = leave_one_out(measured, targets, penalty)

        def loss(log_factor):
            scores = np.exp(log_factor) * held_out
            return np.mean(
                special.logsumexp(scores, axis=1)
                - np.sum(targets * scores, axis=1)
            )

        found = optimize.minimize_scalar(
            loss, bounds=_LOG_FACTORS, method="bounded"
        )
        factor = np.exp(found.x)
        return dataclasses.replace(
            self, kernel=factor * self.kernel, bias=factor * self.bias
        )


def leave_one_out(measured, targets, penalty):
    """Returns each row's score by the ridge of all others, [N, C].

    Args:
        measured: the `geometry.Geometry` of the training features.
        targets: as for `ridge`.
        penalty: as for `ridge`.
    """
    left, values = measured.left, measured.eigenvalues
    shrunk = values / (values + penalty)
    middle = targets.mean(axis=0)
    inside = middle + left @ (
        shrunk[:, np.newaxis] * (left.T @ (targets - middle))
    )
    leverage = np.einsum("nr,nr,r->n", left, left, shrunk) + 1 / len(targets)
    leverage = leverage[:, np.newaxis]
    return (inside - leverage * targets) / (1 - leverage)


def logistic(measured, targets, strength=0.01, components=256):
    """Returns the `Head` of a logistic regression on soft labels.

    On the first principal components, each divided by its deviation; 60
    iterations of L-BFGS.

    Args:
        measured: the `geometry.Geometry` of the training features.
        targets: float64 [N, C], soft labels.
        strength: C, the inverse of the penalty of the squared coefficients.
        components: the most principal components.
    """
    count, num_classes = targets.shape
    rank = min(components, len(measured.eigenvalues))
    order = np.argsort(-measured.eigenvalues)[:rank]
    scaled = measured.left[:, order] * np.sqrt(count)

    def loss(flat):
        kernel = flat[:-num_classes].reshape(rank, num_classes)
        scores = scaled @ kernel + flat[-num_classes:]
        log_sums = special.logsumexp(scores, axis=1, keepdims=True)
        gap = np.exp(scores - log_sums) - targets
        value = np.sum(log_sums[:, 0] - np.sum(targets * scores, axis=1))
        value += np.sum(kernel**2) / (2 * strength)
        slope = scaled.T @ gap + kernel / strength
        return value, np.concatenate([slope.ravel(), gap.sum(axis=0)])

    found = optimize.minimize(
        loss,
        np.zeros((rank + 1) * num_classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 60},
    ).x
    kernel = found[:-num_classes].reshape(rank, num_classes)
    # left = (unit - centre) right / sqrt(eigenvalue).
    deviation = np.sqrt(measured.eigenvalues[order] / count)
    kernel = measured.right[:, order] @ (kernel / deviation[:, np.newaxis])
    centre = measured.unit.mean(axis=0, dtype=np.float64)
    return Head(measured.mean, kernel, found[-num_classes:] - centre @ kernel)


def ridge(measured, targets, penalty):
    """Returns the `Head` of a ridge regression.

    Args:
        measured: the `geometry.Geometry` of the training features.
        targets: float64 [N, C], soft or hard labels, e.g. the posterior of a
            `label_errors.LabelErrors`.
        penalty: of the squared coefficients, e.g. that of `LabelErrors`.
    """
    middle = targets.mean(axis=0)
    scaled = np.sqrt(measured.eigenvalues) / (measured.eigenvalues + penalty)
    kernel = measured.right @ (
        scaled[:, np.newaxis] * (measured.left.T @ (targets - middle))
    )
    centre = measured.unit.mean(axis=0, dtype=np.float64)
    return Head(measured.mean, kernel, middle - centre @ kernel)
