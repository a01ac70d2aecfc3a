import numpy as np
import pytest

from tfnoisy.audit import expected_f1


def test_flags_what_maximises_the_expected_f1():
    wrongness = np.random.default_rng(0).beta(0.3, 1, 200)
    flagged = expected_f1.flags(wrongness)
    order = np.argsort(-wrongness)
    values = [
        2 * wrongness[order[:m]].sum() / (m + wrongness.sum())
        for m in range(1, 201)
    ]
    assert flagged.sum() == np.argmax(values) + 1
    assert wrongness[flagged].min() > wrongness[~flagged].max()


@pytest.mark.parametrize("wrongness", [[], [0.0], [0.0] * 5])
def test_flags_nothing_where_nothing_is_wrong(wrongness):
    assert not expected_f1.flags(wrongness).any()


def test_equal_ones_are_taken_in_their_order():
    np.testing.assert_array_equal(
        expected_f1.flags([0.9, 0.0, 0.9, 1e-12]), [True, False, True, False]
    )


def test_flags_all_that_are_surely_wrong():
    assert expected_f1.flags(np.ones(7)).all()
