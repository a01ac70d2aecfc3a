import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import tfds_images
from tfnoisy.noise import manifest


class TfnoisyPhotos(tfds.core.GeneratorBasedBuilder):
    """Ten photographs of ten sizes, and a test split without labels."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 3)),
                    "label": tfds.features.ClassLabel(names=["cat", "dog"]),
                }
            )
        )

    def _split_generators(self, dl_manager):
        return {"train": self._examples(1), "test": self._examples(0)}

    def _generate_examples(self):
        raise NotImplementedError

    def _examples(self, labelled):
        for k in range(10):
            shape = (4 + k, 20 - k, 3)
            yield (
                k,
                {
                    "image": np.full(shape, 10 * k, np.uint8),
                    "label": k % 2 if labelled else -1,
                },
            )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A TFDS directory with these photographs."""
    folder = tmp_path_factory.mktemp("tfds")
    TfnoisyPhotos(data_dir=folder).download_and_prepare()
    return str(folder)


def test_resizes(photos):
    data = load.load("tfnoisy_photos", "train", data_dir=photos, image_size=6)
    assert data.images.shape == (10, 6, 6, 3) and data.images.dtype == np.uint8
    assert data.class_names == ("cat", "dog") and data.mirror
    numbers = data.images[:, 3, 3, 0] // 10
    assert sorted(numbers) == list(range(10))
    np.testing.assert_array_equal(data.given_labels, numbers % 2)
    np.testing.assert_array_equal(data.clean_labels, data.given_labels)
    np.testing.assert_array_equal(data.ids, np.arange(10))


def test_slices_keep_ids(photos):
    def read(split):
        return load.load("tfnoisy_photos", split, data_dir=photos, image_size=6)

    whole, part = read("train"), read("train[70%:]")
    np.testing.assert_array_equal(part.ids, [7, 8, 9])
    np.testing.assert_array_equal(part.images, whole.images[7:])


def assert_streams_the_same(name, split, **options):
    """Checks a split that is streamed against one in memory."""
    held = load.load(name, split, **options)
    stream = load.load(name, split, cache_mib=0, **options)
    assert isinstance(held.images, np.ndarray)
    assert isinstance(stream.images, streamed.StreamedImages)
    np.testing.assert_array_equal(stream.images[:], held.images)
    np.testing.assert_array_equal(stream.ids, held.ids)
    np.testing.assert_array_equal(stream.given_labels, held.given_labels)
    np.testing.assert_array_equal(stream.clean_labels, held.clean_labels)


@pytest.mark.parametrize("split", ["train", "train[70%:]"])
def test_streamed_it_is_the_same(photos, split):
    assert_streams_the_same(
        "tfnoisy_photos", split, data_dir=photos, image_size=6
    )


@pytest.mark.parametrize(
    "split, size, message",
    [
        ("train", None, "differ in size.*--image_size"),
        ("test", 6, "split test of tfnoisy_photos has no labels"),
        ("valid", 6, "no split 'valid'; it has "),
        ("train[:11]", 6, "beyond the 10 examples"),
    ],
)
def test_mistakes(photos, split, size, message):
    with pytest.raises(errors.UserError, match=message):
        load.load("tfnoisy_photos", split, data_dir=photos, image_size=size)


_REAL = {
    name: tfds.builder_cls(name)
    for name in ("cifar100_n", "food101", "controlled_noisy_web_labels")
}

# Under the names of the real ones.
with tfds.core.registered.skip_registration():

    class Food101(_REAL["food101"]):
        """The real set's features and splits, three small photographs each."""

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(0),
                "validation": self._generate_examples(100),
            }

        def _generate_examples(self, first):
            for k in range(3):
                image = np.full((6 + k, 20 - k, 3), first + k, np.uint8)
                yield k, {"image": image, "label": k}

    class Cifar100N(_REAL["cifar100_n"]):
        """The real set's features and splits, six small images."""

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples("train_"),
                "test": self._generate_examples("test_"),
            }

        def _generate_examples(self, prefix):
            for k in range(6):
                training = prefix == "train_"
                yield (
                    k,
                    {
                        "id": f"{prefix}{k:05d}",
                        "image": np.full((32, 32, 3), k, np.uint8),
                        "label": 10 * k,
                        "coarse_label": k,
                        # The real test split has -1 there.
                        "noise_label": (99 - k if k % 2 else 10 * k)
                        if training
                        else -1,
                        "worker_id": -1,
                        "worker_time": -1.0,
                    },
                )

    class ControlledNoisyWebLabels(_REAL["controlled_noisy_web_labels"]):
        """The real set's features; splits of what it calls a red image etc."""

        def _split_generators(self, dl_manager):
            return {
                "train_40": self._generate_examples(_WEB_LABELS),
                "validation": self._generate_examples(
                    [("ILSVRC2012_val_00000001", 3, True)]
                ),
            }

        def _generate_examples(self, rows):
            for k, (name, label, is_clean) in enumerate(rows):
                image = np.full((84, 84, 3), k, np.uint8)
                image[:, ::2] = 200
                yield (
                    k,
                    {
                        "image": image,
                        "label": label,
                        "is_clean": is_clean,
                        "id": name,
                    },
                )


# Id, label, whether it is right.
_WEB_LABELS = [
    ("n0170432300000001", 0, True),
    ("n0170432300000002", 7, False),
    ("n0451500300000001", 1, True),
    ("n0451500300000009", 0, False),
    ("5922767e5677aef4", 1, False),
    ("n0210100600000001", 5, False),
]


def test_food101(tmp_path):
    """Its training labels have never been checked."""
    Food101(data_dir=tmp_path).download_and_prepare()

    def read(split):
        return load.load("food101", split, data_dir=str(tmp_path), image_size=8)

    train, validation = read("train"), read("validation")
    assert train.images.shape == (3, 8, 8, 3) and train.num_classes == 101
    assert train.class_names[0] == "apple_pie"
    assert train.clean_labels is None
    assert sorted(train.given_labels) == [0, 1, 2]
    np.testing.assert_array_equal(
        validation.clean_labels, validation.given_labels
    )
    with pytest.raises(errors.UserError, match="has no split 'test'; it has"):
        read("test")
    for split in ("train", "validation"):
        assert_streams_the_same(
            "food101", split, data_dir=str(tmp_path), image_size=8
        )


def test_labels_of_cifar100n(tmp_path):
    """People's labels beside CIFAR-100's own, in the published order."""
    Cifar100N(data_dir=tmp_path).download_and_prepare()
    train, test = (
        load.load("cifar100_n", split, data_dir=str(tmp_path))
        for split in ("train", "test")
    )
    assert train.ids.tolist() == [0, 1, 2, 3, 4, 5] == test.ids.tolist()
    np.testing.assert_array_equal(train.images[:, 0, 0, 0], train.ids)
    assert train.clean_labels.tolist() == [0, 10, 20, 30, 40, 50]
    np.testing.assert_array_equal(train.given_labels, train.clean_labels)
    noisy = train.human_labels
    assert list(noisy) == ["noisy100"] and test.human_labels == {}
    assert noisy["noisy100"].tolist() == [0, 98, 20, 96, 40, 94]
    made = manifest.inject(train, "human:noisy100", 0)
    np.testing.assert_array_equal(made.given_labels, noisy["noisy100"])
    with pytest.raises(errors.UserError, match="cifar100_n has noisy100"):
        manifest.inject(train, "human:worse", 0)


@pytest.fixture(scope="module")
def web_labels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("web_labels")
    ControlledNoisyWebLabels(data_dir=folder).download_and_prepare()
    return str(folder)


def test_what_is_known_of_web_labels(web_labels):
    """Of blue noise the truth, of images from the web that it is none."""

    def read(split):
        return load.load(
            "controlled_noisy_web_labels/mini_imagenet_red",
            split,
            data_dir=web_labels,
            image_size=84,
        )

    data = read("train_40")
    truth = {0: 0, 1: 0, 2: 1, 3: 1, 4: -1, 5: -1}
    # The images are resized to their own size: nothing happens.
    number = data.images[:, 0, 1, 0]
    assert sorted(number) == list(truth)
    assert (data.images[:, :, ::2] == 200).all()
    assert data.given_labels.tolist() == [_WEB_LABELS[k][1] for k in number]
    assert data.clean_labels.tolist() == [truth[k] for k in number]
    assert data.ids.tolist() == [0, 1, 2, 3, 4, 5]
    # A single wrong example: the others of the split tell its truth.
    for row, k in enumerate(number):
        part = read(f"train_40[{row}:{row + 1}]")
        assert part.clean_labels.tolist() == [truth[k]]
    clean = read("validation")
    assert clean.clean_labels.tolist() == clean.given_labels.tolist() == [3]
    assert_streams_the_same(
        "controlled_noisy_web_labels/mini_imagenet_red",
        "train_40",
        data_dir=web_labels,
        image_size=84,
    )


def test_web_labels_are_put_there_by_hand(tmp_path):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    with pytest.raises(
        errors.UserError, match=rf"not in {manual}: put them there as https"
    ) as caught:
        load.load(
            "controlled_noisy_web_labels",
            "train_40",
            data_dir=str(tmp_path),
            image_size=84,
        )
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == [manual.parent, manual]


@pytest.mark.parametrize(
    "name, message",
    [
        ("clothing1n", "did you mean clothing1m"),
        ("cifar1O", "no data set is called 'cifar1O'; did you mean cifar10"),
        ("digit", "did you mean digits"),
        ("glue", "glue is not an image classification set"),
        ("cifar10:9.9.9", "TFDS cannot open 'cifar10:9.9.9'"),
        ("tf_flowers", "differ in size.*--image_size"),
    ],
)
def test_names(name, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        load.load(name, "train")
    assert "\n" not in str(caught.value)


def test_no_network(tmp_path, monkeypatch):
    def fail(*_):
        raise socket.gaierror("no network")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for variable in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.upper(), raising=False)
    with pytest.raises(
        errors.UserError, match=r"fashion_mnist is not prepared.*no network"
    ) as caught:
        tfds_images.read("fashion_mnist", "train", data_dir=str(tmp_path))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_download_fails(tmp_path, monkeypatch):
    def fail(self):
        raise OSError("server is gone\nand more")

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [1])
    monkeypatch.setattr(
        tfds.core.GeneratorBasedBuilder, "download_and_prepare", fail
    )
    with pytest.raises(errors.UserError, match=r"server is gone$"):
        tfds_images.read("mnist", "train", data_dir=str(tmp_path))


def test_mirror():
    assert tfds_images.can_mirror("cifar10")
    assert tfds_images.can_mirror("fashion_mnist")
    for name in ("mnist", "mnist:3.0.1", "svhn_cropped", "emnist/digits"):
        assert not tfds_images.can_mirror(name)


def _cifar(name, split):
    if not tfds.builder(name).is_prepared():
        pytest.skip(f"{name} is not prepared in the TFDS directory")
    return load.load(name, split)


@pytest.mark.cifar
def test_published_order():
    data = _cifar("cifar10", "train")
    assert data.images.shape == (50000, 32, 32, 3)
    np.testing.assert_array_equal(data.ids, np.arange(50000))
    assert np.bincount(data.given_labels).tolist() == [5000] * 10
    # keras.datasets.cifar10 begins with these labels and with this pixel.
    first = [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4, 7]
    assert data.given_labels[:12].tolist() == first
    assert data.images[0, 0, 0].tolist() == [59, 62, 63]


@pytest.mark.cifar
def test_cifar_slices_keep_published_ids():
    part = _cifar("cifar100", "test[:2%]")
    assert len(part) == 200 and part.num_classes == 100
    assert part.class_names[98] == "woman"
    assert np.all(np.diff(part.ids) > 0) and part.ids.max() > 200


@pytest.mark.cifar
def test_human_labels():
    """Noise rates as published at noisylabels.com, in percent."""
    data = _cifar("cifar10_n", "train[:40%]")
    rates = {
        name: 100 * np.mean(labels != data.clean_labels)
        for name, labels in data.human_labels.items()
    }
    published = {
        "aggre": 9.03,
        "random1": 17.23,
        "random2": 18.12,
        "random3": 17.64,
        "worse": 40.21,
    }
    assert rates == pytest.approx(published, abs=1)
    np.testing.assert_array_equal(data.given_labels, data.clean_labels)


@pytest.mark.cifar
def test_no_human_labels_for_the_test_split():
    assert _cifar("cifar10_n", "test[:1%]").human_labels == {}
