import types

import pytest

from tfnoisy import errors
from tfnoisy.training import budget as run_budget


class Examples:
    """A data set of 100, of which only the size counts."""

    num_ids = 150

    def __len__(self):
        return 100


def describe(**values):
    defaults = {
        "batch_size": 20,
        "max_number_of_steps": 50,
        "num_epochs": 0.0,
        "most_steps": None,
        "eval_every": 0,
    }
    return types.SimpleNamespace(**{**defaults, **values})


@pytest.mark.parametrize(
    "values, num_steps",
    [
        ({}, 50),
        ({"num_epochs": 2.5}, 7),
        ({"most_steps": lambda count, batch: count // batch}, 2),
    ],
)
def test_the_number_of_steps(values, num_steps):
    budget = run_budget.of(describe(**values), Examples(), 2)
    assert budget == run_budget.Budget(num_steps, 100, 40, 150)


@pytest.mark.parametrize(
    "values, words",
    [
        ({"batch_size": 0}, "--batch_size=0 must be between 1 and the 100"),
        ({"batch_size": 101}, "--batch_size=101"),
        ({"max_number_of_steps": 0}, "^0 training steps: --max_number"),
        ({"max_number_of_steps": 10**30}, r"^1e\+30 training steps: .*1 to 21"),
        ({"num_epochs": 1e30}, r"^5e\+30 training steps"),
    ],
)
def test_what_cannot_be(values, words):
    with pytest.raises(errors.UserError, match=words) as caught:
        run_budget.of(describe(**values), Examples(), 1)
    assert len(str(caught.value)) < 150


def test_how_often_it_is_evaluated():
    budget = run_budget.Budget(1000, 100, 20, 150)
    assert run_budget.eval_every(describe(), budget) == 50
    assert run_budget.eval_every(describe(eval_every=7), budget) == 7
    # No more than once an epoch of five steps.
    short = run_budget.Budget(30, 100, 20, 150)
    assert run_budget.eval_every(describe(), short) == 5
    in_stages = describe(most_steps=lambda *_: 1000)
    assert run_budget.eval_every(in_stages, budget) == 0
