import numpy as np
import tensorflow as tf

from tfnoisy.methods import given_labels


def one_hot(labels):
    return tf.one_hot(labels, 4)


def test_labels_are_known_by_id():
    known = given_labels.GivenLabels()
    assert known.known() is None
    known.keep_ids(8)
    assert known.known() is None
    known.record_labels({"ids": tf.constant([5, 2], tf.int64)}, one_hot([3, 1]))
    for _ in range(3):
        known.record_labels(
            {"ids": tf.constant([5, 0, 5], tf.int64)}, one_hot([3, 2, 3])
        )
    ids, labels = known.known()
    np.testing.assert_array_equal(ids, [0, 2, 5])
    np.testing.assert_array_equal(labels, [2, 1, 3])
    assert labels.dtype == np.int64


def test_of_probabilities_the_largest_counts():
    known = given_labels.GivenLabels()
    known.keep_ids(2)
    known.record_labels(
        {"ids": tf.constant([1], tf.int64)}, tf.constant([[0.2, 0.3, 0.5]])
    )
    np.testing.assert_array_equal(known.known(), [[1], [2]])
