"""What an evaluation finds out about a method in training."""

import numpy as np

from tfnoisy.methods import base


class Judge:
    """Evaluates a method on all of a run's data sets."""

    def __init__(self, method, evaluators, wrong=None):
        """Prepares it; nothing runs yet.

        Args:
            method: a compiled `methods.base.Method`.
            evaluators: {"test": Evaluator, and perhaps "holdout"}.
            wrong: an Evaluator of wrongly labelled training images by the
                labels that they were given, or None.
        """
        self._method = method
        self._evaluators = evaluators
        self._wrong = wrong

    def __call__(self, step):
        """Returns {name: number} for the line of metrics.jsonl.

        Args:
            step: int, the updates made so far.
        """
        found = {"learning_rate": self.learning_rate(step - 1)}
        found |= self._loss_scale()
        for name, evaluate in self._evaluators.items():
            for metric, value in evaluate().items():
                found[f"{name}_{metric}"] = value
        if self._wrong is not None:
            found["wrong_labels_fitted"] = self._wrong()["accuracy"]
        return found

    def describe(self, row):
        """Returns a line of metrics.jsonl in words."""
        words = []
        # Without steps since the last evaluation there are no means.
        if "train_loss" in row:
            words = [
                f"loss {row['train_loss']:.4f}",
                f"{self._method.training_accuracy_of} "
                f"{row['train_accuracy']:.4f}",
            ]
        words += [
            f"{name} {row[f'{name}_accuracy']:.4f}" for name in self._evaluators
        ]
        return f"step {row['step']}: {', '.join(words)}"

    def learning_rate(self, step):
        """Returns the learning rate of the update after so many, a float."""
        rate = self._method.optimizer._learning_rate
        if not callable(rate):
            return float(base.value_of(rate))
        # TensorFlow keeps every Python number that it makes a tensor of.
        return float(rate(np.array(step, np.int32)))

    def _loss_scale(self):
        """Returns the loss scale and what it cost so far, if there is one."""
        optimizer = self._method.optimizer
        return {
            name: base.value_of(getattr(optimizer, name)).item()
            for name in ("loss_scale", "skipped_steps")
            if hasattr(optimizer, name)
        }
