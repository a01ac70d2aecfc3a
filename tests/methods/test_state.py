"""What methods keep of all the data, and how workers agree on it."""

import keras
import numpy as np
import pytest

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import base


def test_a_state_is_filled_and_saved_with_the_method():
    method = tiny_methods.compiled("baseline")
    counts = method.add_state("counts", 3, (2,))
    shares = method.add_state(
        "shares", 0.5, dtype="float32", aggregation="mean"
    )
    np.testing.assert_array_equal(base.value_of(counts), [3, 3])
    assert base.value_of(counts).dtype == np.int64
    assert float(base.value_of(shares)) == 0.5
    assert (counts.aggregation, shares.aggregation) == (
        "only_first_replica",
        "mean",
    )
    for variable in (counts, shares):
        assert isinstance(variable, keras.Variable) and not variable.trainable
        assert any(variable is v for v in method.variables)


def test_finite_values_are_agreed_on():
    method = tiny_methods.compiled("baseline")
    found = np.array([[0.5, -1.0]])
    np.testing.assert_array_equal(method.agreed(found, "losses"), found)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_end_the_run(bad):
    method = tiny_methods.compiled("baseline")
    with pytest.raises(errors.TrainingError) as raised:
        method.agreed(np.array([0.5, bad]), "losses", "--lr")
    assert str(raised.value) == (
        "losses are not finite at step 0; a smaller --lr, with --overwrite, "
        "usually helps"
    )
