import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets.sources import folder


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
        errors.UserError, match=r"large.png: 40x50 pixels .*--im"
    ):
        folder.read(str(own), "train")
    data = folder.read(str(own), "train", image_size=5)
    assert data.images.shape == (7, 5, 5, 3)
    assert data.images[2, 2, 2].tolist() == [200, 100, 0]


def test_test_images_of_another_size(own):
    save(own / "test/bee/large.png", 200, size=(40, 50))
    with pytest.raises(errors.UserError, match="--image_size"):
        folder.read(str(own), "test")


def test_all_problems_in_one_line(own):
    (own / "train/cat/d.png").write_bytes(b"no image at all")
    whole = (own / "train/cat/a.png").read_bytes()
    (own / "train/bee/y.png").write_bytes(whole[:20])
    (own / "train/eel").mkdir()
    Image.new("I;16", (6, 4)).save(own / "train/ant/deep.png")
    with pytest.raises(errors.UserError) as caught:
        folder.read(str(own), "train")
    message = str(caught.value)
    assert "4 problems: " in message and "\n" not in message
    for part in (
        "cat/d.png: broken image",
        "bee/y.png: broken image",
        "eel: empty class (no .png, .jpg or .jpeg)",
        "ant/deep.png: more than 8 bits",
    ):
        assert part in message


def test_truncated_pixels(own):
    """The head of the file is whole: only decoding tells."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, [4, 6, 3]).astype(np.uint8)
    path = own / "train/bee/y.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(errors.UserError, match=r"bee/y.png: broken image$"):
        folder.read(str(own), "train")


def test_more_images_than_memory(own):
    """Only where the user has said that they fit."""
    with pytest.raises(
        errors.UserError,
        match=r": 6 images of 9999999x9999999 pixels are .* GiB, more than "
        "there is memory: lower --cache_mib",
    ):
        folder.read(str(own), "train", image_size=9_999_999, cache_mib=10**15)


def test_more_than_ten_problems(own):
    for k in range(13):
        (own / f"train/cat/z{k:02}.png").write_bytes(b"?")
    with pytest.raises(errors.UserError) as caught:
        folder.read(str(own), "train")
    assert "13 problems: " in str(caught.value)
    assert "z09.png" in str(caught.value)
    assert "z10.png" not in str(caught.value)
    assert str(caught.value).endswith("; and 3 more")


def test_unknown_class_in_test(own):
    save(own / "test/dog/t.png", 77)
    with pytest.raises(errors.UserError, match="dog: there is no such class"):
        folder.read(str(own), "test")


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
    with pytest.raises(errors.UserError, match="train holds no class folders"):
        folder.read(str(tmp_path), "train")
