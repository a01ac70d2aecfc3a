import collections
import os

import numpy as np
import pytest
import tensorflow as tf

import image_kinds
import pictures
from tfnoisy import errors
from tfnoisy.datasets.images import decoding, headers, pillow_images
from tfnoisy.serving.client import image_files

KINDS = image_kinds.files()


def test_files_as_they_are_and_folders_sorted(tmp_path):
    for name in ("b/2.png", "b/10.PNG", "b/a/x.jpeg", "b/notes.txt", "c.gif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "b" / "folder.png").mkdir()
    found = image_files.items(
        [tmp_path / "c.gif", str(tmp_path / "b"), tmp_path / "missing.png"]
    )
    assert [item.name for item in found] == [
        str(tmp_path / name)
        for name in (
            "c.gif",
            "b/10.PNG",
            "b/2.png",
            "b/a/x.jpeg",
            "missing.png",
        )
    ]
    assert found[2].read() == b"b/2.png"
    with pytest.raises(FileNotFoundError):
        found[-1].read()


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("none here")
    with pytest.raises(errors.UserError, match=r"has no images; .*1 \.txt"):
        image_files.find([tmp_path])


def test_all_kinds_are_found_and_the_others_counted(tmp_path):
    (tmp_path / "deep/er").mkdir(parents=True)
    for number, suffix in enumerate(sorted(headers.SUFFIXES)):
        (tmp_path / f"deep/{number}{suffix.upper()}").touch()
    (tmp_path / "deep/er/no_suffix").write_bytes(pictures.black_png(2, 2))
    for name in ("a.txt", "b.txt", "c.csv", ".DS_Store", "._d.jpg", "e.svg"):
        (tmp_path / name).write_text(name)
    found = image_files.find([tmp_path])
    assert len(found.items) == len(headers.SUFFIXES) + 1
    assert found.others == collections.Counter(
        {".txt": 2, ".csv": 1, ".DS_Store": 1, "._*": 1, ".svg": 1}
    )
    # An image, too, which nobody has looked at.
    assert found.unread_images == 1


@pytest.mark.parametrize("name", KINDS)
def test_what_is_sent_is_seen_as_in_training(tmp_path, name):
    path = tmp_path / "image"
    path.write_bytes(KINDS[name])
    sent = image_files.read(path)
    assert headers.kind_of(sent) in ("PNG", "JPEG")
    # What a served model reads needs no more work.
    assert (sent == KINDS[name]) == name.startswith(("PNG", "JPEG"))
    served, trained = (
        decoding.decode(tf.constant(contents), (9, 11, 3), decoder=decoder)
        for contents, decoder in (
            (sent, decoding.png_jpeg),
            (KINDS[name], decoding.all_kinds),
        )
    )
    np.testing.assert_array_equal(served, trained)


@pytest.mark.parametrize("kind", image_kinds.bombs())
def test_a_bomb_is_not_sent(tmp_path, kind):
    path = tmp_path / "bomb"
    path.write_bytes(image_kinds.bombs()[kind])
    with pytest.raises(headers.TooManyPixelsError, match="pixels, more than"):
        image_files.read(path)


@pytest.mark.parametrize("name", ["GIF.P", "WEBP.RGB", "TIFF.RGB", "BMP.RGB"])
def test_half_a_file_is_named(tmp_path, name):
    path = tmp_path / "half"
    path.write_bytes(KINDS[name][: len(KINDS[name]) // 2])
    with pytest.raises(headers.ImageFault):
        image_files.read(path)


def test_pixels_are_pillows(tmp_path):
    path = tmp_path / "image.webp"
    path.write_bytes(KINDS["WEBP.RGB"])
    np.testing.assert_array_equal(
        pillow_images.pixels(image_files.read(path)),
        pillow_images.pixels(KINDS["WEBP.RGB"]),
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all folders")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.png").touch()
    (tmp_path / "closed").mkdir(mode=0)
    [fault] = image_files.find([tmp_path]).faults
    assert "closed" in fault
