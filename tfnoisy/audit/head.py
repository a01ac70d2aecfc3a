"""A linear classifier on frozen features, from corrected labels.

A ridge regression on the posterior of `label_errors`, in closed form: nothing
is trained, and the wrong labels weigh little.
"""

import dataclasses

import numpy as np

from tfnoisy.audit import geometry


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
