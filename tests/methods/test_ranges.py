import pytest

from tfnoisy import errors
from tfnoisy.methods import ranges


def test_what_is_in_its_range_passes():
    ranges.non_negative(a=0, b=7.5)
    ranges.shares(a=0, b=0.5, c=1)


@pytest.mark.parametrize("wrong", [-1e-9, float("inf"), float("nan"), 1e39])
def test_what_is_negative_or_not_finite_is_refused(wrong):
    with pytest.raises(errors.UserError, match=r"^--b=\S+: it is 0 or more"):
        ranges.non_negative(a=1, b=wrong)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_share_is_refused(wrong):
    with pytest.raises(errors.UserError, match=r"^--b=\S+: it is from 0 to 1"):
        ranges.shares(a=1, b=wrong)
