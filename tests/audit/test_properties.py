"""What holds for flags and estimates, whatever the numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from tfnoisy.audit import expected_f1

_WRONGNESS = arrays_of.arrays(
    np.float64, st.integers(0, 60), elements=st.floats(0, 1)
)


def expected(wrongness, flagged):
    count, total = flagged.sum(), wrongness.sum()
    return 2 * wrongness[flagged].sum() / (count + total)


@settings(max_examples=200, deadline=None)
@given(_WRONGNESS)
def test_no_other_cut_is_expected_to_be_better(wrongness):
    flagged = expected_f1.flags(wrongness)
    assert flagged.shape == wrongness.shape
    if not wrongness.any():
        assert not flagged.any()
        return
    assert flagged.any()
    # The flagged are the wrongest.
    assert wrongness[flagged].min() >= wrongness[~flagged].max(initial=0)
    best = expected(wrongness, flagged)
    for cut in np.unique(wrongness):
        assert expected(wrongness, wrongness >= cut) <= best + 1e-12
