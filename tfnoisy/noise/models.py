"""From a data set with clean labels and a noise to the given labels."""

import difflib

import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.catalogue import noises
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
        spec: a NoiseSpec.
        seed: the run's seed.

    Raises:
        UserError: if these data cannot have this noise, or if what a plugin
            returns is not a label for each example.
    """
    entry = noises.NOISE_KINDS[spec.kind]
    labels = np.asarray(entry.load()(dataset, spec, seed))
    if (
        labels.shape != dataset.clean_labels.shape
        or not np.issubdtype(labels.dtype, np.integer)
        or (labels < 0).any()
        or (labels >= dataset.num_classes).any()
    ):
        raise errors.UserError(
            f"noise '{spec}' of {entry.module} should return {len(dataset)} "
            f"integers in 0..{dataset.num_classes - 1}, not {labels.dtype} "
            f"{list(labels.shape)}"
        )
    return labels.astype(np.int64)


def without_labels(dataset, spec, seed):
    """Is what `none` and `openset` have: they leave the labels alone."""
    del dataset, seed
    raise ValueError(f"{spec} has no label model")


def symmetric(dataset, spec, seed):
    """See `flips.symmetric`."""
    return flips.symmetric(
        dataset.clean_labels,
        dataset.num_classes,
        spec.rate,
        uniforms(seed, dataset.ids),
    )


def symmetric_exclusive(dataset, spec, seed):
    """See `flips.symmetric_exclusive`."""
    return flips.symmetric_exclusive(
        dataset.clean_labels,
        dataset.num_classes,
        spec.rate,
        uniforms(seed, dataset.ids),
    )


def asymmetric(dataset, spec, seed):
    """See `class_maps.asymmetric` and `flips.mapped`."""
    return _mapped(
        dataset, class_maps.asymmetric(dataset.class_names), spec, seed
    )


def pairflip(dataset, spec, seed):
    """Flips each class to the next one, see `flips.mapped`."""
    return _mapped(dataset, class_maps.ring(dataset.num_classes), spec, seed)


def _mapped(dataset, class_map, spec, seed):
    return flips.mapped(
        dataset.clean_labels,
        class_map,
        spec.rate,
        uniforms(seed, dataset.ids),
    )


def instance_dependent(dataset, spec, seed):
    """See `instance.given_labels`."""
    return instance.given_labels(
        dataset.images,
        dataset.clean_labels,
        dataset.num_classes,
        spec.rate,
        seed,
        uniforms(seed, dataset.ids),
    )


def dividemix_symmetric(dataset, spec, seed):
    """See `dividemix_files.symmetric`; the seed changes nothing."""
    del seed
    clean = dividemix_files.in_published_order(
        dataset.ids, dataset.clean_labels, spec
    )
    labels = dividemix_files.symmetric(clean, dataset.num_classes, spec.rate)
    return labels[dataset.ids]


def dividemix_asymmetric(dataset, spec, seed):
    """See `dividemix_files.asymmetric`; the seed changes nothing."""
    del seed
    clean = dividemix_files.in_published_order(
        dataset.ids, dataset.clean_labels, spec
    )
    class_map = class_maps.cifar10_only(dataset.class_names, spec)
    labels = dividemix_files.asymmetric(clean, class_map, spec.rate)
    return labels[dataset.ids]


def human(dataset, spec, seed):
    """Returns one of the label sets that people gave; no draws are made."""
    del seed
    known = dataset.human_labels
    if spec.source in known:
        return known[spec.source]
    if not known:
        hint = (
            f"{dataset.name} has no human labels; cifar10_n and cifar100_n have"
        )
    else:
        near = difflib.get_close_matches(spec.source, known, n=1)
        hint = f"did you mean human:{near[0]}? " if near else ""
        hint += f"{dataset.name} has {', '.join(known)}"
    raise errors.UserError(f"noise '{spec}': {hint}")
