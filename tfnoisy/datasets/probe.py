"""The probe set: a few trusted examples, balanced and interleaved.

Source: google-research/ieg.  It is held out of the training set before any
noise is added, with the same number of images for each class, and its order
is 0, 1, ..., C - 1, 0, 1, ..., so that every stretch of C images has all
classes.
"""

import dataclasses

import numpy as np

from tfnoisy import errors, randomness
from tfnoisy.datasets.sources import folder


def hold_out(dataset, ratio, seed):
    """Splits a training set into a probe set and the rest.

    Args:
        dataset: an `ImageDataset` before its noise, clean labels known.
        ratio: share of the N examples in (0, 1): the probe has
            floor(N * ratio) // C examples of each class.
        seed: the run's seed; the draw is a function of it and of the ids.

    Returns:
        (probe, rest): the probe's given labels are the clean ones; the rest
        keeps its order.

    Raises:
        UserError: if clean labels are unknown or a class has too few images.
    """
    if not 0.0 < ratio < 1.0:
        raise errors.UserError(
            f"--probe_dataset_hold_ratio is a share in (0, 1), not {ratio}"
        )
    if dataset.clean_labels is None:
        raise errors.UserError(
            f"the labels of {dataset.name} are not known to be clean, so no "
            "trusted images can be drawn from them: name your own with "
            "--probe_dir, --probe_csv or --probe_split"
        )
    size, classes = len(dataset), dataset.num_classes
    # 0.29 * 100 is 28.999...
    per_class = int(round(size * ratio, 6)) // classes
    if not per_class:
        raise errors.UserError(
            f"--probe_dataset_hold_ratio={ratio} of {size} images is less than "
            f"one for each of {classes} classes: it takes at least "
            f"{classes / size:.2g}"
        )
    trusted = dataclasses.replace(dataset, given_labels=dataset.clean_labels)
    rows = _balanced(trusted, per_class, seed, rest=1)
    kept = np.ones(size, bool)
    kept[rows] = False
    return trusted.take(rows), dataset.take(kept)


def read(probe_dir, probe_csv, training, *, image_size=None, seed=0):
    """Reads one's own probe set, of as many images a class as all have.

    Args:
        probe_dir: a folder of `CLASS/*.png|jpg`, or that of the CSV's paths.
        probe_csv: a CSV of path,given_label, or empty.
        training: the `ImageDataset` it belongs to: it has those classes, and
            that shape.
        image_size: the side that all images were resized to, if any.
        seed: of the order within a class.

    Returns:
        An `ImageDataset`, class-interleaved.

    Raises:
        UserError: for whatever is wrong with the files, or for a class
            without images.
    """
    probe = folder.read_like(
        probe_dir, probe_csv, training, image_size=image_size
    )
    return _of_all_classes(probe, seed)


def of_split(split, training, seed=0):
    """Returns a split's probe set, of as many images a class as all have.

    Args:
        split: an `ImageDataset` whose labels are known to be clean.
        training: the `ImageDataset` that it belongs to.
        seed: of the order within a class.

    Returns:
        An `ImageDataset`, class-interleaved.

    Raises:
        UserError: if clean labels are unknown, if a class has no images, or if
            the images are of another shape.
    """
    if split.clean_labels is None:
        raise errors.UserError(
            f"the labels of --probe_split of {split.name} are not known to be "
            "clean: name your own trusted images with --probe_dir or "
            "--probe_csv"
        )
    if split.images.shape[1:] != training.images.shape[1:]:
        raise errors.UserError(
            f"the images of --probe_split are {split.images.shape[1:]}, those "
            f"to train on {training.images.shape[1:]}: set --image_size"
        )
    return _of_all_classes(
        dataclasses.replace(split, given_labels=split.clean_labels), seed
    )


def _of_all_classes(probe, seed):
    counts = np.bincount(probe.given_labels, minlength=probe.num_classes)
    per_class = max(int(counts.min()), 1)
    return probe.take(_balanced(probe, per_class, seed))


def _balanced(dataset, per_class, seed, rest=0):
    """Returns rows, per_class of each class at random, class-interleaved.

    Args:
        dataset: an `ImageDataset`.
        per_class: how many of each class.
        seed: the run's seed.
        rest: how many of each class must remain.
    """
    draws = randomness.uniform_by_id(seed, "probe", dataset.num_ids, 1)
    lots = draws.numpy()[dataset.ids, 0]
    columns = []
    for label, name in enumerate(dataset.class_names):
        (rows,) = np.nonzero(dataset.given_labels == label)
        if len(rows) < per_class + rest:
            raise errors.UserError(
                f"the probe set wants {per_class} images of class {name}"
                + (f" and {rest} to train on" if rest else "")
                + f", {dataset.name} has {len(rows)}"
            )
        order = np.argsort(lots[rows], kind="stable")
        columns.append(rows[order[:per_class]])
    return np.stack(columns, axis=1).ravel()
