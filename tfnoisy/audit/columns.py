"""Arrays of an `LabelQuality`: one value for each example, checked."""

import numpy as np

from tfnoisy import errors


def integers(what, values, count=None, low=None, high=None):
    """Returns int64 values [N].

    Args:
        what: what a message calls them.
        values: what is to be checked.
        count: N; None for any number from 1 on.
        low: the least value allowed, or None.
        high: the largest value allowed, or None.

    Raises:
        UserError: if they are anything else.
    """
    values = np.asarray(values)
    if values.ndim != 1 or not values.size:
        raise errors.UserError(
            f"{what} of shape {list(values.shape)}: [N] is wanted"
        )
    if values.dtype.kind not in "iu":
        raise errors.UserError(f"{what} are {values.dtype}, not integers")
    _check_count(what, values, count)
    _check_range(what, values, low, high)
    return values.astype(np.int64)


def numbers(what, values, count, low=None, high=None):
    """Returns finite float64 values [N].

    Args:
        what: what a message calls them.
        values: what is to be checked.
        count: N.
        low: the least value allowed, or None.
        high: the largest value allowed, or None.

    Raises:
        UserError: if they are anything else.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1:
        raise errors.UserError(
            f"{what} of shape {list(values.shape)}: [N] is wanted"
        )
    _check_count(what, values, count)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise errors.UserError(
            f"{bad.size} of {count} {what} are not finite numbers, the first "
            f"in row {bad[0]}"
        )
    _check_range(what, values, low, high)
    return values


def _check_count(what, values, count):
    if count is not None and len(values) != count:
        raise errors.UserError(
            f"there are {len(values)} {what} for {count} ids"
        )


def _check_range(what, values, low, high):
    least, largest = values.min(), values.max()
    if (low is not None and least < low) or (
        high is not None and largest > high
    ):
        raise errors.UserError(
            f"{what} reach from {least} to {largest}; {low} to "
            f"{'any' if high is None else high} is the range"
        )
