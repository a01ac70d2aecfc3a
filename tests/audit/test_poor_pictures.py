import numpy as np
import pytest
from PIL import Image

import image_kinds
import pictures
from tfnoisy.audit import poor_pictures


@pytest.fixture
def folder(tmp_path):
    for k in range(12):
        image = Image.fromarray(pictures.photograph(60, 80, seed=k))
        image.save(tmp_path / f"{k:02}.png")
    return tmp_path


def test_what_is_wrong_with_a_picture_is_named(folder):
    whole = Image.fromarray(pictures.photograph(60, 80, seed=3))
    whole.point(lambda value: value // 30).save(folder / "dark.png")
    Image.new("RGB", (80, 60), (255, 255, 255)).save(folder / "empty.png")
    whole.resize((3, 2)).resize((80, 60), Image.Resampling.BICUBIC).save(
        folder / "blurred.png"
    )
    whole.resize((400, 20)).save(folder / "long.png")
    whole.resize((1600, 1200)).save(folder / "large.png")
    paths = [str(path) for path in sorted(folder.iterdir())]
    found = {
        kind: [paths[row].rpartition("/")[2] for row in rows]
        for kind, rows in poor_pictures.find(paths).items()
    }
    assert tuple(found) == poor_pictures.KINDS
    assert "dark.png" in found["dark"]
    assert "empty.png" in found["bright"]
    assert "empty.png" in found["little to see"]
    assert "blurred.png" in found["blurred"]
    assert found["odd shape"] == ["long.png"]
    assert "large.png" in found["odd size"]


def test_a_path_that_is_there_twice_has_two_rows(folder):
    Image.new("RGB", (80, 60)).save(folder / "black.png")
    path = str(folder / "black.png")
    others = [str(folder / f"{k:02}.png") for k in range(12)]
    found = poor_pictures.find([path, *others, path])
    assert sorted(found["dark"].tolist()) == [0, 13]


def test_every_kind_of_file_is_looked_at(tmp_path, capsys):
    for name, contents in image_kinds.files().items():
        (tmp_path / name).write_bytes(contents)
    (tmp_path / "broken.png").write_bytes(b"no image")
    paths = [str(p) for p in sorted(tmp_path.iterdir())]
    found = poor_pictures.find([*paths, str(tmp_path / "gone.png")])
    assert set(found) == set(poor_pictures.KINDS)
    assert capsys.readouterr().out == ""
    assert poor_pictures.find([])["dark"].dtype == np.int64


def test_a_picture_of_two_rows_is_an_odd_shape(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, [2, 3000, 3], np.uint8)
    Image.fromarray(noise).save(tmp_path / "thin.png")
    found = poor_pictures.find([str(tmp_path / "thin.png")])
    assert found["odd shape"].tolist() == [0]
