import dataclasses

import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import probe


def make_dataset(counts=(20, 30, 50), noisy=False):
    """A data set with so many images of each class, in mixed order."""
    clean = np.repeat(np.arange(len(counts)), counts)
    clean = clean[np.random.default_rng(1).permutation(len(clean))]
    size = len(clean)
    return dataset_lib.ImageDataset(
        name="toy",
        images=np.arange(size * 4 * 6 * 3).reshape(size, 4, 6, 3).astype("u1"),
        given_labels=(clean + 1) % len(counts) if noisy else clean,
        clean_labels=clean,
        ids=np.arange(size) * 3,
        class_names=("ant", "bee", "cat")[: len(counts)],
    )


def test_balanced_disjoint_and_interleaved():
    data = make_dataset()
    trusted, rest = probe.hold_out(data, 0.16, seed=4)
    # floor(100 * 0.16) // 3 of each.
    assert trusted.given_labels.tolist() == [0, 1, 2] * 5
    assert not set(trusted.ids) & set(rest.ids)
    assert set(trusted.ids) | set(rest.ids) == set(data.ids)
    np.testing.assert_array_equal(rest.ids, np.sort(rest.ids))
    labels = dict(zip(data.ids, data.clean_labels))
    assert [labels[i] for i in trusted.ids] == [0, 1, 2] * 5


def test_the_draw_depends_on_seed_and_ids_alone():
    data = make_dataset()
    first, _ = probe.hold_out(data, 0.16, seed=4)
    shuffled = data.take(np.random.default_rng(3).permutation(100))
    again, _ = probe.hold_out(shuffled, 0.16, seed=4)
    np.testing.assert_array_equal(first.ids, again.ids)
    other, _ = probe.hold_out(data, 0.16, seed=5)
    assert set(other.ids) != set(first.ids)


def test_trusted_labels_are_the_clean_ones():
    data = make_dataset(noisy=True)
    trusted, rest = probe.hold_out(data, 0.03, seed=0)
    np.testing.assert_array_equal(trusted.given_labels, [0, 1, 2])
    assert (rest.given_labels != rest.clean_labels).all()


def test_a_split_of_clean_labels():
    data = make_dataset(noisy=True)
    trusted = probe.of_split(data, make_dataset(), seed=1)
    assert trusted.given_labels.tolist() == [0, 1, 2] * 20
    labels = dict(zip(data.ids, data.clean_labels))
    assert [labels[i] for i in trusted.ids] == [0, 1, 2] * 20
    for split, words in (
        (dataclasses.replace(data, clean_labels=None), "not known to be clean"),
        (
            dataclasses.replace(data, images=data.images[:, :3]),
            r"are \(3, 6, 3\), those to train on \(4, 6, 3\): set --image_size",
        ),
        (data.take(data.clean_labels != 1), "wants 1 images of class bee"),
    ):
        with pytest.raises(errors.UserError, match=words):
            probe.of_split(split, make_dataset())


def test_shares_are_rounded_down():
    data = make_dataset([100] * 3)
    for ratio, per_class in [(0.29, 29), (0.01, 1), (0.0199, 1)]:
        trusted, _ = probe.hold_out(data, ratio, seed=0)
        assert len(trusted) == 3 * per_class


@pytest.mark.parametrize(
    "ratio, words",
    [
        (0.02, "0.02 of 100 images is less than one for each of 3 classes"),
        (0.6, "wants 20 images of class ant and 1 to train on, toy has 20"),
        (1.0, r"share in \(0, 1\), not 1.0"),
    ],
)
def test_too_few_images_are_refused(ratio, words):
    with pytest.raises(errors.UserError, match=words):
        probe.hold_out(make_dataset(), ratio, seed=0)


def test_unknown_clean_labels_are_refused():
    data = dataclasses.replace(make_dataset(), clean_labels=None)
    with pytest.raises(
        errors.UserError, match="--probe_dir, --probe_csv or --pro"
    ):
        probe.hold_out(data, 0.1, seed=0)


def save(path, value, size=(6, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 0)).save(path)


@pytest.fixture
def own(tmp_path):
    """A folder of two images of each class and one more."""
    for k, name in enumerate(["ant", "bee", "cat"]):
        save(tmp_path / name / "1.png", k)
        save(tmp_path / name / "2.png", 10 + k)
    save(tmp_path / "cat/3.png", 77)
    return tmp_path


def test_an_own_folder(own):
    trusted = probe.read(str(own), "", make_dataset())
    assert trusted.given_labels.tolist() == [0, 1, 2] * 2
    assert trusted.images.shape == (6, 4, 6, 3)
    assert {int(image[0, 0, 0]) % 10 for image in trusted.images[::3]} == {0}
    assert trusted.class_names == ("ant", "bee", "cat")


def test_an_own_csv(own):
    rows = [
        "path,given_label",
        "cat/3.png,cat",
        "ant/1.png,ant",
        "bee/1.png,bee",
    ]
    (own / "trusted.csv").write_text("\n".join(rows))
    training = make_dataset()
    trusted = probe.read("", str(own / "trusted.csv"), training)
    assert trusted.given_labels.tolist() == [0, 1, 2]
    assert trusted.images[2, 0, 0].tolist() == [77, 0, 0]
    again = probe.read(str(own), "trusted.csv", training)
    np.testing.assert_array_equal(again.images, trusted.images)


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda own: (own / "bee/1.png").write_text("no"), "not an image"),
        (lambda own: save(own / "dog/1.png", 1), "no class dog in training"),
        (lambda own: save(own / "ant/1.png", 1, (8, 8)), "give --image_size"),
        (
            lambda own: [(own / f"bee/{k}.png").unlink() for k in (1, 2)],
            "1 images of class bee",
        ),
    ],
)
def test_what_is_wrong_with_an_own_folder(own, change, words):
    change(own)
    with pytest.raises(errors.UserError, match=words):
        probe.read(str(own), "", make_dataset())


def test_a_class_that_an_own_set_lacks(own):
    (own / "t.csv").write_text("path,given_label\ncat/3.png,cat\nant/1.png,ant")
    with pytest.raises(errors.UserError, match="1 images of class bee"):
        probe.read("", str(own / "t.csv"), make_dataset())


def test_images_of_another_size_are_resized_on_demand(own):
    training = make_dataset()
    for path in own.glob("*/*.png"):
        save(path, 1, (12, 8))
    with pytest.raises(errors.UserError, match="12x8 pixels where the train"):
        probe.read(str(own), "", training)
    trusted = probe.read(str(own), "", training, image_size=4)
    assert trusted.images.shape == (6, 4, 6, 3)


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(errors.UserError, match="is not a folder"):
        probe.read(str(tmp_path / "no"), "", make_dataset())
    (tmp_path / "no").mkdir()
    with pytest.raises(errors.UserError, match="holds no images of toy's"):
        probe.read(str(tmp_path / "no"), "", make_dataset())
