"""Which labels are wrong, by the features of a frozen network: our rule.

Two simple classifiers predict each label from all others: the votes of its
nearest neighbours, and a ridge regression (exact leave-one-out).  A softmax
makes probabilities of both, and a few steps of EM tell the classes of the
images from the noise of the labels:

    p(j | x)       the class of an image, softmax(a1 F1 + a2 F2 + b)
    T[j, i]        the probability that an image of class j was labelled i
    q[n, j]        the class of image n, given its label: p(j | x_n) T[j, y_n]
    r_n            how wrong its label is: 1 - q[n, y_n]

No setting depends on the noise and none is to be tuned; nothing is drawn at
random.  The EM starts with too much noise and takes a fixed, small number of
steps, since the labels that people give are wrong where images are ambiguous:
run to convergence, the EM takes such errors for the nature of the class.

    found = find_label_errors(labels, features)
    found.is_label_issue, found.suggested_labels, found.wrongness

needs NumPy and SciPy alone.  N examples, C classes, D features.
"""

import dataclasses

import numpy as np
from scipy import optimize, special

from tfnoisy import errors
from tfnoisy.audit import expected_f1, geometry

# The ridge's penalty is N times one of these, chosen by leave-one-out error.
_PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
# How much of a class is added to the votes, so that none is impossible.
_VOTE_SMOOTHING = 0.02
_BIAS_PENALTY = 0.0005
# The start is this much sharper than the calibrated classifier.
_SHARPNESS = 4.0
_EM_STEPS, _STEPS_AFTER_REFINEMENT = 6, 2
_FIRST_ITERATIONS, _ITERATIONS = 30, 8


@dataclasses.dataclass(frozen=True, eq=False)
class LabelErrors:
    """What the rule says of N labels.

    Attributes:
        given_labels: int64 [N], in [0, C).
        wrongness: float64 [N], r, the probability that a label is wrong.
        posterior: float64 [N, C], q, the class of each image; rows sum to 1.
        pred_probs: float64 [N, C], the calibrated out-of-sample probability of
            each given label, before the EM.
        transition_matrix: float64 [C, C], P(given | true class), a row for
            each true class; rows sum to 1.
        is_label_issue: bool [N], the labels to look at: those that maximise
            the expected F1.
        penalty: the ridge's.
        coefficients: float64 [S], of the score matrices, and
        biases: float64 [C], both after the last step.
    """

    given_labels: np.ndarray
    wrongness: np.ndarray
    posterior: np.ndarray
    pred_probs: np.ndarray
    transition_matrix: np.ndarray
    is_label_issue: np.ndarray
    penalty: float
    coefficients: np.ndarray
    biases: np.ndarray

    def __len__(self):
        return len(self.given_labels)

    @property
    def num_classes(self):
        """The number of classes, C."""
        return len(self.transition_matrix)

    @property
    def label_score(self):
        """1 - wrongness, float64 [N], low where a label is suspicious."""
        return 1 - self.wrongness

    @property
    def suggested_labels(self):
        """The likeliest class of each image, int64 [N]."""
        return self.posterior.argmax(axis=1)

    @property
    def noise_rate(self):
        """The mean wrongness: a guess that is mostly too low."""
        return float(self.wrongness.mean())

    @property
    def held_out_agreement(self):
        """The share of given labels that are predicted from all others."""
        predicted = self.pred_probs.argmax(axis=1)
        return float(np.mean(predicted == self.given_labels))

    @property
    def noise_bracket(self):
        """(a low guess, a high guess) of the share of wrong labels.

        No confidence interval: without labels that somebody has checked there
        is none.
        """
        low, high = 0.85 * self.noise_rate, 1 - self.held_out_agreement
        return min(low, high), max(low, high)

    @property
    def expected_precision(self):
        """The share of the flagged that are wrong, as expected; or None."""
        if not self.is_label_issue.any():
            return None
        return float(self.wrongness[self.is_label_issue].mean())


def find_label_errors(
    labels: np.ndarray,
    features: np.ndarray,
    *,
    num_classes: int | None = None,
    groups: np.ndarray | None = None,
    log_pred_probs: np.ndarray | None = None,
    measured: geometry.Geometry | None = None,
) -> LabelErrors:
    """Finds the labels that are probably wrong.

    Args:
        labels: int [N], the given labels, in [0, C).
        features: floats [N, D], of a network that was not trained on these
            labels.  Cost: N^2 D for the neighbours, D^3 for the ridge.
        num_classes: C; by default the largest label plus one.
        groups: int [N], equal for near duplicates, which then do not confirm
            each other's labels; None if there are none.
        log_pred_probs: floats [N, C], a third opinion: log-probabilities of a
            classifier that had not been trained on the label that it
            predicts; or None.
        measured: the `geometry.Geometry` of the features and groups, if it is
            there already.

    Returns:
        A `LabelErrors`.

    Raises:
        UserError: one line, if the arguments do not fit.
    """
    if measured is None:
        features = geometry.check_features(features)
    count = len(features) if measured is None else len(measured)
    labels, num_classes = check_labels(labels, num_classes, count)
    if measured is None:
        measured = geometry.measure(features, groups)
    given = np.eye(num_classes)[labels]
    scorer = Scorer(measured, given)
    others = _third_opinion(log_pred_probs, given.shape)
    scores = np.stack([*scorer.scores(given), *others])
    held_out = fit_softmax(scores, given, _FIRST_ITERATIONS)
    pred_probs = held_out.probabilities(scores)
    transition, fitted = sharp_start(held_out, pred_probs, labels)
    for _ in range(_EM_STEPS):
        posterior, transition, fitted = em_step(
            scores, labels, transition, fitted
        )
    # Once more, with what is now known of the classes in place of the labels.
    scores = np.stack([*scorer.scores(posterior), *others])
    fitted = fit_softmax(scores, posterior, _FIRST_ITERATIONS)
    for _ in range(_STEPS_AFTER_REFINEMENT):
        _, transition, fitted = em_step(scores, labels, transition, fitted)
    posterior = posterior_of(fitted.probabilities(scores), transition, labels)
    # The sum over the other classes: 1 - q would round small ones to 0.
    wrongness = np.where(given > 0, 0, posterior).sum(axis=1).clip(0, 1)
    return LabelErrors(
        given_labels=labels,
        wrongness=wrongness,
        posterior=posterior,
        pred_probs=pred_probs,
        transition_matrix=transition,
        is_label_issue=expected_f1.flags(wrongness),
        penalty=scorer.penalty,
        coefficients=fitted.coefficients,
        biases=fitted.biases,
    )


def check_labels(labels, num_classes, count):
    """Returns int64 labels [N] and C.

    Raises:
        UserError: if they are not integers in [0, C), N of them, of at least
            two kinds.
    """
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise errors.UserError(
            f"labels of shape {list(labels.shape)} for {count} rows of "
            "features: one label for each is wanted"
        )
    if labels.dtype.kind not in "iu":
        raise errors.UserError(f"labels are {labels.dtype}, not integers")
    labels = labels.astype(np.int64)
    low, high = int(labels.min()), int(labels.max())
    num_classes = high + 1 if num_classes is None else int(num_classes)
    if low < 0 or high >= num_classes:
        raise errors.UserError(
            f"labels reach from {low} to {high}; with {num_classes} classes "
            f"they are from 0 to {num_classes - 1}"
        )
    if low == high:
        raise errors.UserError(
            f"all {count} labels are the same ({low}): there is nothing to "
            "compare them with"
        )
    return labels, num_classes


def _third_opinion(log_pred_probs, shape):
    if log_pred_probs is None:
        return []
    opinion = np.asarray(log_pred_probs, np.float64)
    if opinion.shape != shape or not np.isfinite(opinion).all():
        raise errors.UserError(
            f"log_pred_probs of shape {list(opinion.shape)}: finite numbers "
            f"{list(shape)} are wanted"
        )
    return [opinion]


class Scorer:
    """Scores of classes, out of sample: whatever labels are put in."""

    def __init__(self, measured, given):
        """Chooses the ridge's penalty by the given labels.

        Args:
            measured: a `geometry.Geometry`.
            given: float64 [N, C], the given labels, one-hot.
        """
        self._weights = measured.vote_weights()
        self._geometry = measured
        self._together = [
            rows
            for _, rows in geometry.rows_of_groups(measured.groups)
            if len(rows) > 1
        ]
        self.penalty = min(
            (len(measured) * share for share in _PENALTIES),
            key=lambda penalty: np.mean(
                np.square(self.ridge(given, penalty) - given)
            ),
        )

    def scores(self, targets):
        """Returns the scores [2, N, C] of votes and of the ridge.

        Args:
            targets: float64 [N, C], hard or soft labels.  Those of an image
                and of its duplicates do not enter its own scores.
        """
        return self.votes(targets), self.ridge(targets, self.penalty)

    def votes(self, targets):
        """Returns log-shares of the neighbours' weighted votes, [N, C]."""
        shares = self._weights @ targets
        totals = shares.sum(axis=1, keepdims=True)
        shares = np.divide(
            shares,
            totals,
            out=np.full_like(shares, 1 / shares.shape[1]),
            where=totals > 0,
        )
        prior = _VOTE_SMOOTHING / shares.shape[1]
        return np.log((shares + prior) / (1 + _VOTE_SMOOTHING))

    def ridge(self, targets, penalty):
        """Returns leave-one-out predictions of a ridge regression, [N, C].

        Those of near duplicates leave out all of their group.

        Args:
            targets: float64 [N, C].
            penalty: the factor of the squared coefficients; the intercept has
                none.
        """
        left, values = self._geometry.left, self._geometry.eigenvalues
        shrunk = values / (values + penalty)
        mean = targets.mean(axis=0)
        inside = left @ (shrunk[:, np.newaxis] * (left.T @ (targets - mean)))
        inside += mean
        leverage = np.einsum("nr,nr,r->n", left, left, shrunk)
        leverage += 1 / len(targets)
        outside = (inside - leverage[:, np.newaxis] * targets) / (
            1 - leverage[:, np.newaxis]
        )
        for rows in self._together:
            part = left[rows]
            hat = (part * shrunk) @ part.T + 1 / len(targets)
            outside[rows] = targets[rows] - np.linalg.solve(
                np.eye(len(rows)) - hat, targets[rows] - inside[rows]
            )
        return outside


@dataclasses.dataclass(frozen=True, eq=False)
class Softmax:
    """softmax(sum over s of a_s F_s + b).

    Attributes:
        coefficients: float64 [S], a.
        biases: float64 [C], b.
    """

    coefficients: np.ndarray
    biases: np.ndarray

    def log_probabilities(self, scores):
        """Returns [N, C] of scores [S, N, C]."""
        logits = np.tensordot(self.coefficients, scores, 1) + self.biases
        return special.log_softmax(logits, axis=1)

    def probabilities(self, scores):
        """Returns [N, C] of scores [S, N, C]."""
        return np.exp(self.log_probabilities(scores))


def fit_softmax(scores, targets, iterations, start=None):
    """Fits a `Softmax` by maximum likelihood.

    Args:
        scores: float64 [S, N, C].
        targets: float64 [N, C], hard or soft labels.
        iterations: at most so many of L-BFGS.
        start: the `Softmax` to begin with; all a = 1, all b = 0 by default.
    """
    kinds, count, classes = scores.shape
    if start is None:
        start = Softmax(np.ones(kinds), np.zeros(classes))

    def loss(parameters):
        fitted = Softmax(parameters[:kinds], parameters[kinds:])
        logs = fitted.log_probabilities(scores)
        gap = np.exp(logs)
        gap -= targets
        value = -np.vdot(targets, logs) / count
        slope = np.empty_like(parameters)
        slope[:kinds] = scores.reshape(kinds, -1) @ gap.ravel() / count
        slope[kinds:] = gap.mean(axis=0)
        value += _BIAS_PENALTY * np.square(fitted.biases).sum()
        slope[kinds:] += 2 * _BIAS_PENALTY * fitted.biases
        return value, slope

    found = optimize.minimize(
        loss,
        np.concatenate([start.coefficients, start.biases]),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": iterations},
    ).x
    return Softmax(found[:kinds], found[kinds:])


def sharp_start(held_out, pred_probs, labels):
    """Returns T [C, C] and the `Softmax` that the EM begins with.

    Args:
        held_out: the calibrated `Softmax`.
        pred_probs: float64 [N, C], its probabilities.
        labels: int64 [N].
    """
    classes = pred_probs.shape[1]
    counts = np.ones([classes, classes])
    np.add.at(counts, (pred_probs.argmax(axis=1), labels), 1)
    return (
        counts / counts.sum(axis=1, keepdims=True),
        Softmax(
            _SHARPNESS * held_out.coefficients, _SHARPNESS * held_out.biases
        ),
    )


def posterior_of(probabilities, transition, labels):
    """Returns q [N, C], the class of each image given its label.

    Args:
        probabilities: float64 [N, C], p.
        transition: float64 [C, C], T.
        labels: int64 [N].
    """
    joint = probabilities * transition.T[labels]
    return joint / np.maximum(joint.sum(axis=1, keepdims=True), 1e-300)


def em_step(scores, labels, transition, fitted):
    """Takes one step of EM on the likelihood of the given labels.

    Args:
        scores: float64 [S, N, C].
        labels: int64 [N].
        transition: float64 [C, C], T.
        fitted: the `Softmax`.

    Returns:
        (q [N, C], the new T, the new `Softmax`).
    """
    classes = len(transition)
    posterior = posterior_of(fitted.probabilities(scores), transition, labels)
    counts = np.full([classes, classes], 1 / classes)
    np.add.at(counts.T, labels, posterior)
    transition = counts / counts.sum(axis=1, keepdims=True)
    return (
        posterior,
        transition,
        fit_softmax(scores, posterior, _ITERATIONS, fitted),
    )
