"""Which cases of a product `make test` runs; the rest is slow."""

import pytest

# Trusted images and a look ahead; two networks that are trained in epochs.  The
# others have theirs in `make test-slow`.
METHODS = ("l2r", "bkd")


def but(quick, cases, several=False):
    """Returns the cases as parameters, all but the quick ones marked `slow`.

    Args:
        quick: those that are not; each is one of the cases.
        cases: what a test or a fixture is parametrised with.
        several: whether each case is a tuple, of several arguments.
    """
    cases = list(cases)
    assert set(quick) <= set(cases), set(quick) - set(cases)
    return [
        case
        if case in quick
        else pytest.param(
            *(case if several else (case,)), marks=pytest.mark.slow
        )
        for case in cases
    ]
