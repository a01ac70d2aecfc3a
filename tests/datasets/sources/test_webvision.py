import numpy as np
import pytest

import pictures
from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.datasets.images import streamed

SYNSETS = [
    "n01440764 tench, Tinca tinca",
    "n02012849 crane",
    "n03126707 crane",
]


@pytest.fixture
def webvision(tmp_path):
    """WebVision with three classes of two Google images and one of Flickr.

    The red value of an image is 10 times its label.
    """
    google = [(f"google/q{k % 2}/{k}.jpg", k % 3) for k in range(6)]
    flickr = [(f"flickr/q7/{k}.jpg", k) for k in range(3)]
    for path, label in google + flickr:
        pictures.save_image(tmp_path / path, 10 * label, size=(20, 12 + label))
    val = [("v1.jpg", 2), ("v0.jpg", 0)]
    for path, label in val:
        pictures.save_image(tmp_path / "val_images_256" / path, 10 * label)
    for file, rows in (
        ("train_filelist_google.txt", google),
        ("train_filelist_flickr.txt", flickr),
        ("val_filelist.txt", val),
    ):
        lines = [f"{path} {label}" for path, label in rows]
        pictures.write_lines(tmp_path / "info" / file, lines)
    pictures.write_lines(tmp_path / "info" / "synsets.txt", SYNSETS)
    return tmp_path


def read(directory, split, name="webvision", **options):
    return load.load(
        name, split, data_dir=str(directory), image_size=8, **options
    )


def labels_by_colour(data):
    return np.round(data.images[:, 4, 4, 0] / 10).astype(int)


def test_train(webvision):
    data = read(webvision, "train")
    assert data.images.shape == (6, 8, 8, 3)
    assert data.given_labels.tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(labels_by_colour(data), data.given_labels)
    assert data.clean_labels is None
    # Two classes are cranes.
    assert data.class_names == (
        "n01440764 tench",
        "n02012849 crane",
        "n03126707 crane",
    )
    assert data.paths[1] == str(webvision / "google/q1/1.jpg")


def test_full_has_flickr_after_google(webvision):
    data = read(webvision, "train", "webvision/full")
    assert data.given_labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(labels_by_colour(data), data.given_labels)
    assert data.paths[6] == str(webvision / "flickr/q7/0.jpg")
    (webvision / "flickr/q7/1.jpg").unlink()
    with pytest.raises(
        errors.UserError,
        match=r" train_filelist_flickr.txt:2: flickr/q7/1.jpg: no such image\n",
    ):
        read(webvision, "train[5:]", "webvision/full")


@pytest.mark.parametrize(
    "name, split",
    [
        ("webvision", "train"),
        ("webvision/full", "train[4:]"),
        ("webvision", "val"),
    ],
)
def test_streamed_it_is_the_same(webvision, name, split):
    held = read(webvision, split, name)
    stream = read(webvision, split, name, cache_mib=0)
    assert isinstance(stream.images, streamed.StreamedImages)
    np.testing.assert_array_equal(stream.images[:], held.images)
    np.testing.assert_array_equal(stream.given_labels, held.given_labels)
    assert stream.paths == held.paths


def test_val(webvision):
    data = read(webvision, "val")
    assert data.given_labels.tolist() == data.clean_labels.tolist() == [2, 0]
    np.testing.assert_array_equal(labels_by_colour(data), data.given_labels)
    assert read(webvision, "val[1:]").ids.tolist() == [1]


def test_mini_is_the_first_50_classes(webvision):
    """52 classes, an image each, the last class first in the lists."""
    lines = [f"google/q0/{51 - k}.png {51 - k}" for k in range(52)]
    pictures.write_lines(webvision / "info/train_filelist_google.txt", lines)
    (webvision / "info/synsets.txt").unlink()
    for k in range(52):
        pictures.save_image(webvision / f"google/q0/{k}.png", k)
    mini = read(webvision, "train")
    assert mini.given_labels.tolist() == list(range(49, -1, -1))
    assert mini.class_names == tuple(map(str, range(50)))
    assert mini.ids.tolist() == list(range(50))
    np.testing.assert_array_equal(mini.images[:, 0, 0, 0], mini.given_labels)
    # A line is called by its number in the file.
    (webvision / "google/q0/49.png").unlink()
    with pytest.raises(errors.UserError, match="google.txt:3: .*: no such"):
        read(webvision, "train")
    assert read(webvision, "train[:2]", "webvision/google").num_classes == 52
    # The classes of an evaluation are those of the training.
    assert read(webvision, "val").num_classes == 50
    assert read(webvision, "val", "webvision/google").num_classes == 52


@pytest.mark.parametrize("folders", ["n{synset}", "{label}"])
def test_imagenet(webvision, folders):
    for label, line in enumerate(SYNSETS):
        folder = folders.format(synset=line[1:9], label=label)
        for k in range(2):
            pictures.save_image(
                webvision / "imagenet/val" / folder / f"{k}.JPEG", 10 * label
            )
    pictures.save_image(webvision / "imagenet/val/n09999999/0.JPEG", 255)
    data = read(webvision, "imagenet")
    assert data.clean_labels.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(labels_by_colour(data), data.clean_labels)
    assert len(read(webvision, "imagenet[:50%]")) == 3


def test_trusted_images(webvision):
    for label, folder in enumerate(("n01440764", "1", "n03126707")):
        for k in range(3):
            pictures.save_image(
                webvision / "probe_9" / folder / f"{k}.jpg", 10 * label
            )
    data = read(webvision, "probe_9")
    assert data.clean_labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    np.testing.assert_array_equal(labels_by_colour(data), data.clean_labels)
    with pytest.raises(errors.UserError, match="probe_6 has trusted images"):
        read(webvision, "probe_6")


def test_imagenet_lacks_a_class(webvision):
    with pytest.raises(errors.UserError, match="imagenet/val is not a folder"):
        read(webvision, "imagenet")
    for folder in ("n01440764", "2"):
        pictures.save_image(webvision / f"imagenet/val/{folder}/0.jpg", 0)
    with pytest.raises(
        errors.UserError,
        match="val: no images of class 1 in n02012849 or 1",
    ):
        read(webvision, "imagenet")


def test_a_broken_image_of_imagenet(webvision):
    for label in range(3):
        pictures.save_image(webvision / f"imagenet/val/{label}/0.jpg", 0)
    (webvision / "imagenet/val/1/0.jpg").write_bytes(b"?")
    with pytest.raises(errors.UserError, match="val/1/0.jpg: broken image"):
        read(webvision, "imagenet")


def test_all_problems_with_their_lines(webvision):
    with (webvision / "info/train_filelist_google.txt").open("a") as file:
        file.write("google/q0/0.jpg 3\nq1/nothing.jpg\ngoogle/q1/1.jpg 1\n")
    with pytest.raises(errors.UserError) as caught:
        read(webvision, "train")
    message = str(caught.value)
    assert ": 3 problems\n" in message
    for part in (
        "google.txt:7: label 3 is out of range: there are 3 classes",
        "google.txt:8: 'q1/nothing.jpg' is not a path and the number",
        "google.txt:9: google/q1/1.jpg is train_filelist_google.txt:2 already",
    ):
        assert part in message


@pytest.mark.parametrize(
    "name, split, message",
    [
        ("webvision", "test", "no split 'test'; it has train, val, imagenet"),
        ("webvision/maxi", "val", "mini, google, full, not 'maxi'"),
        ("webvision", "train[:9]", "beyond the 6 examples"),
    ],
)
def test_mistakes(webvision, name, split, message):
    with pytest.raises(errors.UserError, match=message):
        read(webvision, split, name)


def test_no_folder():
    with pytest.raises(errors.UserError, match="webvision needs --data_dir"):
        load.load("webvision", "train", image_size=8)


def test_no_list(webvision):
    (webvision / "info/train_filelist_flickr.txt").unlink()
    assert len(read(webvision, "train")) == 6
    with pytest.raises(errors.UserError, match="flickr.txt cannot be read"):
        read(webvision, "train", "webvision/full")
