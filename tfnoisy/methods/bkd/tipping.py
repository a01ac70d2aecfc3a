"""What Blind Knowledge Distillation remembers, and when it decides.

While the tipping point is unknown, each epoch leaves behind two agreements q
of every example, as recorded by the steps and as judged in a pass of its own,
and the student's mean confidence m.  Once m has a peak, at epoch e*, the first
q of that epoch gives the groups for the rest of the training, and the second
one those by which labels are judged.  See `bkd`.

All of this is kept in variables, so that checkpoints have it.
"""

import warnings

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import replicas
from tfnoisy.methods import base
from tfnoisy.methods.bkd import trust

# The peak shows two epochs after it, or three when it is first looked for.
_REMEMBERED = 3
# Means of 39 steps, a pass over 5,000 images of CIFAR-10, peaked by chance in
# the eighth epoch, and with what was decided there the networks collapsed;
# means of 195 steps were smooth.
_STEPS_OF_A_VALUE = 200


def passes_of(steps):
    """Returns how many passes over the data make one value of the curve.

    So many that the value is the mean of at least 200 steps.

    Args:
        steps: the steps of a pass; the original's has 352.
    """
    return -(-_STEPS_OF_A_VALUE // steps)


class TippingPoint(keras.layers.Layer):
    """Watches for the student's peak and then groups the labels."""

    def __init__(self, num_ids, n_epoch, *, otsu="released", fallback=True):
        """Makes the variables.

        Args:
            num_ids: the largest example id plus one.
            n_epoch: the most epochs that there will be.
            otsu: the criterion of the split, see `trust.otsu_split`.
            fallback: whether labels are judged by the epoch of the largest m
                if m has no peak; the original code writes no detection then.

        Raises:
            UserError: for an unknown criterion.
        """
        super().__init__(name="tipping_point")
        trust.check_criterion(otsu)
        self._strategy = tf.distribute.get_strategy()
        self.otsu = otsu
        self.fallback = fallback

        def state(name, shape, dtype="float32", value=0, aggregation="none"):
            return self.add_weight(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer=keras.initializers.Constant(value),
                trainable=False,
                aggregation=aggregation,
            )

        # Of the epoch under way: the sum and count of q by id, and the sum of
        # max_c p_S.
        self.recorded = state("recorded", [num_ids, 2], aggregation="sum")
        # In float64: the peak is a matter of strict inequalities.
        self.confidence = state("confidence", [], "float64", 0, "sum")
        # Of the epochs that have ended: m, both q (epoch e in row e mod 3) and
        # the second q of the largest m so far.  -1: no such example.
        self.epochs = state("epochs", [], "int64")
        self.means = state("means", [n_epoch], "float64")
        rows = [_REMEMBERED, num_ids]
        self.recorded_before = state("recorded_before", rows, value=-1)
        self.judged_before = state("judged_before", rows, value=-1)
        self.judged_best = state("judged_best", [num_ids], value=-1)
        # What was decided; 0: in no group yet.
        self.epoch = state("epoch", [], "int64", value=-1)
        self.groups = state("groups", [num_ids], "int64")
        self.evidence_epoch = state("evidence_epoch", [], "int64", value=-1)
        self.evidence_agreement = state("evidence_agreement", [num_ids])
        self.evidence_group = state("evidence_group", [num_ids], "int64")
        self.built = True

    def record(self, ids, agreements, confidences):
        """Adds a replica's batch to the epoch under way.

        Args:
            ids: int64 [B].
            agreements: q, float32 [B].
            confidences: max_c p_S, float32 [B].
        """
        # Sums, which replicas can share; an example may come twice there.
        counted = tf.stack([agreements, tf.ones_like(agreements)], -1)
        self.recorded.value.scatter_add(tf.IndexedSlices(counted, ids))
        self.confidence.value.assign_add(
            tf.reduce_sum(tf.cast(confidences, tf.float64))
        )

    def end_epoch(self, ids, judge):
        """Extends the curve of m; decides if it has a peak.

        Args:
            ids: int64 [N] of all training examples.
            judge: () -> float32 [N], their q in evaluation mode; called while
                there is no peak.
        """
        epoch = int(base.value_of(self.epochs))
        means = base.value_of(self.means)[: epoch + 1]
        q, count = np.moveaxis(base.value_of(self.recorded), -1, 0)
        means[epoch] = base.value_of(self.confidence) / count.sum(
            dtype=np.float64
        )
        row = epoch % _REMEMBERED
        if base.value_of(self.epoch) < 0:
            peak = trust.tipping_point(means)
            if peak is None:
                # First what takes long: it may be interrupted.
                judged = np.full(count.shape, -1, np.float32)
                judged[ids] = judge()
                _replace(self.recorded_before, row, q / np.maximum(count, 1))
                _replace(self.judged_before, row, judged)
                if epoch == np.argmax(means):
                    self.judged_best.assign(judged)
            else:
                self._decide(peak)
        _replace(self.means, epoch, means[epoch])
        self.epochs.assign(epoch + 1)
        self.recorded.assign(tf.zeros(self.recorded.shape))
        self.confidence.assign(0.0)

    def _decide(self, peak):
        row = peak % _REMEMBERED
        judged = base.value_of(self.judged_before)[row]
        ids = np.flatnonzero(judged >= 0)
        groups = np.zeros(judged.shape)
        groups[ids] = self._groups(
            base.value_of(self.recorded_before)[row][ids],
            f"training in epoch {peak}",
        )
        self.groups.assign(groups)
        self._find_evidence(judged, peak)
        self.epoch.assign(peak)

    def end_training(self):
        """Judges the labels if m has had no peak."""
        means = self.curve()
        if base.value_of(self.epoch) >= 0 or not len(means):
            return
        found = f"no tipping point in {len(means)} epochs: "
        if not self.fallback:
            warnings.warn(found + "no label is judged", stacklevel=2)
            return
        best = int(np.argmax(means))
        if best == base.value_of(self.evidence_epoch):
            return
        warnings.warn(
            f"{found}labels are judged by epoch {best}, where the student was "
            "most confident",
            stacklevel=2,
        )
        self._find_evidence(base.value_of(self.judged_best), best)

    def _find_evidence(self, judged, epoch):
        ids = np.flatnonzero(judged >= 0)
        groups = np.zeros(judged.shape)
        groups[ids] = self._groups(judged[ids], f"evaluation in epoch {epoch}")
        self.evidence_agreement.assign(judged)
        self.evidence_group.assign(groups)
        self.evidence_epoch.assign(epoch)

    def _groups(self, agreements, source):
        split = trust.otsu_split(agreements, self.otsu)
        groups = trust.trust_groups(agreements, split)
        if not np.any(groups == 4):
            warnings.warn(
                f"group 4, of wrong labels, is empty: no agreement of {source} "
                "lies below the mean of its lower class",
                stacklevel=2,
            )
        # All workers must trust alike.
        return replicas.of_chief(self._strategy, groups)

    def curve(self):
        """Returns m_0, m_1, ... of the epochs that have ended, float64."""
        return base.value_of(self.means)[: base.value_of(self.epochs)]

    def method_metrics(self):
        """Returns the curve and its peak, for results.json.

        Returns:
            {tipping: {confidence: m_0, m_1, ..., floats; epoch: e* or None;
            judged_epoch: the epoch that labels are judged by, or None}}.
        """
        epoch, judged = (
            int(base.value_of(variable))
            for variable in (self.epoch, self.evidence_epoch)
        )
        return {
            "tipping": {
                "confidence": self.curve().tolist(),
                "epoch": epoch if epoch >= 0 else None,
                "judged_epoch": judged if judged >= 0 else None,
            }
        }

    def evidence(self):
        """Returns the judgement of the labels, None before there is one.

        Returns:
            {ids: int64 [N], ascending; agreement: float32 [N] in [0, 1], the
            second q of epoch `evidence_epoch`; group: int64 [N], 1 to 4;
            is_label_issue: bool [N], group 4}.
        """
        groups = base.value_of(self.evidence_group)
        ids = np.flatnonzero(groups)
        if not len(ids):
            return None
        return {
            "ids": ids,
            "agreement": base.value_of(self.evidence_agreement)[ids],
            "group": groups[ids],
            "is_label_issue": groups[ids] == 4,
        }


def _replace(variable, row, value):
    rows = base.value_of(variable)
    rows[row] = value
    variable.assign(rows)
