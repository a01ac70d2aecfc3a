"""How far each given label is trusted: the decisions of BKD outside training.

Kaiser, Ehmann, Reinders, Rosenhahn, "Blind Knowledge Distillation for Robust
Image Classification", 2022 (arXiv 2211.11355).  The code followed is
TimoK93/blind_knowledge_distillation, `blind_knowledge_dist_training.py`,
`detect_overfitting_epoch`, `otsu` and `split_dataset`.  All of it runs once an
epoch at most, in NumPy.

Deviation: the original computes the score of each cut in float32, we in
float64.  Beside it, over twelve vectors of agreements, one threshold differed,
by one bin.
"""

import dataclasses

import numpy as np

from tfnoisy import errors

_BINS = 1000
# A float32 softmax may exceed 1 by so much.
_ROUNDING = 1e-6
CRITERIA = ("released", "textbook")


def tipping_point(confidence):
    """Returns the epoch at which the student's confidence peaked.

    That is the first value above both neighbours on either side, once there
    are six values.

    Args:
        confidence: m_0, m_1, ..., the mean of max_c p_S of each epoch.

    Returns:
        e*, 2 <= e* <= len - 3, or None while there is no such peak.
    """
    if len(confidence) < 6:
        return None
    for i in range(2, len(confidence) - 2):
        neighbours = [*confidence[i - 2 : i], *confidence[i + 1 : i + 3]]
        if confidence[i] > max(neighbours):
            return i
    return None


@dataclasses.dataclass(frozen=True)
class Split:
    """A vector in [0, 1] cut into two classes.

    Attributes:
        threshold: t, the cut.
        lower_mean: lo, the mean of the class below it.
        upper_mean: up, that of the other.
    """

    threshold: float
    lower_mean: float
    upper_mean: float


def check_criterion(criterion):
    """Refuses a criterion of `otsu_split` that there is none of.

    Raises:
        UserError: for anything but the names in `CRITERIA`.
    """
    if criterion not in CRITERIA:
        raise errors.UserError(
            f"--otsu={criterion}: there are {', '.join(CRITERIA)}"
        )


def otsu_split(agreement, criterion="released"):
    """Cuts values in [0, 1] into two classes, in the manner of Otsu.

    Both criteria look at a histogram of 1000 bins, in which each value stands
    for the left edge of its bin.  With the counts n1, n2, the means u1, u2
    and the standard deviations s1, s2 of the two classes they maximise

        released   (n1 (u1 - u)^2 + n2 (u2 - u)^2) / (n1 s1 + n2 s2)
        textbook   n1 n2 (u1 - u2)^2

    The released one takes u from the values themselves, variances of at least
    1e-5, and no cut within two bins of either end.  It is not equivalent to
    Otsu's criterion, which has variances in place of the deviations.  Of
    equally good cuts the first is taken.

    Args:
        agreement: float [N] in [0, 1].
        criterion: `released` or `textbook`.

    Returns:
        A `Split`.  If no cut has values on both sides, the original code
        crashes; here all three numbers are 0, so that every value is trusted.

    Raises:
        UserError: for an unknown criterion.
        ValueError: for values outside [0, 1] or NaN.
    """
    check_criterion(criterion)
    q = np.asarray(agreement, np.float64)
    if not np.all((q >= 0) & (q <= 1 + _ROUNDING)):
        raise ValueError("agreements must lie in [0, 1]")
    counts, _ = np.histogram(np.minimum(q, 1), np.arange(_BINS + 1) / _BINS)
    bins = np.arange(_BINS)
    # Sums of integers are exact: cuts within an empty gap tie exactly.
    sums = np.cumsum([counts, counts * bins, counts * bins**2], axis=1)
    released = criterion == "released"
    cuts = np.arange(2, _BINS - 2) if released else np.arange(1, _BINS)
    lower = sums[:, cuts - 1]
    n1, mean1, variance1 = _moments(lower)
    n2, mean2, variance2 = _moments(sums[:, -1:] - lower)
    possible = (n1 > 0) & (n2 > 0)
    if not possible.any():
        return Split(0.0, 0.0, 0.0)
    if released:
        spread1, spread2 = (
            np.sqrt(np.maximum(variance, 1e-5))
            for variance in (variance1, variance2)
        )
        between = n1 * (mean1 - q.mean()) ** 2 + n2 * (mean2 - q.mean()) ** 2
        score = between / (n1 * spread1 + n2 * spread2)
    else:
        score = n1 * n2 * (mean1 - mean2) ** 2
    best = np.argmax(np.where(possible, score, -np.inf))
    return Split(
        float(cuts[best] / _BINS), float(mean1[best]), float(mean2[best])
    )


def _moments(sums):
    """Returns count, mean and variance from the sums of k^0, k^1 and k^2."""
    n = np.maximum(sums[0], 1)
    mean = sums[1] / n
    variance = sums[2] / n - mean**2
    return sums[0], mean / _BINS, variance / _BINS**2


def trust_groups(agreement, split):
    """Returns the group of each value, int32 [N].

    4: q < lo, 3: lo <= q < t, 2: t <= q < up, 1: q >= up.  Labels of group 4
    are judged wrong.

    Args:
        agreement: q, float [N].
        split: a `Split`.
    """
    q = np.asarray(agreement, np.float64)
    bounds = (split.lower_mean, split.threshold, split.upper_mean)
    return (4 - sum(q >= bound for bound in bounds)).astype(np.int32)
