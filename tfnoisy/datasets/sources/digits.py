"""scikit-learn's handwritten digits: the data set that needs no network.

1,797 grey images of 8 x 8 pixels (the test part of UCI's "Optical Recognition
of Handwritten Digits").  scikit-learn publishes no split, so tfnoisy fixes
one by a rule: of each class, in the published order, 36 evenly spaced images
are the test set.  That gives 1,437 training and 360 test images.
"""

import numpy as np
from sklearn import datasets as sklearn_datasets

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
    bunch = sklearn_datasets.load_digits()
    in_test = _test_mask(bunch.target)
    (published,) = np.nonzero(in_test if name == "test" else ~in_test)
    start, stop = splits.bounds(split, len(published))
    rows = published[start:stop]
    pixels = np.round(bunch.images[rows] * (255 / 16)).astype(np.uint8)
    labels = bunch.target[rows].astype(np.int64)
    return dataset.ImageDataset(
        name="digits",
        images=np.asarray(arrays.resize(pixels[..., np.newaxis], image_size)),
        given_labels=labels,
        clean_labels=labels.copy(),
        ids=np.arange(start, stop),
        class_names=tuple(str(name) for name in bunch.target_names),
        mirror=False,
    )


def _test_mask(labels):
    """Returns bool [N]: every (n/36)th image of a class of n is True."""
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        (rows,) = np.nonzero(labels == label)
        steps = np.arange(len(rows) + 1) * TEST_IMAGES_PER_CLASS // len(rows)
        mask[rows[np.diff(steps) > 0]] = True
    return mask
