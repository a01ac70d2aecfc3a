"""The images that a published list names, a million of them.

Kept as columns: an example is made into a `listing.Row` only when it is
looked at.
"""

import collections.abc
import dataclasses
import os
import pathlib

import numpy as np

from tfnoisy import errors
from tfnoisy.datasets import dataset, splits
from tfnoisy.datasets import problems as problems_lib
from tfnoisy.datasets.images import files as image_files
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import listing as listing_lib
from tfnoisy.datasets.sources import survey

_COLUMNS = ("paths", "labels", "lines", "file_of")


@dataclasses.dataclass(frozen=True, eq=False)
class ImageList(collections.abc.Sequence):
    """The images of a split: a sequence of `Row`s.

    Attributes:
        root: the folder that the paths begin in.
        paths: object [N], texts with slashes.
        labels: int64 [N]; -1 where the lists give none.
        lines: int64 [N], line numbers, from 1 on.
        file_of: int8 [N], which of the files a line is in.
        files: the list files; empty where a folder was listed instead.
        clean: whether the labels are the truth.
    """

    root: pathlib.Path
    paths: np.ndarray
    labels: np.ndarray
    lines: np.ndarray
    file_of: np.ndarray
    files: tuple[pathlib.Path, ...]
    clean: bool

    @classmethod
    def of(cls, root, paths, labels, lines=None, file=None, clean=False):
        """Returns the list of one file, or of a folder.

        Args:
            root: the folder that the paths begin in.
            paths: N texts.
            labels: N integers.
            lines: N line numbers; None for a folder.
            file: the list file; None for a folder.
            clean: whether the labels are the truth.
        """
        count = len(paths)
        return cls(
            root,
            # Not np.array: that would look for sequences in the texts.
            np.fromiter(paths, object, count),
            np.array(labels, np.int64),
            np.zeros(count, np.int64) if lines is None else np.array(lines),
            np.zeros(count, np.int8),
            () if file is None else (file,),
            clean,
        )

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self.take(index)
        label = int(self.labels[index])
        return listing_lib.Row(
            f"{self.root}/{self.paths[index]}",
            self.paths[index],
            self.where(index),
            label,
            label if self.clean else None,
        )

    def __add__(self, other):
        """Returns both lists, of one root, one after the other."""
        columns = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in _COLUMNS
        }
        columns["file_of"][len(self) :] += len(self.files)
        return dataclasses.replace(
            self, files=self.files + other.files, **columns
        )

    def take(self, rows):
        """Returns the list of these rows: a slice, indices or a mask."""
        return dataclasses.replace(
            self, **{name: getattr(self, name)[rows] for name in _COLUMNS}
        )

    def where(self, row):
        """Returns what a message calls a row: list and line, or its path."""
        if not self.files:
            return str(self.root / self.paths[row])
        return f"{self.files[self.file_of[row]].name}:{self.lines[row]}"


def load(
    name,
    source,
    listing,
    split,
    image_size,
    problems,
    cache_mib,
    skip_broken=False,
):
    """Reads the images of a split, or makes ready to stream them.

    The short side is resized to `image_size` (bilinear, anti-aliased) and the
    middle square kept, as DivideMix does for what it evaluates.

    Args:
        name: the data set's name as the user wrote it.
        source: its folder.
        listing: a `Listing` that has the split as an `ImageList`.
        split: its name, or a slice of it.
        image_size: height and width in pixels of what is returned.
        problems: what is wrong with the lists.
        cache_mib: images of more MiB are streamed, see `streamed`.
        skip_broken: go on without images that are missing or broken.

    Returns:
        An `ImageDataset` of three channels.  Ids count the list's examples.

    Raises:
        DataError: a list of what is wrong with the lists, or else of the
            images that are missing or broken.  Of images that are streamed
            only the beginnings are looked at.
        UserError: if there is no image size.
    """
    problems_lib.refuse(source, problems)
    if image_size is None:
        raise errors.UserError(
            f"the images of {name} differ in size; say with --image_size how "
            "many pixels high and wide they are to become, e.g. "
            "--image_size=256"
        )
    base = splits.base(split)
    rows = listing.splits[base]
    start, stop = splits.bounds(split, len(rows))
    rows = rows[start:stop]
    faults = missing_images(rows)
    files = _files(source, rows, image_size)
    for row in np.flatnonzero(~files.begin_as_images).tolist():
        faults.setdefault(row, files.fault)
    images = None
    if streamed.StreamedImages(files).nbytes <= cache_mib * 2**20:
        images = _held(files, faults)
    skipped = [
        survey.Skipped(base, rows.paths[row], "", faults[row])
        for row in sorted(faults)
    ]
    if skipped and not skip_broken:
        problems_lib.refuse(
            source,
            [f"{files.where(row)}: {faults[row]}" for row in sorted(faults)],
            remedy=survey.remedy(len(skipped)),
        )
    sound = np.ones(len(rows), bool)
    sound[list(faults)] = False
    rows = rows.take(sound)
    if images is None:
        images = streamed.StreamedImages(_files(source, rows, image_size))
    return dataset.ImageDataset(
        name=name,
        images=images,
        given_labels=rows.labels,
        clean_labels=rows.labels.copy() if rows.clean else None,
        ids=np.arange(start, stop)[sound],
        class_names=listing.class_names,
        paths=tuple(f"{rows.root}/{path}" for path in rows.paths),
        keys=tuple(rows.paths),
        notes=survey.skipped_notes(len(skipped)),
        skipped=tuple(skipped),
    )


def _files(source, rows, image_size):
    return image_files.FileImages(
        source,
        [f"{rows.root}/{path}" for path in rows.paths],
        (image_size, image_size, 3),
        where=lambda row: (
            rows.where(row) + (f": {rows.paths[row]}" if rows.files else "")
        ),
        crop=True,
    )


def _held(files, faults):
    """Reads the images without faults; those that are broken are added."""
    images = streamed.StreamedImages(files)
    sound = np.setdiff1d(np.arange(len(files)), list(faults))
    try:
        return images[sound]
    except streamed.BrokenImages:
        broken = sound[images.take(sound).broken_rows()]
        faults.update(dict.fromkeys(broken.tolist(), files.fault))
    return images[np.setdiff1d(sound, broken)]


def missing_images(rows):
    """Finds images that are not there, by one look into each folder.

    That costs a million images a second: whether what is there is an image is
    another question.

    Args:
        rows: an `ImageList`.

    Returns:
        {row: what is wrong with it}.
    """
    present, faults = {}, {}
    for row, path in enumerate(rows.paths):
        directory, _, name = path.rpartition("/")
        names = present.get(directory)
        if names is None:
            names = present[directory] = _names(rows.root / directory)
        if name not in names:
            faults[row] = "no such image"
    return faults


def _names(directory):
    try:
        return frozenset(os.listdir(directory))
    except OSError:
        return frozenset()
