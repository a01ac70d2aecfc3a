import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import columns


def test_integers():
    found = columns.integers("labels", np.uint8([0, 3]), 2, 0, 3)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, [0, 3])


@pytest.mark.parametrize(
    "values, message",
    [
        ([[1, 2]], r"labels of shape \[1, 2\]: \[N\] is wanted"),
        ([], r"labels of shape \[0\]"),
        ([0.0, 1.0], "labels are float64, not integers"),
        (["a", "b"], "not integers"),
        ([1, 2, 3], "there are 3 labels for 2 ids"),
        ([-1, 2], "labels reach from -1 to 2; 0 to 3 is the range"),
        ([0, 4], "labels reach from 0 to 4"),
    ],
)
def test_no_integers(values, message):
    with pytest.raises(errors.UserError, match=message):
        columns.integers("labels", values, 2, 0, 3)


def test_numbers():
    found = columns.numbers("scores", np.float32([0, 1]), 2, 0, 1)
    assert found.dtype == np.float64
    assert columns.numbers("losses", [-3, 900], 2).tolist() == [-3, 900]


@pytest.mark.parametrize(
    "values, message",
    [
        ([[0.5], [0.5]], "scores of shape"),
        ([0.5], "there are 1 scores for 2 ids"),
        ([0.5, np.nan], "1 of 2 scores are not finite numbers, the first in"),
        ([np.inf, 0.1], "row 0"),
        ([0.5, 1.5], "scores reach from 0.5 to 1.5; 0 to 1 is the range"),
    ],
)
def test_no_numbers(values, message):
    with pytest.raises(errors.UserError, match=message):
        columns.numbers("scores", values, 2, 0, 1)
