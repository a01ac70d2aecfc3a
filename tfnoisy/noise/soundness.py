"""Whether the parts of a noise manifest agree, wherever it comes from."""

import numpy as np

from tfnoisy.noise import spec as noise_spec


def is_sound(manifest):
    """Returns whether shapes, ranges and kinds of a manifest fit.

    Args:
        manifest: a `NoiseManifest` of whatever a file held.

    Raises:
        UserError: for noise that does not exist.
    """
    kind = noise_spec.parse(manifest.spec).kind
    ids, clean = manifest.ids, manifest.clean_labels
    if ids.ndim != 1 or not ids.size or np.any(np.diff(ids) <= 0):
        return False
    if clean is None and kind != "none":
        return False
    if (manifest.source_ids is not None) != (kind == "openset"):
        return False
    return (
        _is_label_column(manifest, "given_labels", lowest=0)
        and _is_label_column(manifest, "clean_labels", lowest=-1)
        and _fits(manifest.source_ids, ids.shape)
        and _fits(manifest.digests, (len(ids), 32))
        and _has_length(manifest.keys, len(ids))
        and _has_length(manifest.class_names, manifest.num_classes)
    )


def _is_label_column(manifest, name, lowest):
    labels = getattr(manifest, name)
    return labels is None or (
        labels.shape == manifest.ids.shape
        and labels.min() >= lowest
        and labels.max() < manifest.num_classes
    )


def _fits(array, shape):
    return array is None or array.shape == shape


def _has_length(texts, length):
    return texts is None or len(texts) == length
