import hashlib
import struct

import numpy as np
import pytest

from tfnoisy.datasets import dataset as dataset_lib


def make_dataset(**changes):
    fields = {
        "name": "shapes",
        "images": np.arange(5 * 4, dtype=np.uint8).reshape(5, 2, 2, 1),
        "given_labels": np.array([0, 1, 2, 1, 0]),
        "clean_labels": np.array([0, 1, 1, -1, 0]),
        "ids": np.array([7, 3, 9, 0, 4]),
        "class_names": ("square", "circle", "star"),
        "human_labels": {"worse": np.array([2, 2, 1, 1, 0])},
        "paths": ("a.png", "b.png", "c.png", "d.png", "e.png"),
        **changes,
    }
    return dataset_lib.ImageDataset(**fields)


def test_sizes():
    dataset = make_dataset()
    assert len(dataset) == 5
    assert dataset.num_classes == 3
    assert dataset.num_ids == 10
    assert dataset.mirror


@pytest.mark.parametrize(
    "rows",
    [
        np.array([3, 0]),
        np.array([True, False, False, True, False]),
        slice(1, 3),
        np.array([], int),
    ],
)
def test_take_picks_the_same_rows_of_everything(rows):
    dataset = make_dataset(mirror=False)
    taken = dataset.take(rows)
    picked = np.arange(5)[rows]
    assert len(taken) == len(picked)
    for field in ("images", "given_labels", "clean_labels", "ids"):
        expected = getattr(dataset, field)[picked]
        np.testing.assert_array_equal(getattr(taken, field), expected)
        assert getattr(taken, field).dtype == expected.dtype
    np.testing.assert_array_equal(
        taken.human_labels["worse"], dataset.human_labels["worse"][picked]
    )
    assert taken.paths == tuple(dataset.paths[row] for row in picked)
    assert (taken.name, taken.mirror) == ("shapes", False)
    assert taken.class_names == dataset.class_names
    # The whole is untouched.
    assert len(dataset) == 5 and len(dataset.human_labels["worse"]) == 5


def test_take_leaves_out_what_is_not_known():
    taken = make_dataset(clean_labels=None, paths=None, human_labels={}).take(
        np.array([1])
    )
    assert taken.clean_labels is None
    assert taken.paths is None
    assert taken.human_labels == {}


def test_labels_sha256_is_that_of_the_published_order():
    # By hand: the sorted ids, then their labels, as 8-byte integers.
    ids, labels = (0, 3, 4, 7, 9), (1, 1, 0, 0, 2)
    expected = hashlib.sha256(struct.pack("<10q", *ids, *labels)).hexdigest()
    dataset = make_dataset()
    assert dataset.labels_sha256() == expected
    assert dataset.take(np.array([4, 2, 0, 1, 3])).labels_sha256() == expected
    # Neither the truth nor the type of the integers matters.
    assert make_dataset(clean_labels=None).labels_sha256() == expected
    narrow = make_dataset(given_labels=np.array([0, 1, 2, 1, 0], np.int32))
    assert narrow.labels_sha256() == expected


def test_labels_sha256_tells_other_labels_and_slices():
    dataset = make_dataset()
    digests = {
        dataset.labels_sha256(),
        make_dataset(given_labels=np.array([0, 1, 2, 0, 1])).labels_sha256(),
        make_dataset(ids=np.array([7, 3, 9, 1, 4])).labels_sha256(),
        dataset.take(np.arange(4)).labels_sha256(),
    }
    assert len(digests) == 4
