import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.mentor import network as mentor_network
from tfnoisy.mentor import plot as mentor_plot


def test_weight_map():
    diffs, losses, v = mentor_plot.weight_map(
        mentor_network.analytic_pd, 90, 15
    )
    assert v.shape == (len(losses), len(diffs))
    assert losses[0] == 0 and losses[-1] == 15
    np.testing.assert_allclose(diffs[[0, -1]], [-15, 15])
    np.testing.assert_allclose(diffs, -diffs[::-1], atol=1e-9)
    assert np.all(np.diff(diffs) > 0)
    # |d| <= 1 takes more than a quarter of the width, not a fifteenth.
    assert np.mean(np.abs(diffs) <= 1) == pytest.approx(
        1 / (1 + np.log(15)), abs=0.01
    )
    expected = np.clip(1 - diffs, 0, 1)
    np.testing.assert_allclose(
        v, np.tile(expected, (len(losses), 1)), atol=1e-6
    )


def test_pictures(tmp_path):
    png, gif = mentor_plot.plot(
        mentor_network.default(), [10, 79, 80], tmp_path / "new"
    )
    with Image.open(png) as image:
        width, height = image.size
        assert width > 2 * height
        # The map's two ends, v = 0 and v = 1, are both there.
        colours = {colour for _, colour in image.getcolors(2**20)}
        assert {(68, 1, 84), (253, 231, 37)} <= colours
    with Image.open(gif) as image:
        assert image.n_frames == 3
        frames = []
        for frame in range(3):
            image.seek(frame)
            assert image.info["duration"] == 500
            frames.append(np.asarray(image.convert("RGB")).astype(int))
        assert np.abs(frames[1] - frames[2]).max() > 100


@pytest.mark.parametrize("epochs", [[], [-1], [50, 100]])
def test_epochs_out_of_range(tmp_path, epochs):
    with pytest.raises(errors.UserError, match="percentages from 0 to 99"):
        mentor_plot.plot(mentor_network.analytic_pd, epochs, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("bound", [0, -1, float("nan"), float("inf")])
def test_bound_out_of_range(tmp_path, bound):
    with pytest.raises(errors.UserError, match="loss_bound"):
        mentor_plot.plot(
            mentor_network.analytic_pd, [1], tmp_path / "new", bound
        )
