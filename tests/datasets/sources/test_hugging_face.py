import builtins

import numpy as np
import pytest
from PIL import Image

import pictures
from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.datasets.sources import hugging_face


@pytest.fixture
def datasets():
    return pytest.importorskip("datasets")


def made(datasets, count=30, size=(12, 10), names=("cat", "dog")):
    """A data set whose k-th image is of class k mod 2."""
    images = [
        Image.fromarray(pictures.photograph(size[1], size[0], seed=k))
        for k in range(count)
    ]
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=list(names)),
        }
    )
    labels = [k % 2 for k in range(count)]
    return datasets.Dataset.from_dict(
        {"image": images, "label": labels}, features=features
    )


def read(folder, splits=("train",), **options):
    return load.load_splits(
        "huggingface", list(splits), data_dir=str(folder), **options
    )


def test_a_saved_data_set_is_read(datasets, tmp_path):
    parts = {"train": made(datasets), "test": made(datasets, 6)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    found = read(tmp_path / "saved", ["train[:20]", "test"])
    train = found["train[:20]"]
    assert train.images.shape == (20, 10, 12, 3)
    assert train.class_names == ("cat", "dog")
    assert train.given_labels.tolist() == [0, 1] * 10
    np.testing.assert_array_equal(
        train.images[3], pictures.photograph(10, 12, seed=3)
    )
    assert len(found["test"]) == 6 and train.digests.shape == (20, 32)


def test_parquet_files_are_read_by_their_split(datasets, tmp_path):
    (tmp_path / "data").mkdir()
    whole = made(datasets)
    for number in range(2):
        part = whole.select(range(15 * number, 15 * number + 15))
        part.to_parquet(tmp_path / f"data/train-0000{number}-of-00002.parquet")
    found = read(tmp_path, image_size=8)["train"]
    assert found.images.shape == (30, 8, 8, 3)
    assert found.given_labels.tolist() == [k % 2 for k in range(30)]


def test_a_test_part_is_held_out_by_contents(datasets, tmp_path):
    made(datasets, 60).save_to_disk(tmp_path / "saved")
    found = read(tmp_path / "saved", ["train", "test"], test_share=0.25)
    train, test = found["train"], found["test"]
    assert 5 <= len(test) <= 25 and len(train) + len(test) == 60
    assert not set(train.ids) & set(test.ids)
    assert any("held out" in note for note in train.notes)
    with pytest.raises(errors.UserError, match="no split test"):
        read(tmp_path / "saved", ["test"])


def test_labels_may_be_texts(datasets, tmp_path):
    images = [
        Image.fromarray(pictures.photograph(8, 8, seed=k)) for k in range(4)
    ]
    datasets.Dataset.from_dict(
        {"picture": images, "label": ["b", "a", "b", None]},
        features=datasets.Features(
            {"picture": datasets.Image(), "label": datasets.Value("string")}
        ),
    ).save_to_disk(tmp_path / "saved")
    with pytest.raises(errors.DataError, match="train, row 3: no label"):
        read(tmp_path / "saved")


def test_all_problems_are_in_one_list(datasets, tmp_path):
    features = datasets.Features(
        {
            "image": datasets.Image(decode=False),
            "label": datasets.ClassLabel(names=["a", "b"]),
        }
    )
    good, other = (
        pictures.file_of(Image.fromarray(pictures.photograph(*size)))
        for size in ((8, 8), (9, 9))
    )
    cells = [good, b"no image", other, good]
    part = datasets.Dataset.from_dict(
        {
            "image": [{"bytes": cell, "path": None} for cell in cells],
            "label": [0, 1, 0, None],
        },
        features=features,
    ).cast_column("image", datasets.Image())
    part.save_to_disk(tmp_path / "saved")
    with pytest.raises(errors.DataError) as told:
        read(tmp_path / "saved")
    text = str(told.value)
    assert "row 1" in text and "row 3" in text and "--image_size" in text


@pytest.mark.parametrize("name", ["text.txt", "train.parquet"])
def test_other_folders_are_refused_in_one_line(datasets, tmp_path, name):
    (tmp_path / name).write_text("hello")
    with pytest.raises(errors.UserError, match="--data_dir=") as told:
        read(tmp_path)
    assert len(str(told.value).splitlines()) == 1


def test_without_the_package_the_remedy_is_told(tmp_path, monkeypatch):
    imported = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "datasets":
            raise ImportError("No module named 'datasets'")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(errors.UserError, match=r"tfnoisy\[hf\]"):
        hugging_face.read_splits(["train"], str(tmp_path))


def test_it_needs_a_folder():
    with pytest.raises(errors.UserError, match="needs --data_dir"):
        hugging_face.read_splits(["train"])
