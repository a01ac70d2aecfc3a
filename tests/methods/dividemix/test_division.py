import numpy as np
import pytest

from tfnoisy.methods.dividemix import division


def test_labelled_is_strictly_above_the_threshold():
    w = np.float32([0.5, 0.9, 0.2, -1, 0.6, 0.0])
    labelled, unlabelled = division.co_divide(w, 0.5, 2)
    np.testing.assert_array_equal(labelled, [1, 4])
    np.testing.assert_array_equal(unlabelled, [0, 2, 5])
    fewer, _ = division.co_divide(w, 0.6, 2)
    assert set(fewer) <= set(labelled)


def test_the_likeliest_are_labelled_where_none_is_above():
    w = np.float32([0.1, 0.3, -1, 0.3, 0.4, 0.3])
    labelled, unlabelled = division.co_divide(w, 0.5, 3)
    np.testing.assert_array_equal(labelled, [1, 3, 4])
    np.testing.assert_array_equal(unlabelled, [0, 5])
    labelled, unlabelled = division.co_divide(w, 0.5, 100)
    np.testing.assert_array_equal(labelled, [0, 1, 3, 4, 5])
    assert len(unlabelled) == 0


@pytest.mark.parametrize("num_rows", [1, 7, 20, 50, 200])
def test_balanced_rows_are_the_originals(num_rows):
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 100, p=[0.6, 0.25, 0.1, 0.05])
    order = rng.permutation(100)
    taken, counts = [], np.zeros(4)
    for row in order:
        if counts[labels[row]] < num_rows / 4 and len(taken) < num_rows:
            taken.append(row)
            counts[labels[row]] += 1
    found = division.class_balanced_rows(labels, num_rows, 4, order)
    np.testing.assert_array_equal(found, sorted(taken))
