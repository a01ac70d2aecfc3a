import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.datasets.sources import tfrecords


def test_digits():
    data = load.load("digits", "train[:10%]", image_size=12)
    assert data.images.shape == (144, 12, 12, 1)


def test_records_win_over_the_name(tmp_path):
    source = load.load("digits", "train[:30]")
    tfrecords.write(source, "train", tmp_path)
    data = load.load("digits", "train", data_dir=str(tmp_path))
    assert len(data) == 30 and not data.mirror
    np.testing.assert_array_equal(data.images, source.images)


def test_folder(tmp_path):
    for name in "ab":
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        Image.new("L", (4, 4)).save(folder / "1.png")
    data = load.load("folder", "train", data_dir=str(tmp_path))
    assert data.class_names == ("a", "b")


def test_folder_of_records(tmp_path):
    """What inject_noise writes of a folder is read under the same name."""
    (tmp_path / "in" / "train" / "a").mkdir(parents=True)
    Image.new("L", (4, 4)).save(tmp_path / "in/train/a/1.png")
    source = load.load("folder", "train", data_dir=str(tmp_path / "in"))
    tfrecords.write(source, "train", tmp_path)
    data = load.load("folder", "train", data_dir=str(tmp_path))
    assert data.paths is None and data.class_names == ("a",)


@pytest.mark.parametrize(
    "name, options, message",
    [
        ("digits", {"image_size": 0}, "--image_size is a number of pixels"),
        ("digits", {"labels_csv": "x.csv"}, "--labels_csv belongs to"),
        ("digits", {"data_dir": "no/such"}, "no/such is not a folder"),
        ("folder", {}, "needs --data_dir"),
    ],
)
def test_mistakes(name, options, message):
    with pytest.raises(errors.UserError, match=message):
        load.load(name, "train", **options)


@pytest.mark.parametrize("name", ["digits", "cifar10"])
def test_a_folder_without_records_is_no_silent_download(name, tmp_path):
    with pytest.raises(errors.UserError, match=f"no TFRecords {name}_train"):
        load.load(name, "train", data_dir=str(tmp_path))
