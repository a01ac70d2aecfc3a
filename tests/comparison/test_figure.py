import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.comparison import figure
from tfnoisy.comparison import outcomes as outcome_lib

BLUE = (31, 119, 180)


def summaries(*accuracies):
    """Methods 0, 1, ... with the accuracies of their seeds; None waits."""
    found = []
    for number, of_seeds in enumerate(accuracies):
        for seed, accuracy in enumerate(of_seeds or [None]):
            status = outcome_lib.FINISHED if accuracy else outcome_lib.WAITING
            found.append(
                outcome_lib.Outcome(
                    f"m{number}", seed, status, accuracy, trusted_images=0
                )
            )
    return outcome_lib.summarise(found)


def blue_of(path):
    """Where a picture is blue, a bool array of its pixels."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return (np.asarray(image.convert("RGB")) == BLUE).all(-1)


def extents(blue):
    """(first, last) column of each band of rows that has blue."""
    rows = blue.any(1)
    starts = np.flatnonzero(rows & ~np.r_[False, rows[:-1]])
    ends = np.flatnonzero(rows & ~np.r_[rows[1:], False])
    bands = [blue[a : b + 1].any(0) for a, b in zip(starts, ends)]
    return [tuple(np.flatnonzero(band)[[0, -1]]) for band in bands]


def test_a_bar_is_one_deviation_to_either_side(tmp_path):
    path = tmp_path / "new" / "comparison.png"
    # Deviations 0.1 and 0.2, means 0.5 and 0.8; circles at the ends, too.
    figure.plot(summaries([0.4, 0.6, 0.5], [0.6, 1.0, 0.8]), path)
    first, second = extents(blue_of(path))
    assert second[1] - second[0] == pytest.approx(
        2 * (first[1] - first[0]), rel=0.03
    )
    pixels = (first[1] - first[0]) / 0.2
    assert sum(second) / 2 - sum(first) / 2 == pytest.approx(
        0.3 * pixels, rel=0.03
    )


def test_one_seed_has_a_dot_and_no_bar(tmp_path):
    path = tmp_path / "a.png"
    figure.plot(summaries([0.5], [0.4, 0.6]), path)
    dot, bar = extents(blue_of(path))
    assert dot[1] - dot[0] < 12 < 100 < bar[1] - bar[0]


def test_a_method_without_numbers_keeps_its_row(tmp_path):
    heights = []
    for index, found in enumerate([([0.5, 0.6],), ([0.5, 0.6], None)]):
        path = tmp_path / f"{index}.png"
        figure.plot(summaries(*found), path, "digits")
        blue = blue_of(path)
        assert len(extents(blue)) == 1
        heights.append(len(blue))
    assert heights[1] > heights[0]


def test_nothing_is_finished_yet(tmp_path):
    figure.plot(summaries(None, None), tmp_path / "a.png")
    assert not blue_of(tmp_path / "a.png").any()


def test_without_methods_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(errors.UserError, match="no method"):
        figure.plot([], tmp_path / "a.png")
