import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.methods.bkd import plot as tipping_plot

CURVE = [0.3, 0.45, 0.55, 0.6, 0.58, 0.55, 0.6, 0.66, 0.7]
BLUE, RED = (31, 119, 180), (214, 39, 40)


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def columns_of(picture, colour):
    """The columns in which a colour shows."""
    return np.flatnonzero((picture == colour).all(-1).any(0))


def test_the_tipping_point_is_marked(tmp_path):
    path = tipping_plot.plot(CURVE, tmp_path / "new" / "tipping.png", 3)
    picture = pixels(path)
    assert picture.shape == (396, 704, 3)
    curve, mark = columns_of(picture, BLUE), columns_of(picture, RED)
    # The line over epoch 3 of 0 to 8, within the curve's width; the legend
    # too has the mark.
    epoch_3 = curve[0] + (curve[-1] - curve[0]) * 3 / 8
    assert np.abs(mark - epoch_3).min() <= 3
    assert np.abs(mark - epoch_3).max() < (curve[-1] - curve[0]) / 2


def test_an_early_peak_has_a_panel_of_its_own(tmp_path):
    path = tipping_plot.plot(CURVE + 40 * [0.7], tmp_path / "a.png", 3)
    picture = pixels(path)
    assert picture.shape == (396, 1408, 3)
    for half in (picture[:, :704], picture[:, 704:]):
        assert len(columns_of(half, RED))


def test_phase_2_is_shaded_if_it_was_reached(tmp_path):
    shaded = pixels(tipping_plot.plot(CURVE, tmp_path / "a.png", 3))
    unshaded = pixels(tipping_plot.plot(CURVE[:6], tmp_path / "b.png", 3))
    orange = np.array([255, 239, 225])
    near = [
        (np.abs(picture - orange).max(-1) <= 3).mean()
        for picture in (shaded, unshaded)
    ]
    assert near[0] > 0.1 and near[1] < 0.01


def test_without_a_tipping_point(tmp_path):
    plain = pixels(tipping_plot.plot(CURVE, tmp_path / "a.png"))
    assert not len(columns_of(plain, RED))
    judged = pixels(
        tipping_plot.plot(CURVE, tmp_path / "b.png", judged_epoch=8)
    )
    assert len(columns_of(judged, RED))


def test_one_epoch_is_a_curve_too(tmp_path):
    path = tipping_plot.plot([0.4], tmp_path / "a.png", judged_epoch=0)
    assert len(columns_of(pixels(path), RED))


@pytest.mark.parametrize(
    "confidences, marks, message",
    [
        ([], {}, "no epoch has ended"),
        (CURVE, {"tipping_epoch": 9}, "epochs 0 to 8"),
        (CURVE, {"judged_epoch": -1}, "judged_epoch is -1"),
    ],
)
def test_what_cannot_be_drawn(tmp_path, confidences, marks, message):
    with pytest.raises(errors.UserError, match=message):
        tipping_plot.plot(confidences, tmp_path / "new" / "a.png", **marks)
    assert not (tmp_path / "new").exists()
