"""Training sets with a long tail: each class smaller than the one before.

Cui, Jia, Lin, Song, Belongie, "Class-Balanced Loss Based on Effective Number of
Samples", CVPR 2019 (arXiv 1901.05555), section 5.1: class k of C keeps
int(n f^(k / (C - 1))) of n images.
"""

import numpy as np

from tfnoisy import errors


def sizes(largest, factor, num_classes):
    """Returns how many images each class keeps, a list of C integers.

    Args:
        largest: n, images of the largest class.
        factor: f in (0, 1], the share that the last class keeps.
        num_classes: C.
    """
    last = max(1, num_classes - 1)
    return [
        max(1, int(largest * factor ** (k / last))) for k in range(num_classes)
    ]


def of(dataset, factor):
    """Returns the part of a data set that has a long tail.

    Each class keeps its first images, in the order of their ids.

    Args:
        dataset: an `ImageDataset`.
        factor: f in (0, 1].

    Raises:
        UserError: if the factor is out of range.
    """
    if not 0 < factor <= 1:
        raise errors.UserError(
            f"--imbalance={factor}: the share that the last class keeps is "
            "above 0 and at most 1"
        )
    labels = dataset.given_labels
    counts = np.bincount(labels, minlength=dataset.num_classes)
    wanted = sizes(int(counts.max()), factor, dataset.num_classes)
    order = np.argsort(dataset.ids, kind="stable")
    kept = np.zeros(len(dataset), bool)
    for label, size in enumerate(wanted):
        kept[order[labels[order] == label][:size]] = True
    return dataset.take(kept)
