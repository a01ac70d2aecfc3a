"""Judging a method on a data set."""

import numpy as np
import tensorflow as tf

from tfnoisy import replicas
from tfnoisy.datasets import pipeline
from tfnoisy.datasets.images import streamed


class Evaluator:
    """Accuracy, top-5 accuracy and mean cross-entropy on one data set."""

    def __init__(
        self, method, dataset, augmentation, batch_size, strategy, labels=None
    ):
        """Prepares the evaluation; nothing runs yet.

        Args:
            method: a `methods.base.Method`.
            dataset: an `ImageDataset`.
            augmentation: its evaluation view is used.
            batch_size: images per batch and replica.
            strategy: a `tf.distribute.Strategy`.
            labels: int [N] to judge by; the given labels if None.
        """
        self._count = len(dataset)
        self._images = dataset.images
        batch_size = min(batch_size, len(dataset))
        top = min(5, method.num_classes)

        # Made once: TensorFlow keeps some KiB of every pipeline for good.
        made = []

        def batches(context):
            if not made:
                made.append(
                    pipeline.evaluation_batches(
                        dataset, augmentation, batch_size, labels, context
                    )
                )
            return made[0]

        def judge(batch):
            logits, labels = (
                method.evaluation_logits(batch["images"]),
                batch["labels"],
            )
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, logits
            )
            hits = tf.equal(tf.argmax(logits, -1, tf.int32), labels)
            top_hits = tf.math.in_top_k(labels, logits, top)
            return tf.stack(
                [tf.cast(v, tf.float32) for v in (hits, top_hits, losses)], -1
            )

        self._batches = batches
        self._judge = replicas.Pass(strategy, judge, "evaluation")

    def __call__(self):
        """Returns {accuracy, top5, loss}, shares in [0, 1] and nats.

        Raises:
            BrokenImages: if a streamed image cannot be read.
        """
        with streamed.naming_broken(self._images):
            judged = self._judge(self._batches, self._count)
        means = judged.mean(axis=0, dtype=np.float64)
        return dict(zip(("accuracy", "top5", "loss"), means.tolist()))


def predict_logits(
    method, dataset, augmentation, batch_size=250, strategy=None
):
    """Returns the logits of every example, in the data set's order.

    Args:
        method: a `methods.base.Method`.
        dataset: an `ImageDataset`.
        augmentation: its evaluation view is used.
        batch_size: images per batch and replica.
        strategy: the `tf.distribute.Strategy` whose replicas share the work;
            one device if None.

    Returns:
        float32 [N, C].

    Raises:
        BrokenImages: if a streamed image cannot be read.
    """
    batch_size = min(batch_size, len(dataset))

    def batches(context):
        return pipeline.evaluation_batches(
            dataset, augmentation, batch_size, input_context=context
        )

    logits_of = replicas.Pass(
        strategy or tf.distribute.get_strategy(),
        lambda batch: method.evaluation_logits(batch["images"]),
        "predictions",
    )
    with streamed.naming_broken(dataset.images):
        return logits_of(batches, len(dataset))
