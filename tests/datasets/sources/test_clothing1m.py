import numpy as np
import pytest
from PIL import Image

import pictures
from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.datasets.images import streamed

CLOTHES = ["T-Shirt", "Shirt", *(f"Other {k}" for k in range(12))]


@pytest.fixture
def clothing(tmp_path):
    """Clothing1M with 28 training images: of the k-th the red value is 8k.

    Its noisy label is k mod 14; the list of labels is in another order than
    that of keys.  Two images each for val, test and clean_train, which have
    other labels in the noisy list.
    """
    train = [f"images/{k % 3}/{k:02},x.jpg" for k in range(28)]
    clean = {
        name: [f"images/9/{name}{k}.png" for k in range(2)]
        for name in ("val", "test", "train")
    }
    for k, path in enumerate(train):
        pictures.save_image(tmp_path / path, 8 * k, size=(10 + k, 30 - k))
    noisy = [f"{path} {k % 14}" for k, path in enumerate(train)]
    truth = []
    for name, paths in clean.items():
        pictures.write_lines(tmp_path / f"clean_{name}_key_list.txt", paths)
        for k, path in enumerate(paths):
            pictures.save_image(tmp_path / path, 100 + k)
            noisy.append(f"{path} 0")
            truth.append(f"{path} {k + 5}")
    pictures.write_lines(tmp_path / "noisy_train_key_list.txt", train)
    pictures.write_lines(tmp_path / "noisy_label_kv.txt", reversed(noisy))
    pictures.write_lines(tmp_path / "clean_label_kv.txt", truth)
    pictures.write_lines(tmp_path / "category_names_eng.txt", CLOTHES)
    return tmp_path


def read(directory, split, **options):
    return load.load(
        "clothing1m", split, data_dir=str(directory), image_size=8, **options
    )


@pytest.mark.parametrize("split", ["train", "train[75%:]", "val"])
def test_streamed_it_is_the_same(clothing, split):
    held, stream = read(clothing, split), read(clothing, split, cache_mib=0)
    assert isinstance(stream.images, streamed.StreamedImages)
    np.testing.assert_array_equal(stream.images[:], held.images)
    np.testing.assert_array_equal(stream.given_labels, held.given_labels)
    assert stream.paths == held.paths
    assert stream.labels_sha256() == held.labels_sha256()


def test_a_page_in_place_of_an_image_is_found_before_it_is_read(clothing):
    """One that only ends too early is found out when its batch is read."""
    (clothing / "images/0/03,x.jpg").write_bytes(b"<html>")
    (clothing / "images/1/04,x.jpg").write_bytes(b"")
    with pytest.raises(
        errors.UserError,
        match=r": 2 problems\n  noisy_train_key_list.txt:4: 0/03,x.jpg: broken "
        "image\n  noisy_train_key_list.txt:5: 1/04,x.jpg: broken image\n",
    ):
        read(clothing, "train", cache_mib=0)
    cut = clothing / "images/0/06,x.jpg"
    cut.write_bytes(cut.read_bytes()[:-40])
    part = read(clothing, "train[5:]", cache_mib=0)
    with pytest.raises(
        errors.UserError,
        match=r": noisy_train_key_list.txt:7: 0/06,x.jpg: broken image$",
    ):
        part.images[:4]


def append(file, *lines):
    with file.open("a") as opened:
        opened.writelines(f"{line}\n" for line in lines)


def test_train(clothing):
    data = read(clothing, "train")
    assert data.images.shape == (28, 8, 8, 3) and data.images.dtype == np.uint8
    # The order is that of the list of keys; JPEG is not exact.
    reds = data.images[:, 4, 4, 0].astype(int)
    np.testing.assert_allclose(reds, 8 * np.arange(28), atol=3)
    assert data.given_labels.tolist() == [k % 14 for k in range(28)]
    assert data.clean_labels is None
    assert data.ids.tolist() == list(range(28))
    assert data.class_names[:2] == ("T-Shirt", "Shirt")
    assert data.num_classes == 14 and data.mirror
    assert data.paths[4] == str(clothing / "images/1/04,x.jpg")


@pytest.mark.parametrize("split", ["val", "test", "clean_train"])
def test_checked_labels_are_clean(clothing, split):
    data = read(clothing, split)
    assert data.given_labels.tolist() == [5, 6]
    assert data.clean_labels.tolist() == [5, 6]
    assert split.removeprefix("clean_") in data.paths[0]


def test_slices_keep_ids(clothing):
    data = read(clothing, "train[75%:]")
    assert data.ids.tolist() == list(range(21, 28))
    assert data.given_labels.tolist() == [k % 14 for k in range(21, 28)]


def test_only_the_images_of_the_slice_are_looked_for(clothing):
    (clothing / "images/0/27,x.jpg").unlink()
    assert len(read(clothing, "train[:27]")) == 27
    with pytest.raises(
        errors.UserError,
        match=r"noisy_train_key_list.txt:28: 0/27,x.jpg: no such image\n",
    ):
        read(clothing, "train")


def test_layout_of_dividemix_and_of_the_archive(clothing):
    """The images beside the lists; and the lists in annotations/."""
    before = read(clothing, "train")
    for folder in (clothing / "images").iterdir():
        folder.rename(clothing / folder.name)
    (clothing / "images").rmdir()
    (clothing / "annotations").mkdir()
    for file in clothing.glob("*.txt"):
        file.rename(clothing / "annotations" / file.name)
    after = read(clothing, "train")
    np.testing.assert_array_equal(after.images, before.images)
    assert after.class_names == before.class_names
    assert after.paths[4] == str(clothing / "1/04,x.jpg")


def test_without_names_classes_are_numbered(clothing):
    (clothing / "category_names_eng.txt").unlink()
    names = read(clothing, "val").class_names
    assert names == tuple(map(str, range(14)))


def test_the_middle_of_the_short_side_is_kept(clothing):
    """A wide image of red, green and blue thirds: only green is left."""
    pixels = np.zeros([8, 24, 3], np.uint8)
    for third in range(3):
        pixels[:, 8 * third : 8 * (third + 1), third] = 255
    Image.fromarray(pixels).resize((48, 16), Image.Resampling.NEAREST).save(
        clothing / "images/9/val0.png"
    )
    image = read(clothing, "val").images[0]
    np.testing.assert_array_equal(image[4, 1:-1, 1], 255)
    assert image[4, 1:-1, [0, 2]].max() == 0


def test_all_problems_with_their_lines(clothing):
    append(clothing / "noisy_train_key_list.txt", "images/0/new.jpg")
    append(clothing / "noisy_train_key_list.txt", "", "images/1/04,x.jpg")
    append(
        clothing / "noisy_label_kv.txt",
        "images/0/00,x.jpg 14",
        "images/0/00,x.jpg",
        "images/0/00,x.jpg -1",
    )
    append(clothing / "category_names_eng.txt", "Hat")
    with pytest.raises(errors.UserError) as caught:
        read(clothing, "train")
    message = str(caught.value)
    assert message.startswith(f"{clothing}: 7 problems\n")
    for part in (
        "noisy_label_kv.txt:36: 'images/0/00,x.jpg' is not a path and",
        "noisy_label_kv.txt:37: 'images/0/00,x.jpg -1' is not a path and",
        "noisy_label_kv.txt:35: label 14 is out of range: there are 14",
        "noisy_label_kv.txt:34: 0/00,x.jpg has label 0 here and 14 further",
        "key_list.txt:29: 0/new.jpg has no label in noisy_label_kv.txt",
        "key_list.txt:31: 1/04,x.jpg is noisy_train_key_list.txt:5 already",
        "category_names_eng.txt: 15 names for 14 classes",
    ):
        assert part in message


def test_an_empty_class(clothing):
    file = clothing / "noisy_label_kv.txt"
    file.write_text(file.read_text().replace(" 13\n", " 12\n"))
    with pytest.raises(
        errors.UserError, match="key_list.txt: empty class Other 11: no image"
    ):
        read(clothing, "train")


def test_a_broken_image(clothing):
    (clothing / "images/0/03,x.jpg").write_bytes(b"?")
    with pytest.raises(
        errors.UserError,
        match=r"noisy_train_key_list.txt:4: 0/03,x.jpg: broken image\n",
    ):
        read(clothing, "train")


@pytest.mark.parametrize("cache_mib", [0, 1000])
def test_skipping(clothing, cache_mib):
    whole = read(clothing, "train")
    (clothing / "images/0/03,x.jpg").write_bytes(b"?")
    (clothing / "images/0/27,x.jpg").unlink()
    kept = np.setdiff1d(np.arange(28), [3, 27])
    data = read(clothing, "train", cache_mib=cache_mib, skip_broken=True)
    np.testing.assert_array_equal(data.images[:], whole.images[kept])
    assert data.ids.tolist() == kept.tolist()
    assert data.keys == whole.take(kept).keys
    found = [(one.key, one.reason) for one in data.skipped]
    assert found == [
        ("0/03,x.jpg", "broken image"),
        ("0/27,x.jpg", "no such image"),
    ]
    assert data.notes == ("2 images left out, see skipped.csv",)


def test_a_missing_folder(clothing):
    (clothing / "images/9").rename(clothing / "images/8")
    with pytest.raises(errors.UserError, match="2 problems\n  clean_val.*:1: "):
        read(clothing, "val")


@pytest.mark.parametrize(
    "file", ["noisy_label_kv.txt", "noisy_train_key_list.txt"]
)
def test_a_missing_list(clothing, file):
    (clothing / file).unlink()
    with pytest.raises(errors.UserError, match=f"{file} cannot be read: "):
        read(clothing, "train")


@pytest.mark.parametrize(
    "split, options, message",
    [
        ("valid", {}, "no split 'valid'; it has train, val, test, clean_train"),
        ("train", {"image_size": None}, "differ in size; say with --image_siz"),
        ("train", {"data_dir": ""}, "needs --data_dir=DIR with DIR/noisy_tr"),
        ("val[:3]", {}, "beyond the 2 examples of val"),
        ("train", {"labels_csv": "x.csv"}, "does not go with --dataset_name="),
    ],
)
def test_mistakes(clothing, split, options, message):
    options = {"data_dir": str(clothing), "image_size": 8, **options}
    with pytest.raises(errors.UserError, match=message):
        load.load("clothing1m", split, **options)
