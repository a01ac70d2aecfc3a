import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.comparison import curves

BLUE, ORANGE = (31, 119, 180), (255, 127, 14)


def rows(*accuracies):
    return [
        {"step": 10 * k, "test_accuracy": a, "train_accuracy": 1 - a}
        for k, a in enumerate(accuracies)
    ]


def heights_of(path, colour):
    """Where a colour is in the left and in the right half: mean rows."""
    with Image.open(path) as image:
        same = (np.asarray(image.convert("RGB")) == colour).all(-1)
    middle = same.shape[1] // 2
    # Without the legend, which is in the lower part of the left half.
    upper = same[: int(0.6 * same.shape[0])]
    return [
        np.flatnonzero(half.any(1)).mean() if half.any() else None
        for half in (upper[:, :middle], upper[:, middle:])
    ]


def test_a_line_for_each_run_in_both_panels(tmp_path):
    path = tmp_path / "new/curves.png"
    curves.plot({"a": rows(0.9, 0.9), "b": rows(0.6, 0.6)}, path)
    high, given_low = heights_of(path, BLUE)
    lower, given_higher = heights_of(path, ORANGE)
    assert high < lower
    # Its accuracy on the given labels is 0.1: below the part looked at.
    assert given_low is None
    assert given_higher is not None or lower > high


def test_a_run_without_evaluations_is_named(tmp_path):
    with pytest.raises(errors.UserError, match="b has no evaluation"):
        curves.plot({"a": rows(0.5), "b": []}, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
