"""Judging a method on a data set."""

import numpy as np
import tensorflow as tf

from tfnoisy.datasets import pipeline


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
        batch_size = min(batch_size, len(dataset))
        batches = pipeline.evaluation_batches(
            dataset,
            augmentation,
            batch_size * strategy.num_replicas_in_sync,
            labels,
        )
        self._count = len(dataset)
        self._batches = strategy.experimental_distribute_dataset(batches)
        top = min(5, method.num_classes)

        def sums_of(batch):
            logits = method.evaluation_logits(batch["images"])
            labels, mask = batch["labels"], batch["mask"]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels, logits
            )
            hits = tf.equal(tf.argmax(logits, -1, tf.int32), labels)
            top_hits = tf.math.in_top_k(labels, logits, top)
            return tf.stack(
                [
                    tf.reduce_sum(mask * tf.cast(value, tf.float32))
                    for value in (hits, top_hits, losses)
                ]
            )

        @tf.function
        def one_batch(batch):
            sums = strategy.run(sums_of, (batch,))
            return strategy.reduce(tf.distribute.ReduceOp.SUM, sums, axis=None)

        self._one_batch = one_batch

    def __call__(self):
        """Returns {accuracy, top5, loss}, shares in [0, 1] and nats."""
        sums = np.zeros(3)
        for batch in self._batches:
            sums += self._one_batch(batch).numpy()
        accuracy, top5, loss = (float(x) for x in sums / self._count)
        return {"accuracy": accuracy, "top5": top5, "loss": loss}


def predict_logits(method, dataset, augmentation, batch_size=250):
    """Returns the logits of every example, in the data set's order.

    Args:
        method: a `methods.base.Method`.
        dataset: an `ImageDataset`.
        augmentation: its evaluation view is used.
        batch_size: images per batch.

    Returns:
        float32 [N, C].
    """
    batch_size = min(batch_size, len(dataset))
    logits_of = tf.function(method.evaluation_logits)
    logits = [
        logits_of(batch["images"]).numpy()
        for batch in pipeline.evaluation_batches(
            dataset, augmentation, batch_size
        )
    ]
    return np.concatenate(logits)[: len(dataset)]
