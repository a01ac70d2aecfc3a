"""Which method to train by: a rule that asks the given labels alone.

The audit's features say how many labels look wrong, and where the wrong ones
went; no clean label is used, nothing is trained and nothing drawn at random.

    evidence = examine(found)          # found: label_errors.LabelErrors
    choice = choose(evidence)
    choice.method, choice.why

    few labels look wrong                       baseline
    the features cannot judge                   sop_plus
    a class's wrong ones share one other class  dividemix
    they are spread over the classes            sop_plus

The last two rows are told apart by the concentration: the share of a class's
wrong labels that its most frequent wrong one has.  Of ten classes it was 0.14
to 0.22 for symmetric noise, 0.35 to 0.49 for labels that people gave
(CIFAR-10N), 0.67 to 0.75 for instance-dependent and 0.93 to 0.96 for pairflip
and asymmetric noise, on digits by their pixels and on 5,000 images of CIFAR-10
by the features of EfficientNet-Lite0.

Which method is best for which row was measured, on digits: see
methods/README.md, with the rule's regret.
"""

import dataclasses

import numpy as np

from tfnoisy.audit import from_features, label_errors

# The methods that the rule chooses from.
CANDIDATES = ("baseline", "sop_plus", "dividemix")

# A smaller share of wrong labels is few.  Of right labels 0.003 (digits) and
# 0.015 (CIFAR-10) look wrong.
FEW = 0.03
# From here on a class's wrong labels share one other class.
CONCENTRATED = 0.55
# So many images say enough.
MOST_IMAGES = 10_000


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What the features say of the given labels.

    Attributes:
        looks_wrong: the share that looks wrong, mostly a low guess of the
            noise rate; in [0, 1].
        bracket: (low, high) guesses of it.
        concentration: the share of a class's wrong labels that its most
            frequent wrong one has, the mean over wrong labels; in [0, 1].
        doubt: why the features cannot judge these labels, or empty.
    """

    looks_wrong: float
    bracket: tuple[float, float]
    concentration: float
    doubt: str = ""


@dataclasses.dataclass(frozen=True)
class Choice:
    """A method, and why.

    Attributes:
        method: one of `CANDIDATES`.
        why: what the features say, in words.
    """

    method: str
    why: str

    def __str__(self) -> str:
        """In words, which `parse` understands."""
        return f"{self.method}: {self.why}"

    @classmethod
    def parse(cls, text: str) -> "Choice":
        """Returns the choice that `str` made this text of.

        Raises:
            ValueError: for any other text.
        """
        method, _, why = text.partition(": ")
        if method not in CANDIDATES or not why:
            raise ValueError(f"{text!r} is no choice of a method")
        return cls(method, why)


def rows(num_images: int) -> np.ndarray:
    """Returns the images to look at, int64 [at most MOST_IMAGES], ascending.

    Evenly spaced: in a list that is sorted by class each has its share.

    Args:
        num_images: N.
    """
    count = min(num_images, MOST_IMAGES)
    return np.arange(count) * num_images // count


def concentration(
    transition_matrix: np.ndarray, class_sizes: np.ndarray
) -> float:
    """Returns how far the wrong labels of a class share one other class.

    sum_j n_j max_{i != j} T[j, i] / sum_j n_j sum_{i != j} T[j, i]: 1 if each
    class is only ever mistaken for one, 1 / (C - 1) if for all alike.

    Args:
        transition_matrix: T, float64 [C, C], P(given i | true class j).
        class_sizes: n, float64 [C], images of each true class.
    """
    wrong = transition_matrix * (1 - np.eye(len(transition_matrix)))
    total = class_sizes @ wrong.sum(axis=1)
    return float(class_sizes @ wrong.max(axis=1) / max(total, 1e-300))


def examine(found: label_errors.LabelErrors) -> Evidence:
    """Returns the evidence in what the audit's rule found.

    Args:
        found: of the given labels, see `label_errors.find_label_errors`.
    """
    low, high = found.noise_bracket
    return Evidence(
        found.noise_rate,
        (float(low), float(high)),
        concentration(found.transition_matrix, found.posterior.sum(axis=0)),
        from_features.doubt(found),
    )


def choose(evidence: Evidence) -> Choice:
    """Returns the method to train by.

    Args:
        evidence: see `examine`.
    """
    if evidence.doubt:
        return _choice("sop_plus", evidence, "the features cannot judge")
    if evidence.looks_wrong < FEW:
        return _choice("baseline", evidence, f"less than {FEW:.0%} look wrong")
    shared = f"{evidence.concentration:.0%} of a class's wrong labels"
    if evidence.concentration >= CONCENTRATED:
        return _choice(
            "dividemix", evidence, f"{shared} are of one other class"
        )
    return _choice(
        "sop_plus", evidence, f"no more than {shared} are of one other class"
    )


def _choice(method, evidence, why):
    low, high = evidence.bracket
    found = f"between {low:.0%} and {high:.0%} of the labels are wrong, and "
    return Choice(method, found + why)
