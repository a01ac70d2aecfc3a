"""Which example of a data set is which of a manifest.

Where both have keys, examples are joined by these and by the contents of
their files: a folder may have changed since.  Otherwise they are joined by id.
"""

import dataclasses

import numpy as np

from tfnoisy import errors
from tfnoisy.datasets import identity


def rows_of(manifest, dataset):
    """Returns the manifest's row of each example of a data set.

    Args:
        manifest: a `NoiseManifest`.
        dataset: the `ImageDataset` before the noise.

    Returns:
        int64 [N].

    Raises:
        UserError: if the manifest lacks an example, or was made for other
            labels.
    """
    _check_classes(manifest, dataset)
    rows, lacking = _rows(manifest, dataset)
    if lacking:
        raise errors.UserError(
            f"{_title(manifest)} lacks {lacking}; inject anew"
        )
    differing = manifest.labels_before[rows] != dataset.given_labels
    if differing.any():
        first = np.argmax(differing)
        raise errors.UserError(
            f"{_title(manifest)} was made for other labels: "
            f"{differing.sum()} of {len(dataset)} differ, e.g. "
            f"{_called(dataset, first)} (labels' sha256 "
            f"{manifest.labels_sha256[:8]} there, "
            f"{dataset.labels_sha256()[:8]} here); inject anew"
        )
    return rows


def follow(manifest, dataset, load_source=None):
    """Finds the examples of a manifest in a data set that may have changed.

    Args:
        manifest: a `NoiseManifest`.
        dataset: the `ImageDataset` as it is now, before the noise.
        load_source: as for `NoiseManifest.apply`.

    Returns:
        The `ImageDataset` of those examples that are still there with the
        labels that they had then, with the manifest's labels and ids; and a
        tuple of lines on what became of the others.

    Raises:
        UserError: if the classes have changed, or no example is left.
    """
    _check_classes(manifest, dataset)
    if manifest.keys is None or dataset.keys is None:
        return manifest.apply(dataset, load_source), ()
    found = _match(manifest, dataset)
    same = ~found.new
    same[same] = (
        manifest.labels_before[found.rows[same]] == dataset.given_labels[same]
    )
    relabelled = int((~found.new).sum() - same.sum())
    if not same.any():
        raise errors.UserError(
            f"none of the {len(manifest.ids):,} examples of {_title(manifest)} "
            f"is left in {dataset.name}"
        )
    notes = []
    if not found.is_whole:
        changes = found.describe(manifest.keys, dataset.keys)
        notes.append(
            f"the images have changed since: of {len(manifest.ids):,} in "
            f"{_title(manifest)} {changes}"
        )
    if relabelled:
        notes.append(
            f"{relabelled:,} images have another label now than in "
            f"{_title(manifest)} and are left out"
        )
    rows = found.rows[same]
    # In the order of the ids, as the data were.
    order = np.argsort(manifest.ids[rows])
    rows = rows[order]
    followed = dataset.take(np.flatnonzero(same)[order])
    followed = dataclasses.replace(followed, ids=manifest.ids[rows])
    return manifest.labelled(followed, rows, load_source), tuple(notes)


def difference(before, now):
    """Returns how the data of two manifests differ, or an empty text.

    Args:
        before: the `NoiseManifest` that was kept.
        now: that of the data as they are.
    """
    if before.class_names and before.class_names != now.class_names:
        return (
            f"the classes were {_shown(before.class_names)} and are "
            f"{_shown(now.class_names)}"
        )
    if before.keys is not None and now.keys is not None:
        found = identity.match(
            before.keys, before.digests, now.keys, now.digests
        )
        if not found.is_whole:
            return found.describe(before.keys, now.keys)
    if len(before.ids) != len(now.ids):
        return f"there were {len(before.ids):,} examples, now {len(now.ids):,}"
    if not np.array_equal(before.ids, now.ids):
        return "their ids are others"
    differing = before.given_labels != now.given_labels
    if differing.any():
        return f"{differing.sum():,} labels are others"
    # Older manifests have fewer fields; seed and noise are flags.
    for field in ("clean_labels", "source_ids"):
        if not np.array_equal(getattr(before, field), getattr(now, field)):
            return f"the {field.replace('_', ' ')} are others"
    return ""


def _rows(manifest, dataset):
    """Returns each example's row, and a text on those that are lacking."""
    if manifest.keys is not None and dataset.keys is not None:
        found = _match(manifest, dataset)
        lacking = np.flatnonzero(found.new)
        rows = found.rows
        what = "images"
    else:
        rows = np.searchsorted(manifest.ids, dataset.ids)
        rows = np.minimum(rows, len(manifest.ids) - 1)
        lacking = np.flatnonzero(manifest.ids[rows] != dataset.ids)
        what = "ids"
    if not lacking.size:
        return rows, ""
    return rows, (
        f"{lacking.size} of the {len(dataset)} {what} of {dataset.name}, e.g. "
        f"{_called(dataset, lacking[0]).removeprefix('id ')}"
    )


def _match(manifest, dataset):
    return identity.match(
        manifest.keys, manifest.digests, dataset.keys, dataset.digests
    )


def _check_classes(manifest, dataset):
    if dataset.num_classes != manifest.num_classes:
        raise errors.UserError(
            f"{_title(manifest)} has {manifest.num_classes} classes, "
            f"{dataset.name} {dataset.num_classes}; inject anew"
        )
    names = manifest.class_names
    if names is not None and names != tuple(dataset.class_names):
        raise errors.UserError(
            f"{_title(manifest)} has the classes {_shown(names)}, "
            f"{dataset.name} {_shown(dataset.class_names)}"
        )


def _title(manifest):
    return f"the noise manifest ({manifest.spec} on {manifest.dataset_name})"


def _called(dataset, row):
    return dataset.keys[row] if dataset.keys else f"id {dataset.ids[row]}"


def _shown(names):
    return ", ".join(names[:5]) + ", ..." * (len(names) > 5)
