import hashlib
import pathlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

import image_kinds
import pictures
from tfnoisy import errors
from tfnoisy.datasets.sources import folder, survey


def save(path, value, size=(6, 4), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "RGB":
        value = (value, value // 2, 0)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def own(tmp_path):
    """Three classes of three, two and one images, and a test split."""
    for k, path in enumerate(
        ["cat/b.png", "cat/a.png", "cat/c.jpeg", "ant/1.JPG", "ant/2.png"]
    ):
        save(tmp_path / "train" / path, 20 * k)
    save(tmp_path / "train/bee/x.png", 200)
    save(tmp_path / "test/cat/t.png", 77)
    (tmp_path / "train/cat/notes.txt").write_text("no image")
    (tmp_path / "train/.cache").mkdir()
    return tmp_path


def test_folders(own):
    data = folder.read(str(own), "train")
    assert data.class_names == ("ant", "bee", "cat")
    assert data.images.shape == (6, 4, 6, 3) and data.images.dtype == np.uint8
    assert data.given_labels.tolist() == [0, 0, 1, 2, 2, 2]
    assert data.images[4, 0, 0].tolist() == [0, 0, 0]
    assert data.images[3, 0, 0].tolist() == [20, 10, 0]
    assert data.ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert data.paths[3] == str(own / "train/cat/a.png")
    assert data.clean_labels is None and data.mirror


def test_what_lies_beside_the_parts_is_named(own):
    save(own / "loose.png", 1)
    save(own / "unlabelled/cat/x.png", 1)
    (own / "masks").mkdir()
    (own / "README.md").write_text("no image")
    data = folder.read(str(own), "train")
    assert data.images.shape[0] == 6
    text = "\n".join(data.notes)
    assert f"2 folders beside the parts of {own} left out: masks, unl" in text
    assert f"1 image in no part of {own} left out: loose.png" in text
    assert "3 files are not images and are left out: 1 .txt, 1 hidden" in (text)
    asked = folder.read(str(own), "unlabelled")
    assert "1 folder beside the parts" in "\n".join(asked.notes)


def test_links_to_folders_above_are_named_and_not_read(own):
    """What they lead to would be there twice, under another class."""
    (own / "train/cat/up").symlink_to("..")
    (own / "train/cat/same").symlink_to(".")
    (own / "train/all").symlink_to(own)
    elsewhere = own.parent / "elsewhere"
    save(elsewhere / "y.png", 9)
    (own / "train/bee/more").symlink_to(elsewhere)
    data = folder.read(str(own), "train")
    assert data.class_names == ("ant", "bee", "cat")
    assert data.given_labels.tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert "3 link to a folder above" in "\n".join(data.notes)


def test_other_splits_have_the_training_classes(own):
    data = folder.read(str(own), "test")
    assert data.class_names == ("ant", "bee", "cat")
    assert data.given_labels.tolist() == [2]


def test_slices(own):
    data = folder.read(str(own), "train[50%:]")
    assert data.ids.tolist() == [3, 4, 5]
    assert data.given_labels.tolist() == [2, 2, 2]


def test_numeric_classes_are_sorted_as_numbers(tmp_path):
    for k in range(11):
        save(tmp_path / f"train/{k}/x.png", k, mode="L")
    data = folder.read(str(tmp_path), "train")
    assert data.class_names == tuple(map(str, range(11)))
    np.testing.assert_array_equal(data.images[:, 0, 0, 0], data.given_labels)


def test_grey_only_if_all_training_images_are(tmp_path):
    save(tmp_path / "train/a/1.png", 7, mode="L")
    save(tmp_path / "train/a/2.png", 8, mode="L")
    save(tmp_path / "test/a/3.png", 90)
    assert folder.read(str(tmp_path), "train").images.shape[-1] == 1
    assert folder.read(str(tmp_path), "test").images.shape[-1] == 1
    save(tmp_path / "train/a/4.png", 9)
    assert folder.read(str(tmp_path), "train[:1]").images.shape[-1] == 3
    assert folder.read(str(tmp_path), "test").images.shape[-1] == 3


def test_image_size(own):
    save(own / "train/bee/large.png", 200, size=(40, 50))
    with pytest.raises(
        errors.UserError,
        match=r"2 sizes \(6 of 6x4, 1 of 40x50 pixels\); give --im",
    ):
        folder.read(str(own), "train")
    data = folder.read(str(own), "train", image_size=5)
    assert data.images.shape == (7, 5, 5, 3)
    assert data.images[2, 2, 2].tolist() == [200, 100, 0]


def test_test_images_of_another_size(own):
    save(own / "test/bee/large.png", 200, size=(40, 50))
    with pytest.raises(errors.UserError, match="--image_size"):
        folder.read(str(own), "test")


def test_all_problems_in_one_list(own):
    (own / "train/cat/d.png").write_bytes(b"no image at all")
    (own / "train/cat/e.png").write_bytes(b"")
    whole = (own / "train/cat/a.png").read_bytes()
    (own / "train/bee/y.png").write_bytes(whole[:20])
    (own / "train/eel").mkdir()
    deep = np.zeros([4, 6], np.float32)
    Image.fromarray(deep).save(own / "train/ant/deep.tiff")
    save(own / "test/dog/t.png", 77)
    (own / "train/cat/same.png").write_bytes(whole)
    (own / "train/ant/same.png").write_bytes(whole)
    with pytest.raises(errors.DataError) as caught:
        folder.read_splits(str(own), ["train", "test"])
    assert str(caught.value).splitlines() == [
        f"{own}: 7 problems",
        "  empty class eel: no training images",
        "  train/ant/deep.tiff: 32 bits a channel; save it with 8",
        "  train/bee/y.png: broken image: its PNG header is damaged",
        "  train/cat/d.png: not an image, whatever its name",
        "  train/cat/e.png: empty file",
        "  test/dog/t.png: there is no class dog in training",
        "  train/ant/same.png, train/cat/a.png, train/cat/same.png: the same "
        "image with different labels (ant, cat)",
        "  --skip_broken goes on without the 5 images and the 1 class named "
        "above and lists them in skipped.csv",
    ]


def test_classes_with_too_few_images_are_left_out_if_asked(own):
    (own / "train/eel").mkdir()
    save(own / "train/fly/1.png", 9)
    save(own / "test/fly/t.png", 9)
    options = {"min_class_images": 2, "skip_broken": True}
    read = folder.read_splits(str(own), ["train", "test"], **options)
    train, test = read["train"], read["test"]
    assert train.class_names == test.class_names == ("ant", "cat")
    assert train.given_labels.tolist() == [0, 0, 1, 1, 1]
    assert test.keys == ("test/cat/t.png",)
    assert [(one.split, one.key, one.given_label) for one in train.skipped] == [
        ("train", "train/bee/x.png", "bee"),
        ("train", "train/fly/1.png", "fly"),
        ("test", "test/fly/t.png", "fly"),
    ]
    assert train.skipped[0].reason == (
        "left out: class bee has 1 training images, fewer than 2"
    )
    (note,) = [n for n in train.notes if "classes left out" in n]
    assert note.startswith("3 classes left out: class bee has 1")
    assert "empty class eel" in note


def test_two_classes_must_be_left(own):
    with pytest.raises(errors.DataError) as caught:
        folder.read(str(own), "train", min_class_images=3, skip_broken=True)
    text = str(caught.value)
    assert "class ant has 2 training images, fewer than 3" in text
    assert "class bee has 1 training images, fewer than 3" in text
    assert "--skip_broken" not in text


def test_broken_images_are_skipped_if_asked(own):
    (own / "train/cat/d.png").write_bytes(b"no image at all")
    save(own / "test/dog/t.png", 77)
    found = folder.read_splits(str(own), ["train", "test"], skip_broken=True)
    assert [len(found[name]) for name in ("train", "test")] == [6, 1]
    assert found["train"].skipped == (
        survey.Skipped(
            "train", "train/cat/d.png", "cat", "not an image, whatever its name"
        ),
        survey.Skipped(
            "test", "test/dog/t.png", "", "there is no class dog in training"
        ),
    )
    assert "2 images left out, see skipped.csv" in found["train"].notes


def cut_pixels(path):
    """A file whose header and end are whole: only decoding tells."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, [4, 6, 3]).astype(np.uint8)
    contents = bytearray(pictures.file_of(Image.fromarray(noise), "PNG"))
    at = contents.index(b"IDAT") + 8
    contents[at : at + 20] = bytes(20)
    end = contents.index(b"IEND") - 8
    data = contents[at - 8 : end]
    contents[end : end + 4] = struct.pack(">I", zlib.crc32(data))
    path.write_bytes(contents)


def test_pixels_that_cannot_be_decoded(own):
    cut_pixels(own / "train/bee/y.png")
    with pytest.raises(errors.DataError, match=r"train/bee/y.png: broken imag"):
        folder.read(str(own), "train")
    data = folder.read(str(own), "train", skip_broken=True)
    assert len(data) == 6 and "train/bee/y.png" not in data.keys
    assert [one.key for one in data.skipped] == ["train/bee/y.png"]
    streamed = folder.read(str(own), "train", cache_mib=0)
    assert len(streamed) == 7


def test_more_images_than_memory(own):
    """Only where the user has said that they fit."""
    with pytest.raises(
        errors.UserError,
        match=r": 6 images of 9999999x9999999 pixels are .* GiB, more than "
        "there is memory: lower --cache_mib",
    ):
        folder.read(str(own), "train", image_size=9_999_999, cache_mib=10**15)


@pytest.mark.parametrize(
    "split, message",
    [
        ("valid", "no images for split 'valid'; there are train"),
        ("train[:7]", "beyond the 6 examples"),
    ],
)
def test_splits(own, split, message):
    with pytest.raises(errors.UserError, match=message):
        folder.read(str(own), split)


def test_no_classes(tmp_path):
    with pytest.raises(errors.UserError, match="holds no class folders"):
        folder.read(str(tmp_path), "train")


def test_keys_and_digests_name_the_files(own):
    data = folder.read(str(own), "train[2:4]")
    assert data.keys == ("train/bee/x.png", "train/cat/a.png")
    for path, digest in zip(data.paths, data.digests):
        contents = pathlib.Path(path).read_bytes()
        assert digest.tobytes() == hashlib.sha256(contents).digest()
    assert data.take([1]).keys == ("train/cat/a.png",)
    assert data.take([1]).digests.shape == (1, 32)


@pytest.fixture
def flat(tmp_path):
    """Two classes of 60 images and nothing else."""
    for k in range(120):
        save(tmp_path / "ab"[k % 2] / f"{k:03}.png", k)
    return tmp_path


def test_a_test_part_is_held_out_where_there_is_none(flat):
    with pytest.raises(errors.UserError, match="no images for split 'test'"):
        folder.read(str(flat), "test")
    found = folder.read_splits(str(flat), ["train", "test"], test_share=0.25)
    train, test = found["train"], found["test"]
    assert 15 <= len(test) <= 45 and len(train) + len(test) == 120
    assert not set(train.keys) & set(test.keys)
    assert any("there is no test part" in note for note in train.notes)
    # Each by itself is the same.
    again = folder.read(str(flat), "train", test_share=0.25)
    assert again.keys == train.keys
    assert len(folder.read(str(flat), "train")) == 120
    # Neither new names nor new images move an image to the other side.
    (flat / "a/000.png").rename(flat / "a/zzz.png")
    save(flat / "b/new.png", 222)
    after = folder.read(str(flat), "test", test_share=0.25)
    before = {bytes(digest) for digest in test.digests}
    assert before <= {bytes(digest) for digest in after.digests}
    assert len(after) - len(test) in (0, 1)


@pytest.mark.parametrize("skip_broken", [False, True])
def test_a_missing_part_is_a_problem_beside_broken_files(flat, skip_broken):
    (flat / "a/broken.png").write_bytes(b"no image")
    with pytest.raises(errors.DataError, match="there is no test part") as told:
        folder.read(str(flat), "test", skip_broken=skip_broken)
    # What is done already is no remedy.
    assert ("goes on without" in str(told.value)) != skip_broken


def test_every_kind_of_image_is_read_or_counted(tmp_path):
    for name, contents in image_kinds.files().items():
        kind, *more = name.lower().split(".")
        path = tmp_path / "ab"[len(name) % 2] / "deeper" / f"{more}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    (tmp_path / "a/notes.txt").write_text("no image")
    (tmp_path / "a/.DS_Store").write_bytes(b"\0")
    (tmp_path / "b/photo").write_bytes(image_kinds.files()["JPEG.RGB"])
    data = folder.read(str(tmp_path), "train", image_size=9)
    assert len(data) == len(image_kinds.files()) + 1
    notes = "; ".join(data.notes)
    for part in (
        "2 files are not images and are left out: 1 .",
        " images turned upright as EXIF says",
        "transparent, laid over white",
        "2 images of 16 bits a channel, read as 8",
    ):
        assert part in notes
    streamed = folder.read(str(tmp_path), "train", image_size=9, cache_mib=0)
    np.testing.assert_array_equal(streamed.images[:], data.images)
