import json

import numpy as np
import pytest

import little_folder
from tfnoisy import errors
from tfnoisy.datasets import inspection


@pytest.fixture
def images(tmp_path):
    little_folder.write(tmp_path)
    return tmp_path


def test_what_is_there_is_counted(images):
    found = inspection.inspect("folder", data_dir=str(images), test_share=0.0)
    assert found.counts == {"train": {"bright": 6, "dark": 6}}
    assert found.kinds == {"PNG": 12} and found.sizes == {(8, 8): 12}
    text = "\n".join(found.describe())
    assert "12 images that can be used, 2 classes" in text
    assert "no problems found" in text


def test_a_test_part_is_held_out_as_the_trainers_do(images):
    found = inspection.inspect("folder", data_dir=str(images), test_share=0.5)
    assert set(found.counts) == {"train", "test"} and found.num_images == 12


def test_all_that_is_wrong_is_listed(images):
    (images / "dark/empty.png").touch()
    (images / "dark/notes.txt").write_text("hello")
    (images / "dark/again.png").write_bytes(
        (images / "bright/0.png").read_bytes()
    )
    found = inspection.inspect("folder", data_dir=str(images), test_share=0.0)
    assert found.counts["train"] == {"bright": 6, "dark": 7}
    (fault,) = found.faults
    assert "dark/empty.png" in fault and "empty file" in fault
    (twice,) = found.repeated
    assert "the same image with different labels" in twice
    text = "\n".join(found.describe())
    assert "1 .txt" in text and "images that cannot be used: 1" in text
    assert json.loads(json.dumps(found.to_json()))["faults"] == [fault]


def test_a_set_without_a_single_good_image_is_described(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_text("no image")
    found = inspection.inspect("folder", data_dir=str(tmp_path))
    assert len(found.faults) == 2 and found.paths == {"a": [], "b": []}
    text = "\n".join(found.describe())
    assert "0 images that can be used, 2 classes" in text
    assert "a/1.jpg: not an image" in text
    assert [name for name, _ in inspection.thumbnails(found, 2)] == ["a", "b"]


def test_corrections_are_applied_first(images, tmp_path):
    file = little_folder.decide(
        tmp_path / "corrections.csv",
        ("bright/0.png", "relabel", "dark"),
        ("bright/1.png", "remove"),
    )
    found = inspection.inspect(
        "folder", data_dir=str(images), test_share=0.0, corrections=str(file)
    )
    assert found.counts["train"] == {"bright": 4, "dark": 7}
    assert "1 relabelled, 1 removed" in "\n".join(found.notes)
    with pytest.raises(errors.DataError, match="no such image"):
        inspection.inspect(
            "folder",
            data_dir=str(images),
            corrections=str(
                little_folder.decide(file, ("bright/99.png", "remove"))
            ),
        )


def test_data_sets_without_files(tmp_path):
    found = inspection.inspect("digits")
    assert found.num_images == 1797 and found.sizes == {(8, 8): 1797}


def test_thumbnails_are_of_their_class(images):
    found = inspection.inspect("folder", data_dir=str(images), test_share=0.0)
    columns = inspection.thumbnails(found, 9, side=16)
    assert [name for name, _ in columns] == ["bright", "dark"]
    (_, bright), (_, dark) = columns
    assert bright.shape == (9, 16, 16, 3)
    assert bright[:6].mean() > 140 > dark[:6].mean()
    # Where there is no more, there is white.
    assert np.all(dark[6:] == 255)
