import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.methods.fitting import checks


@pytest.mark.parametrize(
    "labels",
    [
        [0, 2, 1],
        np.array([0, 2, 1], "uint8"),
        np.array([[0], [2], [1]]),
        np.array([0.0, 2.0, 1.0]),
    ],
)
def test_integer_labels_in_their_forms(labels):
    found, problems = checks.labels(labels, 3)
    assert not problems
    assert found.dtype == np.int64
    assert found.tolist() == [0, 2, 1]


def test_rows_of_probabilities_stay_rows():
    rows = [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    found, problems = checks.labels(rows, 3)
    assert not problems
    np.testing.assert_array_equal(found, np.float32(rows))


@pytest.mark.parametrize(
    "labels, words",
    [
        ([0, -1, 3, 7], "3 of 4 labels are outside 0...2: labels[1] = -1"),
        ([0.5, 1.0], "1 of 2 labels are no integers: labels[0] = 0.5"),
        (["a", "b"], "integers from 0 to 2"),
        ([[0.5, 0.2, 0.1], [1, 0, 0]], "1 of 2 rows of labels are no prob"),
        ([[1.5, -0.5, 0.0]], "1 of 1 rows of labels are no prob"),
        ([[np.nan, 0.0, 1.0]], "1 of 1 rows of labels are no prob"),
        (np.zeros([2, 2], int), "labels of shape (2, 2) for 3 classes"),
        (np.zeros([2, 3, 3], int), "labels of shape (2, 3, 3)"),
    ],
)
def test_labels_that_are_none_are_named(labels, words):
    [problem] = checks.labels(labels, 3)[1]
    assert words in problem


def test_a_line_names_five_rows_and_counts_the_others():
    [problem] = checks.labels(np.full(12, 9), 3)[1]
    assert problem.count("labels[") == 5
    assert problem.endswith("and 7 more")


def test_images_that_are_not_finite_are_named():
    images = np.zeros([4, 2, 2, 1], np.float32)
    assert not checks.images(images)
    images[1, 0, 0], images[3, 1, 1] = np.nan, -np.inf
    [problem] = checks.images(images)
    assert "2 of 4 images" in problem
    assert "images[1], images[3]" in problem
    assert not checks.images(np.zeros([4, 2, 2, 1], np.uint8))
    assert "numbers are wanted" in checks.images(np.array([["a"]]))[0]


def test_shapes():
    images = np.zeros([5, 3, 8, 9])
    assert not checks.shape(images, (3, 8, 9))
    assert not checks.shape(images, (None, None, 9))
    assert checks.shape(images, (3, 8))
    [problem] = checks.shape(images, (8, 9, 3))
    assert "channels first" in problem


def test_weights_of_examples():
    found, problems = checks.weights([[0.5], [2]], 2)
    assert not problems
    assert found.tolist() == [0.5, 2.0]
    for bad in ([1.0], [[1, 2], [3, 4]], [1.0, -1.0], [1.0, np.inf]):
        assert checks.weights(bad, 2)[1]


def test_weights_by_class():
    labels = np.array([2, 0, 1, 2])
    weights = checks.of_classes({0: 3.0, 2: 0.5}, labels, 3)
    assert weights.tolist() == [0.5, 3.0, 1.0, 0.5]
    rows = np.eye(3, dtype=np.float32)[labels]
    np.testing.assert_array_equal(
        checks.of_classes({0: 3.0, 2: 0.5}, rows, 3), weights
    )
    with pytest.raises(errors.ArgumentError, match="there are 0 to 2"):
        checks.of_classes({3: 1.0}, labels, 3)


def test_problems_are_raised_together_as_keras_raises():
    checks.refuse([])
    with pytest.raises(ValueError, match="one\ntwo") as caught:
        checks.refuse(["one", "two"])
    assert isinstance(caught.value, errors.UserError)
