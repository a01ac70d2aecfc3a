"""What every source of images is turned into."""

import dataclasses
import hashlib

import numpy as np

from tfnoisy.datasets.images import streamed


@dataclasses.dataclass(frozen=True)
class ImageDataset:
    """Images with the labels that they were given, one row per example.

    Attributes:
        name: the data set's name as a user writes it, e.g. `cifar10`.
        images: uint8 [N, H, W, C], an array, or `streamed.StreamedImages`,
            which look like one.
        given_labels: int64 [N], what the file says, in [0, num_classes).
        clean_labels: int64 [N], the truth, or None where it is unknown; -1
            where no class is right (open-set noise).  For judging only.
        ids: int64 [N], each example's index in the published order of its
            data set; unique.  Rows may be a subset in any order.
        class_names: one name per class; its length is the number of classes.
        mirror: whether a horizontal flip keeps the class (not for digits).
        human_labels: {name: int64 [N]} label sets given by people, e.g.
            CIFAR-10N's `worse`; empty for most data sets.
        paths: one path per example where the images are files, else None.
        keys: one text per example by which it is known whatever becomes of
            the rest of the data: its path from the folder of the data on,
            with slashes.  None where the ids are that.
        digests: uint8 [N, 32], SHA-256 of the images' files, or None.
        notes: what a user should know of how the data were read.
        skipped: what was left out, see `sources.survey.Skipped`.
    """

    name: str
    images: np.ndarray | streamed.StreamedImages
    given_labels: np.ndarray
    clean_labels: np.ndarray | None
    ids: np.ndarray
    class_names: tuple[str, ...]
    mirror: bool = True
    human_labels: dict[str, np.ndarray] = dataclasses.field(
        default_factory=dict
    )
    paths: tuple[str, ...] | None = None
    keys: tuple[str, ...] | None = None
    digests: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple = ()

    def __len__(self):
        return len(self.ids)

    @property
    def num_classes(self):
        """The number of classes, C."""
        return len(self.class_names)

    @property
    def num_ids(self):
        """The largest id plus one: the length of arrays indexed by id."""
        return int(self.ids.max()) + 1

    @property
    def example_keys(self):
        """N texts that name the examples: `keys`, or else `row:ID`."""
        if self.keys is not None:
            return self.keys
        return tuple(f"row:{number}" for number in self.ids.tolist())

    def take(self, rows):
        """Returns the data set of these rows (an index array or a mask)."""
        picked = {
            "images": streamed.take(self.images, rows),
            "given_labels": self.given_labels[rows],
            "ids": self.ids[rows],
        }
        if self.clean_labels is not None:
            picked["clean_labels"] = self.clean_labels[rows]
        for name in ("paths", "keys"):
            if getattr(self, name) is not None:
                texts = np.array(getattr(self, name), object)
                picked[name] = tuple(texts[rows])
        if self.digests is not None:
            picked["digests"] = self.digests[rows]
        picked["human_labels"] = {
            name: labels[rows] for name, labels in self.human_labels.items()
        }
        return dataclasses.replace(self, **picked)

    def labels_sha256(self):
        """Returns a hex digest of (ids, given labels), sorted by id.

        A noise manifest carries it, so that one made for other data, another
        slice or another order of the labels is refused.
        """
        order = np.argsort(self.ids)
        digest = hashlib.sha256()
        for array in (self.ids, self.given_labels):
            digest.update(array[order].astype("<i8").tobytes())
        return digest.hexdigest()
