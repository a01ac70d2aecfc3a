"""From a data set in memory to batches: tf.data, and no Python in its path.

The order of the examples and every view of them are functions of (seed,
epoch, example id), so the stream can be entered at any batch: a resumed run
asks for the batch it needs next and gets exactly what it would have got.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.augment import standard
from tfnoisy.datasets import dataset as dataset_lib

_ENDLESS = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """A training set and how a run draws from it.

    Attributes:
        dataset: an `ImageDataset`.
        augmentation: its training view is used.
        batch_size: examples per batch and replica.
        seed: the run's seed.
    """

    dataset: dataset_lib.ImageDataset
    augmentation: standard.Augmentation
    batch_size: int
    seed: int

    def batches(self, first_batch=0, input_context=None):
        """Returns `training_batches` from this batch on."""
        return training_batches(
            self.dataset,
            self.augmentation,
            self.batch_size,
            self.seed,
            first_batch,
            input_context,
        )


def training_batches(
    dataset,
    augmentation,
    batch_size,
    seed,
    first_batch=0,
    input_context=None,
):
    """Returns an endless stream of shuffled, augmented training batches.

    The data set is shuffled anew in every epoch.  Batches are full and cross
    the borders of epochs, as the TF1 queues of the original code did.

    Args:
        dataset: an `ImageDataset`.
        augmentation: an `augment.standard.Augmentation`.
        batch_size: examples per batch and replica.
        seed: the run's seed.
        first_batch: how many batches of the stream (of all replicas together)
            have been used up.
        input_context: a `tf.distribute.InputContext`; batch k goes to replica
            k mod (number of replicas).

    Returns:
        A `tf.data.Dataset` of {images: float32 [B, H, W, C], labels: int32
        [B] (the given ones), ids: int64 [B]}.
    """
    rows = _epoch_rows(
        dataset, augmentation.num_draws, seed, first_batch * batch_size
    ).batch(batch_size, drop_remainder=True)
    if input_context is not None and input_context.num_input_pipelines > 1:
        rows = _batches_of_worker(rows, input_context)
    images, labels, ids = _on_host(dataset, dataset.given_labels)

    def load(row, draws):
        return {
            "images": augmentation.train(tf.gather(images, row), draws),
            "labels": tf.gather(labels, row),
            "ids": tf.gather(ids, row),
        }

    return rows.map(
        load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).prefetch(4)


def evaluation_batches(dataset, augmentation, batch_size, labels=None):
    """Returns the data set once, in order, in batches of one size.

    Args:
        dataset: an `ImageDataset`.
        augmentation: its `evaluate` view is used.
        batch_size: examples per batch; the last one is filled up with
            examples of weight 0.
        labels: int [N] to judge by; the given labels if None.

    Returns:
        A `tf.data.Dataset` of {images: float32 [B, H, W, C], labels: int32
        [B], ids: int64 [B], mask: float32 [B], 1 for real examples}.
    """
    labels = dataset.given_labels if labels is None else labels
    count = len(dataset)
    batches = -(-count // batch_size)
    images, labels, ids = _on_host(dataset, labels)

    def load(index):
        row = tf.cast(index, tf.int32) * batch_size + tf.range(batch_size)
        mask = tf.cast(row < count, tf.float32)
        row = tf.minimum(row, count - 1)
        return {
            "images": augmentation.evaluate(tf.gather(images, row)),
            "labels": tf.gather(labels, row),
            "ids": tf.gather(ids, row),
            "mask": mask,
        }

    return (
        tf.data.Dataset.range(batches)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(2)
    )


def _on_host(dataset, labels):
    """Returns images, labels and ids as tensors in the host's memory."""
    with tf.device("CPU:0"):
        return (
            tf.constant(dataset.images),
            tf.constant(labels, tf.int32),
            tf.constant(dataset.ids, tf.int64),
        )


def _epoch_rows(dataset, num_draws, seed, first_example):
    """Returns (row, draws [num_draws]) of every example, epoch after epoch."""
    ids = tf.constant(dataset.ids, tf.int64)
    num_ids = dataset.num_ids

    def epoch_of(epoch):
        keys = randomness.uniform_by_id(seed, "shuffle", num_ids, 1, epoch)
        order = tf.argsort(tf.gather(keys[:, 0], ids), stable=True)
        draws = randomness.uniform_by_id(
            seed, "augment", num_ids, num_draws, epoch
        )
        draws = tf.gather(draws, tf.gather(ids, order))
        return tf.data.Dataset.from_tensor_slices((order, draws))

    first_epoch, skipped = divmod(first_example, len(dataset))
    return (
        tf.data.Dataset.range(first_epoch, _ENDLESS)
        .flat_map(epoch_of)
        .skip(skipped)
    )


def _batches_of_worker(batches, context):
    """Keeps the batches of this worker's replicas, in their order."""
    workers = context.num_input_pipelines
    local = context.num_replicas_in_sync // workers

    def is_mine(index, _):
        return (index // local) % workers == context.input_pipeline_id

    return batches.enumerate().filter(is_mine).map(lambda _, batch: batch)
