import hashlib
import json
import random

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.noise import class_maps, dividemix_files

CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

# As DivideMix's dataloader_cifar.py writes them with seed 123: wrong labels and
# the first twelve labels.
TABLE = {
    (10, "dividemix_sym:0.2"): (8972, "6 9 9 4 1 1 8 7 8 5 4 7"),
    (10, "dividemix_sym:0.5"): (22484, "8 5 9 4 1 8 3 7 6 2 4 7"),
    (10, "dividemix_sym:0.8"): (36036, "8 5 8 3 6 2 9 7 9 7 1 0"),
    (10, "dividemix_sym:0.9"): (40393, "8 5 8 3 6 2 9 7 9 7 1 0"),
    (10, "dividemix_asym:0.4"): (10010, "6 1 9 4 1 1 0 7 8 5 4 7"),
    (100, "dividemix_sym:0.2"): (9890, "19 29 0 11 1 86 66 28 23 46 39 96"),
    (100, "dividemix_sym:0.5"): (24751, "66 46 0 11 1 71 25 28 50 20 39 96"),
    (100, "dividemix_sym:0.8"): (39611, "66 46 71 25 50 20 77 28 76 59 8 2"),
    (100, "dividemix_sym:0.9"): (44539, "66 46 71 25 50 20 77 28 76 59 8 2"),
}
# The first twelve labels of the published training sets.
FIRST = {
    10: [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 4, 7],
    100: [19, 29, 0, 11, 1, 86, 90, 28, 23, 31, 39, 96],
}


def _noisy(clean, num_classes, spec_text):
    kind, rate = spec_text.split(":")
    if kind == "dividemix_asym":
        class_map = class_maps.asymmetric(CIFAR10)
        return dividemix_files.asymmetric(clean, class_map, float(rate))
    return dividemix_files.symmetric(clean, num_classes, float(rate))


def test_the_table_names_the_published_files():
    assert set(TABLE) == set(dividemix_files.PUBLISHED)


@pytest.mark.parametrize("num_classes, spec_text", TABLE)
def test_first_labels_of_the_published_files(num_classes, spec_text):
    # The draws do not look at the labels: twelve true ones are enough.
    clean = np.zeros(50000, np.int64)
    clean[:12] = FIRST[num_classes]
    noisy = _noisy(clean, num_classes, spec_text)
    first = TABLE[num_classes, spec_text][1]
    assert " ".join(map(str, noisy[:12])) == first
    assert np.array_equal(clean[:12], FIRST[num_classes])


def _published_labels(name):
    """Returns the training labels by id, or skips where there are none."""
    tfds = pytest.importorskip("tensorflow_datasets")
    try:
        split = tfds.load(
            name,
            split="train",
            download=False,
            decoders=tfds.decode.PartialDecoding({"id": True, "label": True}),
        )
    except Exception as error:
        pytest.skip(f"{name} is not in the TFDS directory: {error!r:.80}")
    rows = next(iter(split.batch(60000).as_numpy_iterator()))
    labels = np.empty(len(rows["id"]), np.int64)
    ids = [int(text.rsplit(b"_", 1)[1]) for text in rows["id"]]
    labels[ids] = rows["label"]
    return labels


@pytest.fixture(scope="module")
def labels_of():
    cache = {}

    def get(num_classes):
        if num_classes not in cache:
            cache[num_classes] = _published_labels(f"cifar{num_classes}")
        clean = cache[num_classes]
        if clean[:12].tolist() != FIRST[num_classes]:
            pytest.skip(
                f"this machine's cifar{num_classes} is not in the published "
                "order, so the published noise cannot come out"
            )
        return clean

    return get


@pytest.mark.cifar
@pytest.mark.parametrize("num_classes, spec_text", TABLE)
def test_published_files_bit_for_bit(labels_of, num_classes, spec_text):
    clean = labels_of(num_classes)
    noisy = _noisy(clean, num_classes, spec_text)
    assert np.count_nonzero(noisy != clean) == TABLE[num_classes, spec_text][0]
    published = dividemix_files.PUBLISHED[num_classes, spec_text]
    assert dividemix_files.sha256(noisy) == published
    assert "the published one" in dividemix_files.verdict(
        noisy, num_classes, spec_text
    )


@pytest.mark.cifar
def test_published_asymmetric_class_counts(labels_of):
    noisy = _noisy(labels_of(10), 10, "dividemix_asym:0.4")
    counts = "7010 7008 2990 4991 2961 5009 5000 7039 5000 2992"
    assert " ".join(map(str, np.bincount(noisy))) == counts


def test_the_noise_set_is_the_start_of_pythons_shuffle():
    _, noise_set = dividemix_files._noise_set(50000, 5 / 50000)
    start = [38712, 34233, 25555, 46929, 30485]
    assert noise_set == sorted(start)


@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_the_count_of_the_noise_set_is_exact(rate):
    _, noise_set = dividemix_files._noise_set(1797, rate)
    assert len(set(noise_set)) == int(rate * 1797)


def test_symmetric_rate_and_asymmetric_classes():
    clean = np.arange(20000) % 10
    noisy = dividemix_files.symmetric(clean, 10, 0.5)
    assert abs(np.mean(noisy != clean) - 0.45) < 0.01
    noisy = _noisy(clean, 10, "dividemix_asym:0.4")
    stays = np.isin(clean, [0, 1, 6, 7, 8])
    assert np.array_equal(noisy[stays], clean[stays])
    assert abs(np.mean((noisy != clean)[~stays]) - 0.4) < 0.02


def test_sha256_is_that_of_pythons_json():
    text = "[3, 1, 2]"
    assert json.dumps([3, 1, 2]) == text
    expected = hashlib.sha256(text.encode()).hexdigest()[:16]
    assert dividemix_files.sha256(np.array([3, 1, 2])) == expected


def test_other_labels_are_told_from_the_published_ones():
    clean = np.arange(100) % 10
    said = dividemix_files.verdict(clean, 10, "dividemix_sym:0.2")
    assert "NOT the published 0b9b65c5f7ec0011" in said
    said = dividemix_files.verdict(clean, 10, "dividemix_sym:0.3")
    assert "none was published" in said


def test_ids_must_be_the_whole_set():
    labels = np.array([5, 6, 7])
    ids = np.array([2, 0, 1])
    ordered = dividemix_files.in_published_order(ids, labels, "x")
    assert ordered.tolist() == [6, 7, 5]
    with pytest.raises(errors.UserError, match="ids 0 to N-1"):
        dividemix_files.in_published_order(ids + 1, labels, "x")


def test_pythons_global_generator_is_left_alone():
    random.seed(7)
    expected = random.random()
    random.seed(7)
    dividemix_files.symmetric(np.zeros(10, np.int64), 10, 0.5)
    assert random.random() == expected
