import hashlib

import pytest

import little_folder
from tfnoisy import errors
from tfnoisy.datasets import corrected_copy
from tfnoisy.datasets.sources import folder


def contents(path):
    return {
        file.relative_to(path).as_posix(): hashlib.sha256(
            file.read_bytes()
        ).hexdigest()
        for file in path.rglob("*.png")
    }


@pytest.fixture
def images(tmp_path):
    little_folder.write(tmp_path / "images")
    return tmp_path / "images"


@pytest.fixture
def corrected(images, tmp_path):
    file = little_folder.decide(
        tmp_path / "corrections.csv",
        ("bright/0.png", "relabel", "dark"),
        ("bright/1.png", "remove"),
        ("dark/2.png", "keep"),
    )
    return corrected_copy.read(str(images), "", str(file))


@pytest.mark.parametrize("copy", [False, True])
def test_folders(images, corrected, tmp_path, copy):
    before = contents(images)
    out = tmp_path / "out"
    assert corrected_copy.write_folders(corrected, out, copy) == 11
    assert contents(images) == before
    # Two images of one name: the one that came has a number.
    wanted = {k: v for k, v in before.items() if k != "bright/1.png"}
    wanted["dark/0-1.png"] = wanted.pop("dark/0.png")
    wanted["dark/0.png"] = wanted.pop("bright/0.png")
    assert contents(out) == wanted
    assert (out / "dark/3.png").is_symlink() != copy
    data = folder.read(str(out), "train")
    assert data.given_labels.tolist() == [0] * 4 + [1] * 7


def test_a_list(images, corrected, tmp_path):
    file = tmp_path / "out.csv"
    assert corrected_copy.write_csv(corrected, file) == 11
    data = folder.read("", "train", labels_csv=str(file))
    assert len(data) == 11 and data.class_names == ("bright", "dark")
    moved = data.paths.index(str(images / "bright/0.png"))
    assert data.given_labels[moved] == 1
    with pytest.raises(errors.UserError, match="there already"):
        corrected_copy.write_csv(corrected, file)


def test_nothing_is_written_over(images, corrected, tmp_path):
    for place, words in (
        (images, "there already"),
        (images / "bright/deeper", "is within"),
        (images / "new", "is within"),
        (tmp_path / "corrections.csv", "no folder"),
    ):
        before = contents(images)
        with pytest.raises(errors.UserError, match=words):
            corrected_copy.write_folders(corrected, place)
        assert contents(images) == before


def test_new_classes_must_be_said(images, tmp_path):
    file = little_folder.decide(
        tmp_path / "c.csv", ("dark/0.png", "relabel", "grey")
    )
    with pytest.raises(errors.DataError, match="no class grey"):
        corrected_copy.read(str(images), "", str(file))
    found = corrected_copy.read(str(images), "", str(file), ["grey"])
    corrected_copy.write_folders(found, tmp_path / "out")
    assert (tmp_path / "out/grey/0.png").exists()


def test_what_is_left_out_is_named(images, tmp_path):
    (images / "dark/broken.png").write_text("no image")
    file = little_folder.decide(tmp_path / "c.csv", ("dark/0.png", "keep"))
    found = corrected_copy.read(str(images), "", str(file))
    assert any("dark/broken.png" in note for note in found.notes)


def test_parts_stay_parts(tmp_path):
    for part in ("train", "test"):
        little_folder.write(tmp_path / "images" / part, each=2)
    file = tmp_path / "c.csv"
    file.write_text(
        "path,given_label,corrected_label\ntest/dark/0.png,dark,bright\n"
    )
    found = corrected_copy.read(str(tmp_path / "images"), "", str(file))
    corrected_copy.write_folders(found, tmp_path / "out")
    out = tmp_path / "out"
    assert sorted(p.name for p in (out / "test/bright").iterdir()) == [
        "0-1.png",
        "0.png",
        "1.png",
    ]
    assert len(list((out / "train").rglob("*.png"))) == 4
