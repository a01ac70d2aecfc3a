"""From a data set with clean labels and a noise to the given labels."""

import difflib

import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.noise import class_maps, dividemix_files, flips, instance


def uniforms(seed, ids):
    """Returns float64 [N, 2] in [0, 1), each row a function of (seed, id).

    Every kind of noise uses the first column to choose the example and the
    second for what becomes of it.
    """
    # On the CPU, so that a machine with a GPU makes the same manifest.
    with tf.device("CPU:0"):
        draws = randomness.uniform_by_id(seed, "noise", int(ids.max()) + 1, 2)
    return draws.numpy()[ids].astype(np.float64)


def given_labels(dataset, spec, seed):
    """Returns int64 [N], the labels after noise, in the data set's order.

    Args:
        dataset: an ImageDataset with known clean labels.
        spec: a NoiseSpec of any kind but `none` and `openset`.
        seed: the run's seed.

    Raises:
        UserError: if these data cannot have this noise.
    """
    clean, classes = dataset.clean_labels, dataset.num_classes
    if spec.kind == "human":
        return _human(dataset, spec)
    if spec.kind.startswith("dividemix"):
        return _dividemix(dataset, spec)
    draws = uniforms(seed, dataset.ids)
    if spec.kind == "symmetric":
        return flips.symmetric(clean, classes, spec.rate, draws)
    if spec.kind == "symmetric_exclusive":
        return flips.symmetric_exclusive(clean, classes, spec.rate, draws)
    if spec.kind == "asymmetric":
        class_map = class_maps.asymmetric(dataset.class_names)
        return flips.mapped(clean, class_map, spec.rate, draws)
    if spec.kind == "pairflip":
        return flips.mapped(clean, class_maps.ring(classes), spec.rate, draws)
    if spec.kind == "instance":
        return instance.given_labels(
            dataset.images, clean, classes, spec.rate, seed, draws
        )
    raise ValueError(f"{spec} has no label model")


def _dividemix(dataset, spec):
    clean = dividemix_files.in_published_order(
        dataset.ids, dataset.clean_labels, spec
    )
    if spec.kind == "dividemix_asym":
        class_map = class_maps.cifar10_only(dataset.class_names, spec)
        noisy = dividemix_files.asymmetric(clean, class_map, spec.rate)
    else:
        noisy = dividemix_files.symmetric(clean, dataset.num_classes, spec.rate)
    return noisy[dataset.ids]


def _human(dataset, spec):
    """Returns one of the label sets that people gave."""
    known = dataset.human_labels
    if spec.source in known:
        return known[spec.source]
    if not known:
        hint = f"{dataset.name} has no human labels; cifar10_n has"
    else:
        near = difflib.get_close_matches(spec.source, known, n=1)
        hint = f"did you mean human:{near[0]}? " if near else ""
        hint += f"{dataset.name} has {', '.join(known)}"
    raise errors.UserError(f"noise '{spec}': {hint}")
