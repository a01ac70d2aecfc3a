import dataclasses

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit.features import own_file
from tfnoisy.datasets import dataset as dataset_lib

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture
def data():
    return dataset_lib.ImageDataset(
        name="pets",
        images=np.zeros([4, 2, 2, 3], np.uint8),
        given_labels=np.array([0, 1, 0, 1]),
        clean_labels=None,
        ids=np.array([3, 5, 6, 9]),
        class_names=("cat", "dog"),
        paths=(
            "/data/train/cat/1.png",
            "/data/train/dog/1.png",
            "/data/train/cat/2.png",
            "/data/train/dog/2.png",
        ),
    )


def save(tmp_path, **arrays):
    path = tmp_path / "features.npz"
    np.savez(path, **arrays)
    return path


def test_rows_in_the_order_of_the_ids(tmp_path, data):
    np.save(tmp_path / "f.npy", VALUES)
    np.testing.assert_array_equal(
        own_file.read(tmp_path / "f.npy", data), VALUES
    )
    path = save(tmp_path, features=VALUES)
    np.testing.assert_array_equal(own_file.read(path, data), VALUES)


def test_rows_by_id_in_any_order_and_more(tmp_path, data):
    path = save(
        tmp_path,
        features=np.vstack([VALUES, [[7, 7, 7]]]),
        ids=[9, 3, 6, 5, 100],
    )
    np.testing.assert_array_equal(
        own_file.read(path, data), VALUES[[1, 3, 2, 0]]
    )


@pytest.mark.parametrize("start", ["/data/train/", "train/", ""])
def test_rows_by_path_from_any_folder_on(tmp_path, data, start):
    names = ["dog/2.png", "dog/1.png", "cat/2.png", "cat/1.png"]
    path = save(
        tmp_path, features=VALUES, paths=[start + name for name in names]
    )
    np.testing.assert_array_equal(
        own_file.read(path, data), VALUES[[3, 1, 2, 0]]
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": VALUES[:3]}, "3 rows for 4 images"),
        ({"features": VALUES, "ids": [3, 5, 6]}, r"ids of shape \[3\]"),
        ({"features": VALUES, "ids": [3, 5, 6, 7]}, "missing, e.g. 9"),
        ({"features": VALUES, "ids": [3, 5, 6, 6]}, "more than once"),
        ({"features": VALUES, "ids": [3.0, 5, 6, 9]}, "float64, not integers"),
        ({"features": VALUES, "paths": ["a", "b", "c", "d"]}, "cat/1.png"),
        ({"features": VALUES, "paths": ["a", "b", "c", "a"]}, "more than once"),
        ({"features": VALUES[:2], "paths": ["1.png", "2.png"]}, "more than on"),
        ({"features": VALUES.ravel()}, r"shape \[12\]"),
        ({"features": np.full([4, 2], np.nan)}, "not finite"),
        ({"features": VALUES.astype(str)}, "real numbers"),
        ({"vectors": VALUES}, "it holds vectors"),
    ],
)
def test_one_line_for_what_does_not_fit(tmp_path, data, arrays, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        own_file.read(save(tmp_path, **arrays), data)
    assert "features.npz" in str(caught.value)


@pytest.mark.parametrize("name", ["f.npy", "f.npz", "f.txt", "none.npy"])
def test_one_line_for_a_file_that_cannot_be_read(tmp_path, data, name):
    if name[0] == "f":
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(errors.UserError, match=name):
        own_file.read(tmp_path / name, data)


def test_pickles_are_never_loaded(tmp_path, data):
    np.save(tmp_path / "f.npy", np.array([{}] * 4), allow_pickle=True)
    with pytest.raises(errors.UserError, match="cannot be read"):
        own_file.read(tmp_path / "f.npy", data)


def test_paths_need_images_that_have_some(tmp_path, data):
    path = save(tmp_path, features=VALUES, paths=list("abcd"))
    without = dataclasses.replace(data, paths=None)
    with pytest.raises(errors.UserError, match="pets have none"):
        own_file.read(path, without)
