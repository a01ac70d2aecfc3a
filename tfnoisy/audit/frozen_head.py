"""A method that trains nothing: a linear head on a frozen network.

The features of all training images are computed once and kept, as for the
audit; the rule of `label_errors` says which labels are probably wrong; and the
head is fitted in closed form to what it takes for the truth, its posterior.
The run counts one step.
"""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import choices
from tfnoisy.audit import from_features
from tfnoisy.audit import head as head_lib
from tfnoisy.audit.features import compute, networks
from tfnoisy.methods import base
from tfnoisy.methods import losses as losses_lib
from tfnoisy.nets import frozen


@keras.saving.register_keras_serializable("tfnoisy")
class FrozenHead(base.Method):
    """Fits the head of a `nets.frozen` network at the first step."""

    def __init__(self, student, *, head="ridge", cache_dir=None, **kwargs):
        """Makes the method.

        Args:
            student: `nets.frozen.frozen_efficientnet_lite0`.
            head: a name in `choices.HEADS`.
            cache_dir: the folder that keeps features; None for the user's
                cache.
            **kwargs: as for `base.Method`.

        Raises:
            ValueError: for another head.
        """
        if head not in choices.HEADS:
            raise ValueError(
                f"head {head!r} is none of {', '.join(choices.HEADS)}"
            )
        super().__init__(student, weight_decay=0.0, **kwargs)
        self.head = head
        self.cache_dir = cache_dir
        self._found = None

    def stage(self, step, data, num_steps):
        """Fits the head, if that has not been done, and counts a step."""
        if self._found is None:
            self._found = self.fit_head(data.dataset)
        if step >= num_steps:
            return None
        return base.Stage(0, num_steps, data.batches, self.train_step)

    def fit_head(self, dataset):
        """Gives the student the head of these images and labels.

        Args:
            dataset: an `ImageDataset`.

        Returns:
            (the ids, the `label_errors.LabelErrors`).
        """
        extractor = networks.get("efficientnet_lite0")
        values, _, _ = compute.extract(
            dataset.images, extractor, self.cache_dir
        )
        errors, measured = from_features.find(dataset, values)
        targets = errors.posterior
        if self.head == "ridge_given":
            targets = np.eye(dataset.num_classes)[dataset.given_labels]
        if self.head == "logistic":
            found = head_lib.logistic(measured, targets)
        else:
            found = head_lib.ridge(measured, targets, errors.penalty)
            found = found.with_temperature(measured, targets, errors.penalty)
        self.student.get_layer(frozen.CENTRE).mean.assign(found.mean)
        last = self.student.get_layer(frozen.LOGITS)
        last.kernel.assign(found.kernel)
        last.bias.assign(found.bias)
        return np.asarray(dataset.ids), errors

    def train_step(self, batch):
        """Looks at a batch; nothing is updated but the count.

        Args:
            batch: as for `base.Method`.

        Returns:
            Scalars: loss, accuracy (on the given labels).
        """
        images, labels = self.unpack(batch)
        logits = self.student(images, training=False)
        self.step.assign_add(1)
        return {
            "loss": tf.reduce_mean(losses_lib.cross_entropy(labels, logits)),
            "accuracy": losses_lib.accuracy(labels, logits),
        }

    def evidence(self):
        """Returns what the rule says of each label, see `label_errors`."""
        if self._found is None:
            return None
        ids, errors = self._found
        order = np.argsort(ids)
        return {
            "ids": ids[order],
            "clean_probability": np.float32(errors.label_score[order]),
            "is_label_issue": errors.is_label_issue[order],
            "suggested_label": errors.suggested_labels[order],
        }

    def method_metrics(self):
        """Returns what the rule says of all labels, for results.json."""
        if self._found is None:
            return {}
        errors = self._found[1]
        low, high = errors.noise_bracket
        return {
            "head": {
                "name": self.head,
                "held_out_agreement": errors.held_out_agreement,
                "noise_bracket": [low, high],
                "flagged": int(errors.is_label_issue.sum()),
                "penalty": errors.penalty,
            }
        }
