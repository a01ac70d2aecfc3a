"""What ProMix trains on: the choice of each network, and what it leaves behind.

Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, IJCAI 2023 (arXiv 2207.10276); the code
followed is Justherozen/ProMix at 40d8378, `eval_train` and the first half of
`train` of `Train_promix.py`.  See `promix`.
"""

import functools

import numpy as np
import tensorflow as tf

from tfnoisy.methods import base, judged
from tfnoisy.methods.promix import bias, ramps, selection


class Choice(judged.JudgedExamples):
    """What `epochs.SelectingMethod` has for choosing examples and labels.

    CSS is at the start of an epoch, in evaluation mode; MHCS and LGA are in
    each step, by the predictions that it trains.

    Attributes:
        selected: bool [2, num_ids], m by network and id, of the last epoch
            that began.
        judged: float32 [num_ids, 3]: both networks' losses on the given label,
            and the class that they predict together, before that epoch; -1
            where there is no judgement.
    """

    selected = None

    def keep_ids(self, num_ids):
        """Makes room for what is known of each example.

        Args:
            num_ids: the largest example id plus one.
        """
        with self.distribute_strategy.scope():
            self.selected = self.add_state(
                "selected", False, (2, num_ids), "bool"
            )
            self.keep_judgements(num_ids)

    def select(self, data, epoch):
        """Each network selects labels by its losses in evaluation mode.

        Args:
            data: a `pipeline.TrainingData`.
            epoch: from 0, an int.

        Raises:
            TrainingError: if a loss is not finite.
        """
        evaluated = functools.partial(data.evaluation_batches, data.batch_size)
        found = self.agreed(
            self._judge(evaluated, len(data.dataset)),
            "losses",
            "--lr or --learning_rate",
        )
        rho = self.rho_start + (self.rho_end - self.rho_start) * float(
            ramps.ramp(float(epoch), self.warmup_ep)
        )
        ids, labels = data.dataset.ids, data.dataset.given_labels
        selected, judgements = (
            np.full_like(base.value_of(v), fill)
            for v, fill in ((self.selected, False), (self.judged, -1))
        )
        for k in (0, 1):
            selected[k, ids] = selection.small_losses(
                found[:, k], labels, self.num_classes, rho, ids
            )
        judgements[ids] = found
        self.selected.assign(selected)
        self.judged.assign(judgements)

    def _judgement(self, batch):
        images = self.as_inputs(batch["images"])
        logits = [n(images, training=False) for n in self.student.networks]
        losses = [
            tf.nn.sparse_softmax_cross_entropy_with_logits(batch["labels"], z)
            for z in logits
        ]
        predicted = tf.argmax(tf.add_n(logits), -1)
        return tf.stack([*losses, tf.cast(predicted, losses[0].dtype)], -1)

    def choose(self, ids, labels, logits, probabilities):
        """Chooses examples and their labels for each network.

        Args:
            ids: int64 [B].
            labels: the given labels, [B, C].
            logits: h(w) of each network, [B, C].
            probabilities: p of each, [B, C].

        Returns:
            Lists of two: m, bool [B], after MHCS; y*, [B, C]; S, bool [B].
        """
        matched, targets = [], []
        for k, p in enumerate(probabilities):
            m = tf.gather(self.selected[k], ids)
            m |= tf.reduce_sum(labels * p, -1) > self.tau
            own = bias.guess(logits[k], self.priors[k, 0], self.debias_pl)
            own = tf.one_hot(tf.argmax(own, -1), labels.shape[-1])
            matched.append(m)
            targets.append(tf.where(m[:, None], labels, own))
        scores = [tf.reduce_max(p, -1) for p in probabilities]
        first, second = (tf.argmax(p, -1) for p in probabilities)
        used = [
            m
            | (
                self.expands.value
                & selection.expanded(
                    m, scores, first == second, self.tau, self.threshold
                )
            )
            for m in matched
        ]
        return matched, targets, used

    def evidence(self):
        """Returns what both networks say of the labels, None before it.

        Returns:
            {ids: int64 [N], ascending; label_score: float32 [N] in [0, 1], the
            mean probability of the given label, before the last epoch;
            is_label_issue: bool [N], neither network has chosen the label, by
            its loss or by a probability above tau; target_class: int64 [N],
            what they predict together}.
        """
        known = self.judgements()
        if known is None:
            return None
        ids, rows = known
        p = np.exp(-rows[:, :2])
        chosen = base.value_of(self.selected)[:, ids].any(0)
        return {
            "ids": ids,
            "label_score": p.mean(1),
            "is_label_issue": ~(chosen | (p > self.tau).any(1)),
            "target_class": np.rint(rows[:, 2]).astype(np.int64),
        }
