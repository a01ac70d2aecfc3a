import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import odd_bytes
from tfnoisy import errors
from tfnoisy.datasets.sources import digits, tfrecords

IMAGE = tf.io.encode_png(np.arange(75, dtype=np.uint8).reshape(5, 5, 3))


def record(image=IMAGE, **labels):
    """A record as the original's converter wrote it."""
    keys = {
        "label": "image/class/label",
        "fine": "image/class/fine_label",
        "coarse": "image/class/coarse_label",
    }
    feature = {
        keys[name]: tf.train.Feature(
            int64_list=tf.train.Int64List(value=[label])
        )
        for name, label in labels.items()
    }
    for key, text in (
        ("image/encoded", image.numpy()),
        ("image/format", b"png"),
    ):
        feature[key] = tf.train.Feature(
            bytes_list=tf.train.BytesList(value=[text])
        )
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString()


def write(path, *records):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for serialized in records:
            writer.write(serialized)


@pytest.fixture(scope="module")
def noisy():
    """Digits with some wrong labels, rows in an order of their own."""
    data = digits.read("train[:43]").take(np.arange(43)[::-1])
    wrong = data.given_labels.copy()
    wrong[::4] = (wrong[::4] + 1) % 10
    return dataclasses.replace(data, given_labels=wrong)


def test_roundtrip(noisy, tmp_path):
    tfrecords.write(noisy, "train", tmp_path)
    shards = sorted(path.name for path in tmp_path.glob("digits_train-*"))
    assert len(shards) == 10
    assert shards[3] == "digits_train-00003-of-00010"
    data = tfrecords.read("digits", "train", data_dir=tmp_path)
    expected = noisy.take(np.argsort(noisy.ids))
    for field in ("images", "given_labels", "clean_labels", "ids"):
        np.testing.assert_array_equal(
            getattr(data, field), getattr(expected, field)
        )
    assert data.class_names == noisy.class_names and not data.mirror


def test_slices_keep_ids(noisy, tmp_path):
    tfrecords.write(noisy.take(noisy.ids >= 10), "train", tmp_path)
    data = tfrecords.read("digits", "train[30:]", data_dir=tmp_path)
    assert data.ids.tolist() == [40, 41, 42]


def test_cifar100_as_the_original_wrote_it(tmp_path):
    """Trains on label, tests on fine_label, whatever label says there."""
    train = tmp_path / "0.4"
    write(
        train / "cifar100_train-00000-of-00002",
        record(label=7, fine=3),
        record(label=4, fine=4),
    )
    write(train / "cifar100_train-00001-of-00002", record(label=99, fine=98))
    write(
        tmp_path / "val/cifar100_test-00000-of-00001",
        record(label=1, fine=50, coarse=1),
    )
    data = tfrecords.read("cifar100", "train", data_dir=train)
    assert data.given_labels.tolist() == [7, 4, 99]
    assert data.clean_labels.tolist() == [3, 4, 98]
    assert data.ids.tolist() == [0, 1, 2]
    assert data.num_classes == 100 and data.mirror
    assert data.images.shape == (3, 5, 5, 3) and data.images[0, 4, 4, 2] == 74
    last = tfrecords.read("cifar100", "train[2:]", data_dir=train)
    assert last.ids.tolist() == [2] and last.given_labels.tolist() == [99]
    for folder in (train, tmp_path, tmp_path / "val"):
        test = tfrecords.read("cifar100", "test", data_dir=folder)
        assert test.given_labels.tolist() == [50]
        assert test.clean_labels.tolist() == [50]


def test_cifar10_as_the_original_wrote_it(tmp_path):
    write(tmp_path / "cifar10_train-00000-of-00001", record(label=7))
    write(tmp_path / "cifar10_test-00000-of-00001", record(label=9))
    train = tfrecords.read("cifar10", "train", data_dir=tmp_path)
    assert train.clean_labels is None and train.num_classes == 10
    test = tfrecords.read("cifar10", "test", data_dir=tmp_path)
    assert test.given_labels.tolist() == test.clean_labels.tolist() == [9]


def test_cifar100_without_label_falls_back_to_the_other(tmp_path):
    write(tmp_path / "cifar100_train-0", record(fine=31))
    write(tmp_path / "cifar100_test-0", record(label=32))
    train = tfrecords.read("cifar100", "train", data_dir=tmp_path)
    assert train.given_labels.tolist() == [31] and train.clean_labels is None
    test = tfrecords.read("cifar100", "test", data_dir=tmp_path)
    assert test.given_labels.tolist() == [32]


def test_unknown_and_open_set_truth(noisy, tmp_path):
    unknown = dataclasses.replace(noisy, clean_labels=None)
    tfrecords.write(unknown, "train", tmp_path)
    data = tfrecords.read("digits", "train", data_dir=tmp_path)
    assert data.clean_labels is None
    open_set = np.full(len(noisy), -1)
    tfrecords.write(
        dataclasses.replace(noisy, clean_labels=open_set), "train", tmp_path
    )
    data = tfrecords.read("digits", "train", data_dir=tmp_path)
    np.testing.assert_array_equal(data.clean_labels, open_set)


def test_cifar100_is_written_with_a_fine_label(noisy, tmp_path):
    named = dataclasses.replace(noisy, name="cifar100")
    tfrecords.write(named, "train", tmp_path)
    path = str(tmp_path / "cifar100_train-00000-of-00010")
    serialized = next(tf.data.TFRecordDataset(path).as_numpy_iterator())
    feature = tf.train.Example.FromString(serialized).features.feature
    row = int(np.argmin(noisy.ids))
    assert feature["image/class/label"].int64_list.value == [
        noisy.given_labels[row]
    ]
    assert feature["image/class/fine_label"].int64_list.value == [
        noisy.clean_labels[row]
    ]
    assert feature["image/format"].bytes_list.value == [b"png"]


def test_names():
    assert tfrecords.prefix("imagenette/160px-v2") == "imagenette-160px-v2"
    assert tfrecords.prefix("cifar10_n") == "cifar10_n"


def test_one_name_that_begins_like_another(noisy, tmp_path):
    named = dataclasses.replace(noisy, name="cifar10_n")
    tfrecords.write(named, "train", tmp_path)
    assert tfrecords.holds(tmp_path, "cifar10_n")
    assert not tfrecords.holds(tmp_path, "cifar10")


def test_images_of_different_size(tmp_path):
    small = tf.io.encode_png(np.full([3, 4, 3], 9, np.uint8))
    path = tmp_path / "cifar10_train-0"
    write(path, record(label=1), record(small, label=2))
    with pytest.raises(errors.UserError, match=r"record 2 .*--image_size"):
        tfrecords.read("cifar10", "train", data_dir=tmp_path)
    data = tfrecords.read("cifar10", "train", data_dir=tmp_path, image_size=4)
    assert data.images.shape == (2, 4, 4, 3)
    assert np.all(data.images[1] == 9)


@pytest.mark.parametrize(
    "records, message",
    [
        ([record(label=1), record()], "record 2 with no given label"),
        ([record(label=10)], "1 records .* range 0..9; .* given label 10"),
        ([record(label=1), b"x"], "cifar10_train-0: record 2 holds no image"),
        (
            [record(tf.constant(b"?"), label=1)],
            "cifar10_train-0: record 1 holds no image",
        ),
    ],
)
def test_bad_records(tmp_path, records, message):
    write(tmp_path / "cifar10_train-0", *records)
    with pytest.raises(errors.UserError, match=message):
        tfrecords.read("cifar10", "train", data_dir=tmp_path)


def test_damaged_file(tmp_path):
    path = tmp_path / "cifar10_train-0"
    write(path, record(label=1), record(label=2))
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(
        errors.UserError, match=r"train-0: damaged after rec.* 1"
    ):
        tfrecords.read("cifar10", "train", data_dir=tmp_path)


def test_missing_files(noisy, tmp_path):
    with pytest.raises(errors.UserError, match="no TFRecords digits_train-"):
        tfrecords.read("digits", "train", data_dir=tmp_path)
    tfrecords.write(noisy, "train", tmp_path)
    with pytest.raises(errors.UserError, match=r"digits_test-.* or .*val"):
        tfrecords.read("digits", "test", data_dir=tmp_path)
    (tmp_path / "digits_train-00004-of-00010").unlink()
    with pytest.raises(errors.UserError, match=r"one whole set .*9 of 00010"):
        tfrecords.read("digits", "train", data_dir=tmp_path)


def test_unknown_classes(noisy, tmp_path):
    named = dataclasses.replace(noisy, name="own-set")
    tfrecords.write(named, "train", tmp_path)
    assert (
        tfrecords.read("own-set", "train", data_dir=tmp_path).num_classes == 10
    )
    (tmp_path / tfrecords.CLASS_NAMES).unlink()
    with pytest.raises(errors.UserError, match=r"class_names.txt is missing"):
        tfrecords.read("own-set", "train", data_dir=tmp_path)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Returns a path of records, and the bytes of good ones."""
    path = tmp_path_factory.mktemp("records") / "cifar10_train-0"
    write(path, record(label=7), record(label=0))
    return path, path.read_bytes()


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whatever_the_bytes_are_they_are_read_or_refused(records, data):
    path, good = records
    path.write_bytes(data.draw(odd_bytes.anything(good)))
    try:
        found = tfrecords.read("cifar10", "train", data_dir=path.parent)
    except errors.UserError as error:
        # What has no record is empty, not damaged.
        assert path.name in str(error) or "is empty" in str(error)
        return
    # A checksum is over each record.
    assert found.given_labels.tolist() in ([7, 0], [7])


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_and_so_is_a_record_of_other_contents(records, data):
    path, _ = records
    write(path, data.draw(odd_bytes.anything(record(label=7))))
    try:
        found = tfrecords.read("cifar10", "train", data_dir=path.parent)
    except errors.UserError as error:
        assert "cifar10_train-" in str(error)
        return
    assert 0 <= found.given_labels[0] < 10 and found.images.ndim == 4
