"""What was flipped, kept as a file: made once, applied again and again.

A script makes one, or loads one that is given to it, and applies it:

    manifest = inject(dataset, "symmetric:0.4", seed=1)
    manifest.save(run_folder / "noise.npz")
    noisy = NoiseManifest.load(run_folder / "noise.npz").apply(dataset)
"""

import dataclasses
import hashlib
from collections.abc import Callable

import numpy as np

from tfnoisy import errors, output_file
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.noise import (
    joining,
    manifest_file,
    models,
    open_set,
    report,
    soundness,
)
from tfnoisy.noise import spec as noise_spec


@dataclasses.dataclass(frozen=True, eq=False)
class NoiseManifest:
    """The labels of a data set after noise and corrections, sorted by id.

    Attributes:
        ids: int64 [N], ascending.
        given_labels: int64 [N], the labels to train with, in [0, C).
        clean_labels: int64 [N], -1 where no class is right; None if unknown.
        spec: the canonical text of the noise, with its source.
        seed: the seed of the draws.
        num_classes: C.
        labels_sha256: `labels_sha256()` of the data before the noise.
        dataset_name: the name of the data.
        source_ids: for open-set noise int64 [N], the id of the image in the
            other data set that stands in for the example's, -1 where the image
            is its own; else None.
        source_sha256: `labels_sha256()` of that other data set, or "".
        keys: N texts, see `ImageDataset.keys`; None where the ids are that.
        digests: uint8 [N, 32], see `ImageDataset.digests`, or None.
        class_names: C texts; None in manifests from before they were kept.
        corrections: what people's corrections did to the labels before the
            noise, a line, or "".
    """

    ids: np.ndarray
    given_labels: np.ndarray
    clean_labels: np.ndarray | None
    spec: str
    seed: int
    num_classes: int
    labels_sha256: str
    dataset_name: str
    source_ids: np.ndarray | None = None
    source_sha256: str = ""
    keys: tuple[str, ...] | None = None
    digests: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    corrections: str = ""

    @property
    def source_name(self):
        """The open-set images' or human labels' source, None for others."""
        if noise_spec.kind_of(self.spec) not in ("openset", "human"):
            return None
        return noise_spec.parse(self.spec).source

    def measured_rate(self):
        """Returns the share of wrong labels in [0, 1]; None if unknown.

        An example whose image was replaced counts as wrong.
        """
        if self.clean_labels is None:
            return None
        return float(np.mean(self.given_labels != self.clean_labels))

    def transition_matrix(self):
        """Returns float64 [C, C], P(given | clean); None if unknown.

        Row c is the distribution of the given labels of clean class c, zeros
        for a class without examples.  Open-set examples are in no row.
        """
        if self.clean_labels is None:
            return None
        counts = np.zeros([self.num_classes, self.num_classes])
        known = self.clean_labels >= 0
        cells = (self.clean_labels[known], self.given_labels[known])
        np.add.at(counts, cells, 1)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def describe(self):
        """Returns a few lines of text: rate and transition matrix."""
        return report.describe(self)

    def to_bytes(self):
        """Returns the file's bytes, equal for equal contents."""
        return manifest_file.to_bytes(manifest_file.columns_of(self))

    def sha256(self):
        """Returns the hex sha256 of the file that `save` writes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def save(self, path):
        """Writes the manifest, whole or not at all, making its folder.

        Raises:
            UserError: if the file cannot be written.
        """
        output_file.write(path, self.to_bytes())

    @classmethod
    def load(cls, path):
        """Returns the manifest saved at `path`.

        Raises:
            UserError: if the file is missing, damaged or something else.
        """
        columns = manifest_file.read(path)
        try:
            manifest = cls(**manifest_file.fields_of(columns))
            sound = soundness.is_sound(manifest)
        except (KeyError, TypeError, ValueError, errors.UserError):
            sound = False
        if not sound:
            raise errors.UserError(
                f"{path} is a damaged noise manifest: its parts do not agree"
            )
        return manifest

    @property
    def labels_before(self):
        """int64 [N], the labels that the noise was added to."""
        if noise_spec.parse(self.spec).kind not in ("none", "openset"):
            return self.clean_labels
        return self.given_labels

    def take(self, rows, ids=None):
        """Returns the manifest of some examples.

        Args:
            rows: int [M], of this manifest.
            ids: int64 [M], new ids for them; their own if None.
        """
        ids = self.ids[rows] if ids is None else ids
        order = np.argsort(ids)
        picked = {
            field: getattr(self, field)[rows][order]
            for field in (*manifest_file.ARRAYS, "digests")
            if getattr(self, field) is not None
        }
        if self.keys is not None:
            picked["keys"] = tuple(self.keys[row] for row in rows[order])
        return dataclasses.replace(self, **(picked | {"ids": ids[order]}))

    def part(self, dataset):
        """Returns the manifest of these examples alone, by their ids.

        Args:
            dataset: the ImageDataset before the noise, all or some of the
                examples that this manifest was made for.

        Raises:
            UserError: if the manifest was made for other data.
        """
        if np.array_equal(dataset.ids, self.ids) and dataset.keys == self.keys:
            return self
        rows = joining.rows_of(self, dataset)
        part = self.take(rows, dataset.ids)
        return dataclasses.replace(part, labels_sha256=dataset.labels_sha256())

    def apply(self, dataset, load_source=None):
        """Returns the data set with this manifest's labels (and images).

        Rows may be in any order, and may be a part of those that the manifest
        was made for: a slice gets its share of the noise.

        Args:
            dataset: the ImageDataset before the noise.
            load_source: a function from a data set's name to an ImageDataset,
                called for open-set noise only.

        Raises:
            UserError: if the manifest was made for other data.
            ValueError: for open-set noise without `load_source`.
        """
        return self.labelled(
            dataset, joining.rows_of(self, dataset), load_source
        )

    def labelled(self, dataset, rows, load_source=None):
        """Returns the data set with the labels (and images) of these rows.

        Args:
            dataset: the ImageDataset before the noise, N examples.
            rows: int [N], of this manifest.
            load_source: as for `apply`.
        """
        changes = {"given_labels": self.given_labels[rows]}
        if self.clean_labels is not None:
            changes["clean_labels"] = self.clean_labels[rows]
        if self.source_ids is not None:
            source = _load(load_source, self.source_name)
            if source.labels_sha256() != self.source_sha256:
                raise errors.UserError(
                    f"the noise manifest ({self.spec}) took its images from "
                    f"another version of {self.source_name}; inject anew"
                )
            changes["images"] = open_set.replace(
                dataset.images, source, self.source_ids[rows]
            )
        return dataclasses.replace(dataset, **changes)


def inject(
    dataset: dataset_lib.ImageDataset,
    spec_text: str,
    seed: int,
    load_source: Callable | None = None,
) -> NoiseManifest:
    """Returns the NoiseManifest of a data set, a noise and a seed.

    Every draw depends on (seed, example id) alone, save for `dividemix_*`.

    Args:
        dataset: an ImageDataset.  For all kinds but `none` its given labels
            must be the clean ones.
        spec_text: see `tfnoisy.noise.spec.parse`.
        seed: the run's seed, an integer.
        load_source: as for `NoiseManifest.apply`.

    Raises:
        UserError: for a spec that is wrong or that these data cannot have.
        ValueError: for open-set noise without `load_source`.
    """
    spec = noise_spec.parse(spec_text)
    given, clean = dataset.given_labels, dataset.clean_labels
    order = np.argsort(dataset.ids)
    extra = {}
    if spec.kind != "none" and (
        clean is None or not np.array_equal(given, clean)
    ):
        raise errors.UserError(
            f"noise '{spec}' is added to clean labels, and those of "
            f"{dataset.name} are not known to be clean; "
            "--noise=none keeps them as they are"
        )
    if spec.kind == "openset":
        name = open_set.source_name(dataset.name, spec)
        spec = dataclasses.replace(spec, source=name)
        source = _load(load_source, name)
        uniforms = models.uniforms(seed, dataset.ids)
        chosen = open_set.choose(source, spec.rate, uniforms)
        clean = np.where(chosen >= 0, -1, np.asarray(clean))
        extra["source_ids"] = chosen[order]
        extra["source_sha256"] = source.labels_sha256()
    elif spec.kind != "none":
        given = models.given_labels(dataset, spec, seed)
    return NoiseManifest(
        ids=dataset.ids[order],
        given_labels=given[order],
        clean_labels=None if clean is None else clean[order],
        spec=str(spec),
        seed=int(seed),
        num_classes=dataset.num_classes,
        labels_sha256=dataset.labels_sha256(),
        dataset_name=dataset.name,
        class_names=tuple(dataset.class_names),
        **_names(dataset, order),
        **extra,
    )


def _names(dataset, order):
    """Returns the keys and digests of a data set, {field: value}."""
    names = {}
    if dataset.keys is not None:
        names["keys"] = tuple(dataset.keys[row] for row in order)
    if dataset.digests is not None:
        names["digests"] = dataset.digests[order]
    return names


def _load(load_source, name):
    if load_source is None:
        raise ValueError(f"open-set noise needs load_source to get {name}")
    return load_source(name)
