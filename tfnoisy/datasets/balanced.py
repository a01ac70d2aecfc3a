"""Batches with as many examples of each class, of a part of the data."""

import numpy as np
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.datasets import drawing, pipeline
from tfnoisy.datasets.images import streamed

_ENDLESS = np.iinfo(np.int64).max


def batches(data, rows, batch_size, counter, first_batch=0, input_context=None):
    """Returns an endless stream of batches with equal numbers of each class.

    Within a batch no example comes twice, unless its class has fewer than a
    batch wants.  Each example has one training view, the same in all batches.

    Args:
        data: a `pipeline.TrainingData`.
        rows: int [M], of its data set; at least one of each class.
        batch_size: a multiple of the number of classes.
        counter: an integer that keys the draws and the views, such as the
            epoch.
        first_batch: how many batches, of all replicas, have been used up.
        input_context: a `tf.distribute.InputContext`, as for
            `pipeline.training_batches`.

    Returns:
        A `tf.data.Dataset` of {images: float32 [batch_size, H, W, C], labels:
        int32 [batch_size]}, class after class.
    """
    dataset, augmentation = data.dataset, data.augmentation
    each = batch_size // dataset.num_classes
    table, known = by_class(
        np.asarray(rows), dataset.given_labels, dataset.num_classes, each
    )
    read = streamed.reader(dataset.images)
    with tf.device("CPU:0"):
        table, known = tf.constant(table, tf.int32), tf.constant(known)
        labels = tf.constant(dataset.given_labels, tf.int32)
        draws = drawing.ExampleRandomness.of(dataset, data.seed).draws(
            tf.range(len(dataset)),
            "augment_probe",
            drawing.Columns.of(augmentation),
            counter,
        )

    def load(number):
        seed = randomness.stream_seed(data.seed, "buffer", counter, number)
        keys = randomness.uniform(seed, tf.shape(table))
        order = tf.argsort(tf.where(known, keys, 2.0), axis=1)[:, :each]
        row = tf.reshape(tf.gather(table, order, batch_dims=1), [batch_size])
        return {
            "images": augmentation.train(read(row), tf.gather(draws, row)),
            "labels": tf.gather(labels, row),
        }

    numbers = tf.data.Dataset.range(first_batch, _ENDLESS)
    return pipeline.mapped(pipeline.of_worker(numbers, input_context), load)


def by_class(rows, labels, num_classes, least):
    """Returns the rows of each class, as a table.

    Args:
        rows: int [M].
        labels: int [N], by row.
        num_classes: C.
        least: of each class so many places are filled at least: with rows that
            come again where there are fewer.

    Returns:
        (int [C, K], bool [C, K]): rows, and which places are filled.
    """
    groups = [rows[labels[rows] == c] for c in range(num_classes)]
    groups = [np.resize(g, max(len(g), least)) if len(g) else g for g in groups]
    width = max(map(len, groups))
    table = np.zeros([num_classes, width], np.int64)
    known = np.zeros([num_classes, width], bool)
    for c, group in enumerate(groups):
        table[c, : len(group)], known[c, : len(group)] = group, True
    return table, known
