"""What was flipped, kept as a file: made once, applied again and again.

A script makes one, or loads one that is given to it, and applies it:

    manifest = inject(dataset, "symmetric:0.4", seed=1)
    manifest.save(run_folder / "noise.npz")
    noisy = NoiseManifest.load(run_folder / "noise.npz").apply(dataset)
"""

import dataclasses
import hashlib

import numpy as np

from tfnoisy import errors, output_file
from tfnoisy.noise import manifest_file, models, open_set, report
from tfnoisy.noise import spec as noise_spec

_ARRAYS = ("ids", "given_labels", "clean_labels", "source_ids")
_TEXTS = ("spec", "dataset_name", "labels_sha256", "source_sha256")
_NUMBERS = ("seed", "num_classes")


@dataclasses.dataclass(frozen=True, eq=False)
class NoiseManifest:
    """The labels of a data set after noise, sorted by id.

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
        columns = {}
        for field in _TEXTS:
            columns[field] = np.array(getattr(self, field))
        for field in _NUMBERS:
            columns[field] = np.array(getattr(self, field), "<i8")
        for field in _ARRAYS:
            if getattr(self, field) is not None:
                columns[field] = getattr(self, field).astype("<i4")
        return manifest_file.to_bytes(columns)

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
            fields = {field: str(columns[field]) for field in _TEXTS}
            fields |= {field: int(columns[field]) for field in _NUMBERS}
            for field in _ARRAYS:
                if field in columns:
                    fields[field] = columns[field].astype(np.int64)
            manifest = cls(**({"clean_labels": None} | fields))
            sound = manifest._is_sound()
        except (KeyError, TypeError, ValueError, errors.UserError):
            sound = False
        if not sound:
            raise errors.UserError(
                f"{path} is a damaged noise manifest: its parts do not agree"
            )
        return manifest

    def _is_sound(self):
        # A plugin's kind need not be registered where its manifest is read.
        kind = noise_spec.kind_of(self.spec)
        clean, source_ids = self.clean_labels, self.source_ids
        return (
            noise_spec.is_spec(self.spec)
            and self.ids.ndim == 1
            and self.ids.size > 0
            and np.all(np.diff(self.ids) > 0)
            and self._is_label_column(self.given_labels, lowest=0)
            and (
                kind == "none"
                if clean is None
                else self._is_label_column(clean, lowest=-1)
            )
            and (
                kind != "openset"
                if source_ids is None
                else kind == "openset" and source_ids.shape == self.ids.shape
            )
        )

    def _is_label_column(self, column, lowest):
        return (
            column.shape == self.ids.shape
            and column.min() >= lowest
            and column.max() < self.num_classes
        )

    def part(self, dataset):
        """Returns the manifest of these examples alone.

        Args:
            dataset: the ImageDataset before the noise, all or some of the
                examples that this manifest was made for.

        Raises:
            UserError: if the manifest was made for other data.
        """
        if len(dataset) == len(self.ids):
            return self
        rows = np.sort(self._rows(dataset))
        columns = {
            field: getattr(self, field)[rows]
            for field in _ARRAYS
            if getattr(self, field) is not None
        }
        return dataclasses.replace(
            self, labels_sha256=dataset.labels_sha256(), **columns
        )

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
        rows = self._rows(dataset)
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

    def _rows(self, dataset):
        """Returns int64 [len(dataset)], the manifest's row of each example."""
        title = f"the noise manifest ({self.spec} on {self.dataset_name})"
        if dataset.num_classes != self.num_classes:
            raise errors.UserError(
                f"{title} has {self.num_classes} classes, "
                f"{dataset.name} {dataset.num_classes}; inject anew"
            )
        rows = np.searchsorted(self.ids, dataset.ids)
        rows = np.minimum(rows, len(self.ids) - 1)
        missing = dataset.ids[self.ids[rows] != dataset.ids]
        if missing.size:
            raise errors.UserError(
                f"{title} lacks {missing.size} of the {len(dataset)} ids of "
                f"{dataset.name}, e.g. {missing[0]}; inject anew"
            )
        # The labels that the noise was added to, as the manifest knows them.
        kept = noise_spec.kind_of(self.spec) in ("none", "openset")
        before = (self.given_labels if kept else self.clean_labels)[rows]
        differing = dataset.ids[before != dataset.given_labels]
        if differing.size:
            raise errors.UserError(
                f"{title} was made for other labels: "
                f"{differing.size} of {len(dataset)} differ, e.g. id "
                f"{differing[0]} (labels' sha256 {self.labels_sha256[:8]} "
                f"there, {dataset.labels_sha256()[:8]} here); inject anew"
            )
        return rows


def inject(dataset, spec_text, seed, load_source=None):
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
        clean = np.where(chosen >= 0, -1, clean)
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
        **extra,
    )


def _load(load_source, name):
    if load_source is None:
        raise ValueError(f"open-set noise needs load_source to get {name}")
    return load_source(name)
