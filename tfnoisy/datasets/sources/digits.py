"""scikit-learn's handwritten digits: the data set that needs no network.

1,797 grey images of 8 x 8 pixels (the test part of UCI's "Optical Recognition
of Handwritten Digits").  scikit-learn publishes no split, so tfnoisy fixes
one by a rule: of each class, in the published order, 36 evenly spaced images
are the test set.  That gives 1,437 training and 360 test images.
"""

import importlib.util
import pathlib

import numpy as np

from tfnoisy import errors
from tfnoisy.datasets import arrays, dataset, splits

TEST_IMAGES_PER_CLASS = 36


def read(split, image_size=None):
    """Reads the digits.

    Args:
        split: `train` or `test`, or a slice of one.
        image_size: height and width to resize to; None keeps 8 x 8.

    Returns:
        An `ImageDataset` of one channel, its pixels 0..16 scaled to 0..255,
        whose ids count the examples of the split in the published order.

    Raises:
        UserError: if there is no such split.
    """
    name = splits.base(split)
    if name not in ("train", "test"):
        raise errors.UserError(
            f"digits has no split {name!r}; it has train and test"
        )
    images, labels = _published()
    in_test = _test_mask(labels)
    (published,) = np.nonzero(in_test if name == "test" else ~in_test)
    start, stop = splits.bounds(split, len(published))
    rows = published[start:stop]
    pixels = np.round(images[rows] * (255 / 16)).astype(np.uint8)
    labels = labels[rows]
    return dataset.ImageDataset(
        name="digits",
        images=np.asarray(arrays.resize(pixels[..., np.newaxis], image_size)),
        given_labels=labels,
        clean_labels=labels.copy(),
        ids=np.arange(start, stop),
        class_names=tuple(str(digit) for digit in range(10)),
        mirror=False,
    )


def _published():
    """Returns images [1797, 8, 8], 0..16, and labels int64 [1797].

    As `sklearn.datasets.load_digits` does, without a second of importing
    scikit-learn: each row of its file is an image's pixels and its label.
    """
    package = importlib.util.find_spec("sklearn").submodule_search_locations[0]
    file = pathlib.Path(package) / "datasets" / "data" / "digits.csv.gz"
    rows = np.loadtxt(file, delimiter=",")
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1].astype(np.int64)


def _test_mask(labels):
    """Returns bool [N]: every (n/36)th image of a class of n is True."""
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        (rows,) = np.nonzero(labels == label)
        steps = np.arange(len(rows) + 1) * TEST_IMAGES_PER_CLASS // len(rows)
        mask[rows[np.diff(steps) > 0]] = True
    return mask
