import functools

import numpy as np
import pytest
from PIL import Image

from tfnoisy.datasets import load


@pytest.fixture
def script(run_script):
    return functools.partial(run_script, "preview_augmentation.py")


def test_digits(tmp_path, script):
    path = tmp_path / "sheets/views.png"
    result = script(
        "--dataset_name=digits",
        "--num_images=3",
        "--views=2",
        "--standard=standard",
        "--standard=mentornet",
        "--strong=autoaugment_svhn",
        f"--output={path}",
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"3 images in {path}\n"
    sheet = np.asarray(Image.open(path))
    # Tiles of 96 pixels, 4 between them: 1 + 2 + 2 + 2 columns of 3 rows.
    assert sheet.shape == (14 + 4 + 3 * 100, 4 + 7 * 100, 3)
    digit = load.load("digits", "train").images[0, ..., 0]
    tile = sheet[18 : 18 + 96, 4 : 4 + 96, 0]
    np.testing.assert_array_equal(tile[6::12, 6::12], digit)
    tiles = [sheet[18:114, 4 + 100 * k : 100 + 100 * k] for k in range(7)]
    # A crop may end where it began; a strong view always has its cutout.
    assert np.any(tiles[1] != tiles[0]) or np.any(tiles[2] != tiles[0])
    for strong in tiles[5:]:
        assert np.sum(np.all(strong == 128, axis=-1)) >= 2 * 2 * 12 * 12


def test_mistakes(tmp_path, script):
    path = tmp_path / "views.png"
    for flags, message in (
        (["--strong=autoaugmnt"], "no strong augmentation 'autoaugmnt'"),
        (
            ["--num_images=0"],
            "--num_images=0: 0 is not an integer in",
        ),
    ):
        result = script("--dataset_name=digits", f"--output={path}", *flags)
        assert result.returncode == 2 and not path.exists()
        assert len(result.stderr.splitlines()) == 1
        assert message in result.stderr
