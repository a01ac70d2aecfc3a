"""What ProMix chooses, against numbers of the authors' code."""

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.methods.promix import selection

LOSSES = np.array([0.1, 0.9, 0.3, 0.2, 0.5, 0.8, 0.05, 0.4, 0.6, 0.7])
LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1, 2])


@pytest.mark.parametrize(
    "rho, expected",
    [(0.2, "1000001001"), (0.5, "1001001101"), (0.7, "1011001111")],
)
def test_the_smallest_losses_of_each_class(rho, expected):
    found = selection.small_losses(LOSSES, LABELS, 3, rho)
    assert "".join(map(str, found.astype(int))) == expected


def test_the_choice_follows_the_ids_not_the_rows():
    rng = np.random.default_rng(1)
    losses, labels = rng.integers(0, 3, 40) / 2.0, rng.integers(0, 4, 40)
    order = rng.permutation(40)
    whole = selection.small_losses(losses, labels, 5, 0.4, np.arange(40))
    again = selection.small_losses(losses[order], labels[order], 5, 0.4, order)
    np.testing.assert_array_equal(again, whole[order])


def test_all_of_balanced_classes():
    labels = np.arange(20) % 4
    assert selection.small_losses(np.arange(20.0), labels, 4, 1.0).all()


@pytest.mark.parametrize(
    "threshold, expected", [(0.9, "1111110010"), (0.5, "1111100000")]
)
def test_label_guessing_by_agreement(threshold, expected):
    scores = [
        tf.constant([0.99, 0.5, 0.95, 0.97, 0.99, 0.92, 0.91, 0.99, 0.96, 0.5]),
        tf.constant(
            [0.99, 0.5, 0.95, 0.99, 0.91, 0.96, 0.95, 0.80, 0.92, 0.99]
        ),
    ]
    found = selection.expanded(
        tf.range(10) < 2, scores, tf.range(10) != 6, 0.9, threshold
    )
    assert "".join(map(str, found.numpy().astype(int))) == expected


def test_where_enough_is_chosen_nothing_is_guessed():
    high = tf.fill([10], 0.99)
    chosen = tf.range(10) < 9
    found = selection.expanded(
        chosen, [high, high], tf.fill([10], True), 0.9, 0.9
    )
    np.testing.assert_array_equal(found, chosen)
