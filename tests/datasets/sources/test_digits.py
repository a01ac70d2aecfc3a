import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from tfnoisy import errors
from tfnoisy.datasets.sources import digits


def test_split_is_fixed_balanced_and_whole():
    train, test = digits.read("train"), digits.read("test")
    assert len(train) == 1437 and len(test) == 360
    assert np.bincount(test.given_labels).tolist() == [36] * 10
    both = np.concatenate([train.images, test.images])
    published = np.round(sklearn_datasets.load_digits().images * 15.9375)
    assert sorted(map(bytes, both)) == sorted(
        map(bytes, published.astype(np.uint8)[..., None])
    )
    # The rule, spelt out for zeros: of 178 the k-th is a test image where
    # k * 36 / 178 passes an integer.
    target = sklearn_datasets.load_digits().target
    (zeros,) = np.nonzero(target == 0)
    picked = [k for k in range(178) if (k + 1) * 36 // 178 > k * 36 // 178]
    np.testing.assert_array_equal(
        test.images[test.given_labels == 0][..., 0],
        published[zeros[picked]],
    )


def test_dataset():
    data = digits.read("train")
    assert data.images.shape == (1437, 8, 8, 1)
    assert data.images.dtype == np.uint8
    assert data.images.min() == 0 and data.images.max() == 255
    assert data.class_names == tuple("0123456789")
    assert not data.mirror
    np.testing.assert_array_equal(data.ids, np.arange(1437))
    np.testing.assert_array_equal(data.given_labels, data.clean_labels)
    assert not np.shares_memory(data.given_labels, data.clean_labels)


def test_slices_are_rows_of_the_whole():
    whole, part = digits.read("train"), digits.read("train[80%:]")
    np.testing.assert_array_equal(part.ids, np.arange(1150, 1437))
    np.testing.assert_array_equal(part.images, whole.images[1150:])
    np.testing.assert_array_equal(part.given_labels, whole.given_labels[1150:])


def test_image_size():
    assert digits.read("test", image_size=16).images.shape == (360, 16, 16, 1)


def test_unknown_split():
    with pytest.raises(
        errors.UserError, match=r"no split 'val'.*train and tes"
    ):
        digits.read("val")


def test_they_are_scikit_learns():
    published = sklearn_datasets.load_digits()
    images, labels = digits._published()
    np.testing.assert_array_equal(images, published.images)
    np.testing.assert_array_equal(labels, published.target)
    np.testing.assert_array_equal(published.target_names, range(10))
