"""How many labels are wrong, from a few that somebody has checked.

Without checked labels there is no honest interval.  With n of them, n = 100 by
default, drawn at random in strata of the wrongness r, there is one, and it is
about half as wide as that of a plain random sample:

    checks = choose_checks(found.wrongness, 100, seed=0)
    ... somebody says of each whether its given label is wrong ...
    estimate = estimate_noise_rate(found.wrongness, checks, is_wrong)
    estimate.rate, estimate.interval, estimate.wrongness

The estimate rests on the random sample alone (stratified, unbiased by design).
The answers also correct r: P(wrong) = sigmoid(a + b logit r), with a and b
integrated over a grid; which labels are flagged then follows anew.
"""

import dataclasses

import numpy as np
from scipy import special

from tfnoisy import errors
from tfnoisy.audit import expected_f1

DEFAULT_CHECKS = 100
# Strata hold equal sums of sqrt(r (1 - r)) plus this.
_LEAST_SPREAD = 0.02
_Z = 1.959963984540054  # Of 95 %, two-sided.
# The grid of a and b, and what they are before any answer.
_SHIFTS = np.linspace(-3.5, 3.5, 36)
_SLOPES = np.linspace(0.15, 2.4, 14)
_SHIFT_PRIOR, _LOG_SLOPE_DEVIATION = (0.3, 1.2), 0.5
# How much classes differ in a, and draws of what is not known of them.
_CLASS_DEVIATION, _CLASS_DRAWS = 0.8, 240


@dataclasses.dataclass(frozen=True, eq=False)
class Checks:
    """Labels to be checked: a random sample in strata.

    Attributes:
        rows: int64 [n], in random order.
        strata: int64 [n], the stratum of each, from 0.
        stratum_of: int64 [N], the stratum of every label.
    """

    rows: np.ndarray
    strata: np.ndarray
    stratum_of: np.ndarray

    def __len__(self):
        return len(self.rows)


@dataclasses.dataclass(frozen=True, eq=False)
class Estimate:
    """The share of wrong labels, from checked ones.

    Attributes:
        rate: the estimate, in [0, 1].
        interval: (low, high), of 95 %.
        checked: n, how many of the sample have been checked.
        wrong: how many of these are wrong.
        wrongness: float64 [N], r as corrected by all answers; 0 or 1 where a
            label has been checked.
        is_label_issue: bool [N], what r flags now; a checked label is flagged
            if it is wrong.
        calibration: (a, b), means after all answers.
    """

    rate: float
    interval: tuple[float, float]
    checked: int
    wrong: int
    wrongness: np.ndarray
    is_label_issue: np.ndarray
    calibration: tuple[float, float]

    @property
    def width(self):
        """The width of the interval."""
        return self.interval[1] - self.interval[0]


@dataclasses.dataclass(frozen=True)
class ClassRate:
    """The share of wrong labels among those of one given class.

    The interval is model-based: it is right as far as r is.

    Attributes:
        label: the class.
        count: labels of this class.
        rate: in [0, 1].
        interval: (low, high), of 95 %.
    """

    label: int
    count: int
    rate: float
    interval: tuple[float, float]


def strata_of(wrongness, num_checks):
    """Returns the stratum of each label, int64 [N], by ascending r.

    Args:
        wrongness: floats [N], r in [0, 1].
        num_checks: n, at least 1.
    """
    wrongness = np.asarray(wrongness, np.float64)
    count = min(10, max(5, num_checks // 10))
    order = np.argsort(wrongness, kind="stable")
    ordered = wrongness[order]
    sums = np.cumsum(np.sqrt(ordered * (1 - ordered)) + _LEAST_SPREAD)
    # What lies on a cut must not fall by rounding.
    parts = np.ceil(sums / sums[-1] * count - 1e-9).astype(np.int64) - 1
    parts = parts.clip(0, count - 1)
    # Empty ones are dropped.
    _, parts = np.unique(parts, return_inverse=True)
    strata = np.empty(len(wrongness), np.int64)
    strata[order] = parts
    return strata


def choose_checks(wrongness, num_checks=DEFAULT_CHECKS, seed=0):
    """Draws the labels that give the estimate.

    Args:
        wrongness: floats [N], r in [0, 1].
        num_checks: n; as many in each stratum, so that it may be a few less.
        seed: of the draw.

    Returns:
        `Checks`; all labels, if n is N or more.

    Raises:
        UserError: if n is less than 5.
    """
    wrongness = np.asarray(wrongness, np.float64)
    if num_checks < 5:
        raise errors.UserError(
            f"{num_checks} labels to check are too few for an estimate; at "
            "least 5 are needed"
        )
    strata = strata_of(wrongness, num_checks)
    num_strata = strata.max() + 1
    rng = np.random.default_rng(seed)
    sizes = _allocation(np.bincount(strata), num_checks)
    rows = np.concatenate(
        [
            rng.permutation(np.flatnonzero(strata == stratum))[: sizes[stratum]]
            for stratum in range(num_strata)
        ]
    )
    rows = rng.permutation(rows)
    return Checks(rows, strata[rows], strata)


def _allocation(members, num_checks):
    """Returns how many are drawn of each stratum: equally many, if there are.

    What small strata cannot give comes from the others.
    """
    sizes = np.zeros(len(members), np.int64)
    left = min(num_checks, members.sum())
    while left:
        open_ = np.flatnonzero(sizes < members)
        share = left // len(open_)
        if not share:
            # The rest is not enough for one more of each: leave it.
            break
        added = np.minimum(share, members[open_] - sizes[open_])
        sizes[open_] += added
        left -= added.sum()
    return sizes


def estimate_noise_rate(
    wrongness, checks, is_wrong, other_rows=(), other_is_wrong=()
):
    """Estimates the share of wrong labels.

    Args:
        wrongness: floats [N], r in [0, 1], before any answer.
        checks: the `Checks` that were drawn by it.
        is_wrong: n answers: True, False, or None where somebody could not
            tell or has not come so far.
        other_rows: int [m], further labels that have been checked, chosen in
            any way that depends on r alone; they correct r, and do not enter
            the estimate.
        other_is_wrong: m answers, True or False.

    Returns:
        An `Estimate`.

    Raises:
        UserError: if fewer than 5 labels of the sample have been checked.
    """
    wrongness = np.asarray(wrongness, np.float64)
    answered = np.array([answer is not None for answer in is_wrong], bool)
    if len(answered) != len(checks):
        raise errors.UserError(
            f"there are {len(answered)} answers for {len(checks)} checks"
        )
    if answered.sum() < 5:
        raise errors.UserError(
            f"{answered.sum()} of {len(checks)} labels have been checked; an "
            "estimate needs at least 5"
        )
    rows, strata = checks.rows[answered], checks.strata[answered]
    wrong = np.array([bool(answer) for answer in is_wrong])[answered]
    all_rows = np.concatenate([rows, np.asarray(other_rows, np.int64)])
    all_wrong = np.concatenate([wrong, np.asarray(other_is_wrong, bool)])
    calibrated = Calibration(wrongness[all_rows], all_wrong)
    corrected = calibrated.apply(wrongness)
    rate, interval = _stratified(
        corrected, checks.stratum_of, rows, strata, wrong
    )
    known = corrected.copy()
    known[all_rows] = all_wrong
    return Estimate(
        rate=rate,
        interval=interval,
        checked=len(rows),
        wrong=int(wrong.sum()),
        wrongness=known,
        is_label_issue=_flags(corrected, all_rows, all_wrong),
        calibration=calibrated.means,
    )


def _flags(corrected, rows, wrong):
    """Returns the flags of unchecked labels, and the answers of the others."""
    unchecked = np.ones(len(corrected), bool)
    unchecked[rows] = False
    flagged = np.zeros(len(corrected), bool)
    flagged[unchecked] = expected_f1.flags(corrected[unchecked])
    flagged[rows] = wrong
    return flagged


def _stratified(corrected, stratum_of, rows, strata, wrong):
    """Returns the stratified estimate and its interval, see `Estimate`."""
    num_strata = stratum_of.max() + 1
    members = np.bincount(stratum_of, minlength=num_strata)
    answers = np.bincount(strata, minlength=num_strata)
    hits = np.bincount(strata, wrong, minlength=num_strata)
    expected = np.bincount(stratum_of, corrected, num_strata) / members
    shares = members / members.sum()
    # Of a stratum without an answer its r' is all that is known.
    seen = answers > 0
    rates = np.where(seen, hits / np.maximum(answers, 1), expected)
    rate = float(shares @ rates)
    # Drawn towards r', so that a stratum without a wrong answer has a variance.
    shrunk = (hits + 2 * expected) / (answers + 2)
    spread = shrunk * (1 - shrunk) / np.maximum(answers, 1)
    spread *= np.where(seen, 1 - answers / members, 1)
    variance = float(shares**2 @ spread)
    return rate, _wilson(rate, variance, int(answers.sum()))


def _wilson(rate, variance, count):
    """Returns Wilson's interval at the sample size that the variance means."""
    if variance <= 0:
        return rate, rate
    clipped = min(max(rate, 0.5 / count), 1 - 0.5 / count)
    effective = clipped * (1 - clipped) / variance
    middle = (rate + _Z**2 / (2 * effective)) / (1 + _Z**2 / effective)
    half = (
        _Z
        * np.sqrt(rate * (1 - rate) / effective + _Z**2 / (4 * effective**2))
        / (1 + _Z**2 / effective)
    )
    return float(max(middle - half, 0)), float(min(middle + half, 1))


class Calibration:
    """P(wrong) = sigmoid(a + b logit r), after some answers.

    Attributes:
        means: (a, b), the posterior means.
    """

    def __init__(self, wrongness, is_wrong):
        """Weighs a grid of a and b by the likelihood of the answers.

        Args:
            wrongness: floats [n], r of the labels that were checked.
            is_wrong: bool [n], the answers.
        """
        shifts, slopes = np.meshgrid(_SHIFTS, _SLOPES, indexing="ij")
        self._shifts, self._slopes = shifts.ravel(), slopes.ravel()
        logits = self._shifts[:, np.newaxis] + np.outer(
            self._slopes, _logit(wrongness)
        )
        signs = np.where(is_wrong, 1.0, -1.0)
        logs = special.log_expit(logits * signs).sum(axis=1)
        centre, deviation = _SHIFT_PRIOR
        logs -= ((self._shifts - centre) / deviation) ** 2 / 2
        logs -= (np.log(self._slopes) / _LOG_SLOPE_DEVIATION) ** 2 / 2
        self._weights = special.softmax(logs)
        self.means = (
            float(self._weights @ self._shifts),
            float(self._weights @ self._slopes),
        )

    def apply(self, wrongness):
        """Returns r' [N], the posterior mean of P(wrong), of r [N]."""
        logits = _logit(wrongness)
        found = np.zeros(len(logits))
        for shift, slope, weight in zip(
            self._shifts, self._slopes, self._weights
        ):
            # Most of the grid is out of the question.
            if weight > 1e-12:
                found += weight * special.expit(shift + slope * logits)
        return found.clip(0, 1)

    def draw(self, rng):
        """Returns (a, b), drawn from the posterior."""
        place = rng.choice(len(self._weights), p=self._weights)
        return self._shifts[place], self._slopes[place]


def class_rates(wrongness, given_labels, num_classes, rows, is_wrong, seed=0):
    """Estimates the share of wrong labels of each given class.

    Args:
        wrongness: floats [N], r in [0, 1], before any answer.
        given_labels: int [N], in [0, C).
        num_classes: C.
        rows: int [n], all labels that have been checked.
        is_wrong: bool [n], the answers.
        seed: of the draws.

    Returns:
        C `ClassRate`s, None for classes that no label names.
    """
    wrongness = np.asarray(wrongness, np.float64)
    given_labels = np.asarray(given_labels)
    rows, is_wrong = np.asarray(rows, np.int64), np.asarray(is_wrong, bool)
    counts = np.bincount(given_labels, minlength=num_classes)
    known = np.bincount(given_labels[rows], is_wrong, minlength=num_classes)
    unchecked = np.ones(len(wrongness), bool)
    unchecked[rows] = False
    labels, logits = given_labels[unchecked], _logit(wrongness[unchecked])
    calibrated = Calibration(wrongness[rows], is_wrong)
    rng = np.random.default_rng(seed)
    drawn = np.empty([_CLASS_DRAWS, num_classes])
    for draw in drawn:
        shift, slope = calibrated.draw(rng)
        effects = rng.normal(0, _CLASS_DEVIATION, num_classes)
        chance = special.expit(shift + slope * logits + effects[labels])
        wrong = rng.random(len(labels)) < chance
        draw[:] = known + np.bincount(labels, wrong, num_classes)
    drawn /= np.maximum(counts, 1)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return [
        ClassRate(
            label=label,
            count=int(counts[label]),
            rate=float(drawn[:, label].mean()),
            interval=(float(low[label]), float(high[label])),
        )
        if counts[label]
        else None
        for label in range(num_classes)
    ]


def checks_for_width(estimate, width):
    """Returns how many labels must be checked for an interval of this width.

    By the square of the widths: a guess.

    Args:
        estimate: an `Estimate`.
        width: the wanted width, above 0.
    """
    if estimate.width <= width:
        return estimate.checked
    return int(np.ceil(estimate.checked * (estimate.width / width) ** 2))


def _logit(wrongness):
    wrongness = np.asarray(wrongness, np.float64)
    return np.log((wrongness + 0.002) / (1.002 - wrongness))
