"""DivideMix's published noise files, bit for bit.

Li et al. 2020; what `dataloader_cifar.py` of the official code writes with its
default seed 123: Python's generator shuffles the indices 0..N-1, the first
int(r * N) are the noise set, and a pass in file order redraws their labels.
The count of redrawn labels is thus exact, unlike `flips.symmetric`.

The draws of one example depend on all the others: this noise needs the whole
training set in its published order, and the run's seed does not change it.
"""

import hashlib
import json
import random

import numpy as np

from tfnoisy import errors

SEED = 123

# The first 16 hex digits of the sha256 of the JSON text, by classes and spec.
PUBLISHED = {
    (10, "dividemix_sym:0.2"): "0b9b65c5f7ec0011",
    (10, "dividemix_sym:0.5"): "42bc3f767a847053",
    (10, "dividemix_sym:0.8"): "9031fecf72f8b533",
    (10, "dividemix_sym:0.9"): "c21f528ffd0fa1c5",
    (10, "dividemix_asym:0.4"): "b167340286c0c14d",
    (100, "dividemix_sym:0.2"): "56711792fbca76d1",
    (100, "dividemix_sym:0.5"): "1eeaefce25864e4c",
    (100, "dividemix_sym:0.8"): "e1cfd983b2c9fac8",
    (100, "dividemix_sym:0.9"): "0dfe091db6ea8c13",
}


def symmetric(clean_labels, num_classes, rate):
    """Returns int64 [N]: `{rate}_sym.json`, the true class may be drawn.

    Args:
        clean_labels: int64 [N] in [0, C), in the published order.
        num_classes: C.
        rate: the share of labels redrawn, in [0, 1].
    """
    generator, noise_set = _noise_set(len(clean_labels), rate)
    labels = clean_labels.copy()
    for index in noise_set:
        labels[index] = generator.randint(0, num_classes - 1)
    return labels


def asymmetric(clean_labels, class_map, rate):
    """Returns int64 [N]: `{rate}_asym.json`.

    The noise set is drawn over all classes: with CIFAR-10's map about half of
    it lies in classes that keep their labels.

    Args:
        clean_labels: int64 [N] in [0, C), in the published order.
        class_map: int64 [C], the class that each class is flipped to.
        rate: the share of labels mapped, in [0, 1].
    """
    _, noise_set = _noise_set(len(clean_labels), rate)
    labels = clean_labels.copy()
    labels[noise_set] = class_map[labels[noise_set]]
    return labels


def in_published_order(ids, clean_labels, spec_text):
    """Returns int64 [N], the labels sorted by id.

    Raises:
        UserError: unless the ids are 0..N-1.
    """
    ordered = np.argsort(ids)
    if not np.array_equal(ids[ordered], np.arange(len(ids))):
        raise errors.UserError(
            f"noise '{spec_text}' needs the whole training set, ids 0 to N-1; "
            "this is a part of one: make the manifest for the whole set and "
            "pass it with --noise_manifest"
        )
    return clean_labels[ordered]


def sha256(given_labels):
    """Returns the first 16 hex digits of the sha256 of the file's JSON text.

    Args:
        given_labels: int64 [N] in the published order.
    """
    text = json.dumps(np.asarray(given_labels).tolist())
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def verdict(given_labels, num_classes, spec_text):
    """Returns one line that says whether this is the published file."""
    found = sha256(given_labels)
    published = PUBLISHED.get((num_classes, spec_text))
    if published is None:
        return f"DivideMix file: sha256 {found} (none was published for this)"
    if found == published:
        return f"DivideMix file: sha256 {found}, the published one"
    return (
        f"DivideMix file: sha256 {found}, NOT the published {published}: these "
        "data are not CIFAR's training set in the published order"
    )


def _noise_set(num_examples, rate):
    """Returns the generator after the shuffle and the noise set, ascending."""
    generator = random.Random(SEED)
    indices = list(range(num_examples))
    generator.shuffle(indices)
    return generator, sorted(indices[: int(rate * num_examples)])
