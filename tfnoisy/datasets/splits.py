"""TFDS's slicing syntax, `train[:20%]`, for every source of images."""

import re

from tfnoisy import errors

_BOUND = r"\s*(-?\d[\d_]*(?:\.\d+%|%)?)?\s*"
_SPLIT = re.compile(rf"([\w-]+)(?:\[{_BOUND}:{_BOUND}\])?")


def base(split):
    """Returns the split's name without its slice: `train` for `train[:20%]`.

    Raises:
        UserError: if `split` is not of the form `name` or `name[from:to]`.
    """
    return _parsed(split)[1]


def bounds(split, count):
    """Returns the first row of a slice and the row after its last.

    Percentages are rounded to the nearest row, as TFDS rounds them; negative
    bounds count from the end.

    Args:
        split: `name` or `name[from:to]`; the bounds are percentages (`20%`)
            or numbers of examples, and either may be left out.
        count: how many examples the whole split has.

    Returns:
        (start, stop) with 0 <= start < stop <= count.

    Raises:
        UserError: if the slice reaches beyond the split or is empty.
    """
    parsed = _parsed(split)
    start = _row(parsed[2], count, default=0)
    stop = _row(parsed[3], count, default=count)
    if not (0 <= start <= count and 0 <= stop <= count):
        raise errors.UserError(
            f"split {split} reaches beyond the {count} examples of {parsed[1]}"
        )
    if start >= stop:
        raise errors.UserError(
            f"split {split} is empty: {parsed[1]} has {count} examples, and "
            f"rows {start} to {stop} are asked for"
        )
    return start, stop


def _parsed(split):
    match = _SPLIT.fullmatch(split.strip())
    if match is None:
        raise errors.UserError(
            f"split {split!r} is not understood; write train, train[:20%] or "
            "train[1000:2000]"
        )
    return match


def _row(bound, count, default):
    if bound is None:
        return default
    if bound.endswith("%"):
        row = round(count * float(bound[:-1].replace("_", "")) / 100)
    else:
        row = int(bound)
    return row + count if bound.startswith("-") else row
