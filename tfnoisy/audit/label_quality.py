"""What is held against each label, wherever it comes from.

A source fills an `LabelQuality`; the table and the report take one:

    found = evidence.LabelQuality.from_pred_probs(ids, given_labels, pred_probs)
    table.write("labels.csv", found, class_names)
    report.write("report.html", found, dataset)
"""

import dataclasses
from typing import Any

import numpy as np

from tfnoisy import errors
from tfnoisy.audit import columns, issues, loss_mixture, scores, trust
from tfnoisy.audit import pred_probs as probabilities

MOST_TRUSTED, LEAST_TRUSTED = 1, 4

_IN_SAMPLE = (
    "The network was trained on these very labels: wrong labels that it has "
    "memorised are missed. Out-of-sample predictions, e.g. by "
    "cross-validation, find more."
)


@dataclasses.dataclass(frozen=True, eq=False)
class LabelQuality:
    """A judgement of every given label, a row for each example.

    Attributes:
        ids: int64 [N], unique.
        given_labels: int64 [N], what the data say, in [0, K).
        predicted_labels: int64 [N], what the network says, in [0, K).
        label_score: float64 [N], in [0, 1]; low where a label is suspicious.
        is_label_issue: bool [N], the labels that are taken for wrong.
        noise_rate: the estimated share of wrong labels, in [0, 1].  It need
            not be the share of the flagged.
        transition_matrix: float64 [K, K], the estimated P(given | clean), a
            row for each clean class; zeros for one that nothing belongs to.
        criterion: a sentence for the report: how labels were flagged.
        score_name: what the score is, e.g. `self-confidence`.
        notes: sentences that a reader of the report should know.
        pred_probs: floats [N, K], or None.
        losses: float64 [N] in nats, or None.
        mixture: a `mixture.Mixture` on the losses scaled to [0, 1], or None.
        clean_probability: float64 [N] in [0, 1], the method's own, or None.
        group: int64 [N], a method's trust group, 1 the most trusted, or None.
        cuts: {name: value}, thresholds on the scaled losses if there are
            losses, else on the label score.
        clean_labels: int64 [N], the truth, -1 where no class is right; None
            where it is unknown.  It decides nothing, it judges the rest.
        doubt: a sentence if the labels cannot be judged by this evidence, which
            then comes before all numbers; else "".
        neighbours: int64 [N, k], rows of the most similar images, nearest
            first, -1 where there are fewer; or None.
        health: a `health.Health` of the data set, rows as here, or None.
    """

    ids: np.ndarray
    given_labels: np.ndarray
    predicted_labels: np.ndarray
    label_score: np.ndarray
    is_label_issue: np.ndarray
    noise_rate: float
    transition_matrix: np.ndarray
    criterion: str
    score_name: str
    notes: tuple[str, ...] = ()
    pred_probs: np.ndarray | None = None
    losses: np.ndarray | None = None
    mixture: loss_mixture.Mixture | None = None
    clean_probability: np.ndarray | None = None
    group: np.ndarray | None = None
    cuts: dict[str, float] = dataclasses.field(default_factory=dict)
    clean_labels: np.ndarray | None = None
    doubt: str = ""
    neighbours: np.ndarray | None = None
    health: Any = None

    def __len__(self):
        return len(self.ids)

    @property
    def num_classes(self):
        """The number of classes, K."""
        return len(self.transition_matrix)

    @property
    def is_wrong(self):
        """Bool [N], which labels are truly wrong; None if unknown."""
        if self.clean_labels is None:
            return None
        return self.given_labels != self.clean_labels

    def ranking(self):
        """Returns the rows of the flagged labels, the worst score first.

        Equal scores are in the order of their ids.
        """
        rows = np.flatnonzero(self.is_label_issue)
        return rows[np.lexsort((self.ids[rows], self.label_score[rows]))]

    @classmethod
    def from_pred_probs(
        cls,
        ids,
        given_labels,
        pred_probs,
        *,
        score="self_confidence",
        adjust_pred_probs=False,
        out_of_sample=True,
        clean_labels=None,
    ):
        """Judges by predicted probabilities: confident learning.

        Args:
            ids: int [N].
            given_labels: int [N], in [0, K).
            pred_probs: floats [N, K]; `pred_probs.read` has them from a file,
                `pred_probs.join` from the folds of a cross-validation.
            score: one of `scores.NAMES`.
            adjust_pred_probs: as for `scores.label_quality`.
            out_of_sample: whether the network that predicted an example had
                not been trained on it; if it had, the report says so.
            clean_labels: int [N], if known.

        Raises:
            UserError: for whatever does not fit, and without cleanlab.
        """
        fields = _given(ids, given_labels, clean_labels)
        pred_probs = probabilities.check(pred_probs, len(fields["ids"]), None)
        num_classes = pred_probs.shape[1]
        fields |= _predicted(fields, pred_probs.argmax(axis=1), num_classes)
        given = fields["given_labels"]
        label_score = scores.label_quality(
            given, pred_probs, score, adjust_pred_probs
        )
        joint = issues.confident_joint(given, pred_probs)
        agreement = float(np.mean(pred_probs.argmax(axis=1) == given))
        doubt = trust.doubt(
            agreement,
            given,
            num_classes,
            "These predictions",
            "the network has not learned the classes",
        )
        told = (
            f"Of the given labels {agreement:.0%} are what the network "
            "predicts of images that it was not trained on."
        )
        return cls(
            **fields,
            label_score=np.clip(label_score, 0, 1).astype(np.float64),
            is_label_issue=issues.find(given, pred_probs),
            noise_rate=issues.noise_rate(joint),
            transition_matrix=issues.transition_matrix(joint),
            criterion=(
                "Confident learning on predicted probabilities (cleanlab, "
                "pruned by noise rate)."
            ),
            score_name=score.replace("_", " ").replace("self ", "self-")
            + ", adjusted" * adjust_pred_probs,
            notes=(*filter(None, [doubt]), told)
            if out_of_sample
            else (_IN_SAMPLE,),
            doubt=doubt if out_of_sample else "",
            pred_probs=pred_probs,
        )

    @classmethod
    def from_clean_probability(
        cls,
        ids,
        given_labels,
        predicted_labels,
        clean_probability,
        num_classes,
        *,
        threshold=0.5,
        method="the method",
        losses=None,
        mixture=None,
        clean_labels=None,
    ):
        """Judges by a probability that each label is clean, e.g. DivideMix's.

        Args:
            ids: int [N].
            given_labels: int [N], in [0, K).
            predicted_labels: int [N], in [0, K).
            clean_probability: [N], in [0, 1]; flagged unless above the
                threshold.
            num_classes: K.
            threshold: DivideMix's `p_threshold`.
            method: whose probability it is, for the report.
            losses: [N] in nats, what the probability was made of, if they are
                to be drawn.
            mixture: the `mixture.Mixture` on them scaled to [0, 1], the same.
            clean_labels: int [N], if known.

        Raises:
            UserError: for whatever does not fit.
        """
        fields = _given(ids, given_labels, clean_labels)
        fields |= _predicted(fields, predicted_labels, num_classes)
        probability = columns.numbers(
            "clean probabilities", clean_probability, len(fields["ids"]), 0, 1
        )
        if losses is not None:
            losses = columns.numbers("losses", losses, len(fields["ids"]))
        cuts = {}
        if losses is None:
            cuts = {"threshold": float(threshold)}
        elif mixture is not None and mixture.loss_at(threshold) is not None:
            cuts = {"threshold": mixture.loss_at(threshold)}
        return cls(
            **fields,
            **_corrections(fields, probability, num_classes),
            label_score=probability,
            is_label_issue=~(probability > threshold),
            criterion=(
                f"The clean probability of {method} is {threshold:g} or less."
            ),
            score_name="clean probability",
            losses=losses,
            mixture=mixture,
            clean_probability=probability,
            cuts=cuts,
        )

    @classmethod
    def from_losses(
        cls,
        ids,
        given_labels,
        predicted_labels,
        losses,
        num_classes,
        *,
        threshold=0.5,
        clean_labels=None,
    ):
        """Judges by the losses: a mixture of two Gaussians, as in DivideMix.

        The score is the posterior of the Gaussian of small losses, held where
        it would turn back (see `Mixture.monotone_clean_probability`): an
        audit that calls the smallest losses suspicious would mislead.

        Args:
            ids: int [N].
            given_labels: int [N], in [0, K).
            predicted_labels: int [N], in [0, K).
            losses: [N], the cross-entropy of each given label, in nats.
            num_classes: K.
            threshold: labels are flagged unless the score is above it.
            clean_labels: int [N], if known.

        Raises:
            UserError: for whatever does not fit, e.g. losses all equal.
        """
        fields = _given(ids, given_labels, clean_labels)
        losses = columns.numbers("losses", losses, len(fields["ids"]))
        scaled = loss_mixture.scale(losses)
        fitted = loss_mixture.fit(scaled)
        found = cls.from_clean_probability(
            ids,
            given_labels,
            predicted_labels,
            fitted.monotone_clean_probability(scaled),
            num_classes,
            threshold=threshold,
            losses=losses,
            mixture=fitted,
            clean_labels=clean_labels,
        )
        return dataclasses.replace(
            found,
            criterion=(
                "A mixture of two Gaussians on the losses: the probability of "
                f"the lower one is {threshold:g} or less."
            ),
        )

    @classmethod
    def from_groups(
        cls,
        ids,
        given_labels,
        predicted_labels,
        groups,
        num_classes,
        *,
        agreement=None,
        split=None,
        clean_labels=None,
    ):
        """Judges by the trust groups of Blind Knowledge Distillation.

        Group 4 is flagged, as in the original's detection.  It is what lies
        below the mean of the distrusted half, so the noise rate and the
        transition matrix take groups 3 and 4, all below the threshold.

        Args:
            ids: int [N].
            given_labels: int [N], in [0, K).
            predicted_labels: int [N], in [0, K).
            groups: int [N], from 1, the most trusted, to 4.
            num_classes: K.
            agreement: [N], in [0, 1], what the groups were made of: the
                score; without it all of a group have the same.
            split: the `methods.bkd.trust.Split` that made the groups, to be
                drawn.
            clean_labels: int [N], if known.

        Raises:
            UserError: for whatever does not fit.
        """
        fields = _given(ids, given_labels, clean_labels)
        fields |= _predicted(fields, predicted_labels, num_classes)
        group = columns.integers(
            "groups", groups, len(fields["ids"]), MOST_TRUSTED, LEAST_TRUSTED
        )
        if agreement is None:
            label_score = (LEAST_TRUSTED - group) / (
                LEAST_TRUSTED - MOST_TRUSTED
            )
        else:
            label_score = columns.numbers(
                "agreements", agreement, len(group), 0, 1
            )
        cuts = {}
        if split is not None:
            cuts = {
                "lower mean": split.lower_mean,
                "threshold": split.threshold,
                "upper mean": split.upper_mean,
            }
        return cls(
            **fields,
            **_corrections(fields, group < LEAST_TRUSTED - 1, num_classes),
            label_score=label_score,
            is_label_issue=group == LEAST_TRUSTED,
            criterion=(
                "Trust group 4 of Blind Knowledge Distillation: the agreement "
                "is below the mean of the distrusted labels."
            ),
            score_name="trust" if agreement is None else "agreement",
            notes=(
                "Group 4 is cautious by construction: it holds only labels "
                "below the mean of the distrusted ones. The estimated noise "
                "rate counts groups 3 and 4.",
            ),
            group=group,
            cuts=cuts,
        )


def _given(ids, given_labels, clean_labels):
    """Returns {field: int64 [N]} of what every source has."""
    ids = columns.integers("ids", ids)
    if len(np.unique(ids)) < len(ids):
        raise errors.UserError("the ids are not unique")
    given = columns.integers("given labels", given_labels, len(ids), 0)
    fields = {"ids": ids, "given_labels": given}
    if clean_labels is not None:
        fields["clean_labels"] = columns.integers(
            "clean labels", clean_labels, len(ids), -1
        )
    return fields


def _predicted(fields, predicted_labels, num_classes):
    """Returns the predicted labels, and checks the given against K."""
    given, last = fields["given_labels"], num_classes - 1
    columns.integers("given labels", given, None, 0, last)
    return {
        "predicted_labels": columns.integers(
            "predicted labels", predicted_labels, len(given), 0, last
        )
    }


def _corrections(fields, clean_probability, num_classes):
    """Returns what suspicious labels giving way to predictions comes to."""
    joint = issues.joint_of_corrections(
        fields["given_labels"],
        fields["predicted_labels"],
        clean_probability,
        num_classes,
    )
    return {
        # Suspicious labels that are predicted too count here; the matrix
        # cannot tell what else they are.
        "noise_rate": float(1 - np.mean(clean_probability)),
        "transition_matrix": issues.transition_matrix(joint),
    }
