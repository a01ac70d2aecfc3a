import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.augment import preview
from tfnoisy.datasets import load


def digits(count=2):
    return load.load("digits", "train").take(np.arange(count))


def test_write(tmp_path):
    path = tmp_path / "new/sheet.PNG"
    data = digits()
    preview.write(path, data, ["none"], ["randaugment:2:9"], views=2, tile=16)
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (14 + 4 + 2 * 20, 4 + 5 * 20, 3)
    for column in range(3):  # The original and two views that change nothing.
        left = 4 + 20 * column
        tile = sheet[38 : 38 + 16 : 2, left : left + 16 : 2, 0]
        np.testing.assert_array_equal(tile, data.images[1, ..., 0])
    again = tmp_path / "again.png"
    preview.write(again, data, ["none"], ["randaugment:2:9"], views=2, tile=16)
    np.testing.assert_array_equal(np.asarray(Image.open(again)), sheet)
    preview.write(again, data, ["none"], ["randaugment:2:9"], 2, 1, tile=16)
    assert np.any(np.asarray(Image.open(again)) != sheet)


def test_to_bytes():
    views = np.float32([-1, -0.5, 0, 1]).reshape(1, 2, 2, 1)
    assert preview.to_bytes(views).ravel().tolist() == [0, 64, 128, 255]
    standardised = np.float32([-3, 0, 1, 2]).reshape(1, 2, 2, 1)
    assert preview.to_bytes(standardised).ravel().tolist() == [0, 153, 204, 255]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"path": "sheet.txt"}, "sheet.txt is no name of a PNG file"),
        ({"views": 0}, "--views starts at 1, not 0"),
        ({"standard_names": ["strong"]}, "no augmentation 'strong'"),
        ({"strong_names": ["standard"]}, "no strong augmentation 'standard'"),
    ],
)
def test_mistakes(tmp_path, changes, message):
    arguments = {
        "path": "folder/sheet.png",
        "standard_names": [],
        "strong_names": [],
        **changes,
    }
    arguments["path"] = tmp_path / arguments["path"]
    with pytest.raises(errors.UserError, match=message):
        preview.write(dataset=digits(), **arguments)
    assert not list(tmp_path.iterdir())
