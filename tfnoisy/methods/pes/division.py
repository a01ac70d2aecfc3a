"""How PES divides the data: an example is confident if its label is predicted.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, NeurIPS 2021 (arXiv 2106.15853); the
code followed is tmllab/PES at 5466238.  With p the mean softmax of two training
views, in evaluation mode, and y the given labels:

    confident   argmax p = y; there is no threshold and no mixture
    weights     w_c = mean of the counts above 0 / n_c, with n_c the confident
                examples of class c; 0 where n_c = 0

PES (semi) holds the weights to at most 3.
"""

import warnings

import numpy as np
import tensorflow as tf

from tfnoisy import replicas
from tfnoisy.methods import base, epochwise, judged

# What the views of the division are for, see `epochs`.
DIVIDE = 2


def class_weights(counts, largest=None):
    """Returns w_c, float32 [C].

    Args:
        counts: confident examples of each class, [C].
        largest: what they are held to; None for nothing.
    """
    counts = np.asarray(counts, np.float64)
    some = counts > 0
    weights = np.zeros(len(counts))
    if some.any():
        weights[some] = counts[some].mean() / counts[some]
    if largest is not None:
        weights = np.minimum(weights, largest)
    return weights.astype(np.float32)


class DividingMethod(judged.JudgedExamples, epochwise.EpochwiseMethod):
    """A network that says which labels it is confident of.

    Attributes:
        judged: float32 [num_ids, 3]: the probability of the given label, the
            class that is predicted, and 1 where that is the label, of the last
            division; -1 where there is no judgement.
        class_weights: float32 [C], w of the last division.
        largest_weight: what these are held to; None for nothing.
    """

    remembers = True
    needs_ids = True
    largest_weight: float | None = None

    def __init__(self, student, **kwargs):
        """Makes the method; see `base.Method`."""
        super().__init__(student, **kwargs)
        self._judge = replicas.Pass(
            self.distribute_strategy, self._probabilities, "predictions"
        )

    def keep_ids(self, num_ids):
        """Makes room for what is known of each example.

        Args:
            num_ids: the largest example id plus one.
        """
        with self.distribute_strategy.scope():
            self.keep_judgements(num_ids)
            self.class_weights = self.add_state(
                "class_weights", 1, (self.num_classes,), "float32"
            )

    def divide(self, data, epoch):
        """Judges all labels; sets the class weights.

        Args:
            data: a `pipeline.TrainingData`.
            epoch: from 0, an int.

        Raises:
            TrainingError: if a prediction is not finite.
        """
        views = []
        for view in (0, 1):

            def batches(input_context=None, view=view):
                return data.training_view_batches(
                    data.batch_size,
                    (epoch, DIVIDE, view),
                    input_context=input_context,
                )

            views.append(self._judge(batches, len(data.dataset)))
        p = self.agreed(np.mean(views, 0), "predictions", "learning rate")
        labels, predicted = data.dataset.given_labels, p.argmax(1)
        if not (predicted == labels).any():
            warnings.warn(
                f"step {self.steps_made()}: no label is what the network "
                "predicts, and so all are taken as confident",
                stacklevel=3,
            )
            predicted = labels
        found = np.full(self.judged.shape, -1, np.float32)
        found[data.dataset.ids] = np.stack(
            [p[np.arange(len(labels)), labels], predicted, predicted == labels],
            1,
        )
        self.judged.assign(found)
        counts = np.bincount(
            labels[predicted == labels], minlength=self.num_classes
        )
        self.class_weights.assign(class_weights(counts, self.largest_weight))

    def _probabilities(self, batch):
        images = self.as_inputs(batch["images"])
        return tf.nn.softmax(self.evaluation_logits(images))

    def divided(self, data):
        """Returns the rows of the last division: confident ones, the others.

        Args:
            data: a `pipeline.TrainingData`.
        """
        confident = base.value_of(self.judged)[data.dataset.ids, 2] > 0
        return np.flatnonzero(confident), np.flatnonzero(~confident)

    def evidence(self):
        """Returns what the last division says of the labels, None before it.

        Returns:
            {ids: int64 [N], ascending; label_score: float32 [N] in [0, 1], the
            probability of the given label; is_label_issue: bool [N], whether
            another class is predicted; target_class: int64 [N], that class}.
        """
        known = self.judgements()
        if known is None:
            return None
        ids, rows = known
        probability, predicted, confident = rows.T
        return {
            "ids": ids,
            "label_score": probability,
            "is_label_issue": confident == 0,
            "target_class": np.rint(predicted).astype(np.int64),
        }
