"""The health of a whole data set, beside its labels.

Near duplicates, test images that are in training, pictures unlike all others,
dark, blurred and oddly sized ones.  Nothing here changes a flag.
"""

import dataclasses

import numpy as np

from tfnoisy import errors
from tfnoisy.audit import (
    geometry,
    near_duplicates,
    poor_pictures,
    thumbnails,
)
from tfnoisy.audit.features import compute

# So many of the images farthest from all others are shown.
NUM_ODD = 20


@dataclasses.dataclass(frozen=True)
class Group:
    """Images that are nearly the same.

    Attributes:
        rows: at least two rows, ascending.
        rules: those of `near_duplicates.RULES` that connect them.
        labels_differ: whether their given labels do.
    """

    rows: tuple[int, ...]
    rules: tuple[str, ...]
    labels_differ: bool


@dataclasses.dataclass(frozen=True)
class Leak:
    """A test image that is nearly the same as a training image.

    Attributes:
        test_row: of the test set.
        row: of the training set.
        rule: one of `near_duplicates.RULES`.
        labels_differ: whether their given labels do.
    """

    test_row: int
    row: int
    rule: str
    labels_differ: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Health:
    """What was found.

    Attributes:
        groups: a `Group` each: those with different labels first, the surest
            rules first among them.
        leaks: a `Leak` for each test image, in the same order; None if no
            test images were looked at.
        odd: int64 [<= 20], rows of the images farthest from all others, the
            farthest first.
        pictures: {kind: int64 rows}, see `poor_pictures.find`; None if the
            images are no files.
        notes: what was not looked at, and why.
        test: the test `ImageDataset` of the leaks, or None.
    """

    groups: tuple[Group, ...]
    leaks: tuple[Leak, ...] | None
    odd: np.ndarray
    pictures: dict[str, np.ndarray] | None
    notes: tuple[str, ...] = ()
    test: object = None

    def describe(self):
        """Returns a line that counts what was found."""
        differ = sum(group.labels_differ for group in self.groups)
        parts = [
            _counted(len(self.groups), "group", "groups")
            + " of near duplicates"
            + (f" ({differ:,} with different labels)" if differ else "")
        ]
        if self.leaks is not None:
            parts.append(
                _counted(len(self.leaks), "test image", "test images")
                + " in training too"
            )
        for kind, rows in (self.pictures or {}).items():
            if len(rows):
                parts.append(f"{len(rows):,} {kind}")
        return "health: " + ", ".join(parts)


def examine(
    dataset, measured, pairs, *, test=None, features="", cache_dir=None
):
    """Examines a data set.

    Args:
        dataset: an `ImageDataset`.
        measured: the `geometry.Geometry` of its features.
        pairs: the `near_duplicates.Pairs` of its images.
        test: the test `ImageDataset` to find leaks from; None if there is
            none; or a sentence that says why it could not be read.
        features: the name of the features, see `compute.of`: those of the test
            images are computed.
        cache_dir: the folder that keeps them, likewise.
    """
    notes = []
    leaks = None
    if isinstance(test, str):
        notes.append(f"Test images were not looked at: {test}.")
        test = None
    elif test is not None:
        leaks, note = _leaks(dataset, measured, test, features, cache_dir)
        notes += filter(None, [note])
    pictures = None
    if dataset.paths is None:
        notes.append(
            "Dark, blurred and oddly sized pictures were not looked for: "
            "these images are no files."
        )
    else:
        pictures = poor_pictures.find(dataset.paths)
    return Health(
        groups=groups_of(pairs, dataset.given_labels),
        leaks=leaks,
        odd=odd_ones(measured),
        pictures=pictures,
        notes=tuple(notes),
        test=test,
    )


def groups_of(pairs, given_labels):
    """Returns the `Group`s of pairs in the order of `Health.groups`.

    Args:
        pairs: a `near_duplicates.Pairs` of N images.
        given_labels: int [N].
    """
    numbers = pairs.groups(len(given_labels))
    rules = {}
    for row, rule in zip(pairs.first.tolist(), pairs.rules):
        rules.setdefault(int(numbers[row]), set()).add(rule)
    members = {number: [] for number in rules}
    for row in np.flatnonzero(np.isin(numbers, list(rules))).tolist():
        members[int(numbers[row])].append(row)
    groups = [
        Group(
            tuple(rows),
            tuple(r for r in near_duplicates.RULES if r in rules[number]),
            len({int(given_labels[row]) for row in rows}) > 1,
        )
        for number, rows in members.items()
    ]
    rank = near_duplicates.RULES.index
    return tuple(
        sorted(
            groups,
            key=lambda g: (not g.labels_differ, rank(g.rules[0]), g.rows),
        )
    )


def odd_ones(measured, count=NUM_ODD):
    """Returns the rows of the images farthest from all others, int64 [n].

    How far one is, is the cosine of the last of its neighbours (the 50th of
    1,000 or more images).

    Args:
        measured: a `geometry.Geometry` of N images.
        count: how many at most.
    """
    # Without so many neighbours outside of its group nothing can be said.
    last = np.where(measured.neighbours[:, -1] >= 0, measured.cosines[:, -1], 1)
    rows = np.argsort(last, kind="stable")[: min(count, len(last) // 10)]
    return rows[last[rows] < 1]


def duplicates(dataset, measured):
    """Returns the `near_duplicates.Pairs` of a data set.

    Of grey images and those below 32 pixels only the equal ones: different
    digits of 8 x 8 pixels are as alike as copies of a photograph.

    Args:
        dataset: an `ImageDataset` of N images.
        measured: the `geometry.Geometry` of their features.
    """
    pixels = thumbnails.of(dataset.images)
    if _are_pictures(dataset):
        return near_duplicates.find(measured, pixels)
    return near_duplicates.find_equal(measured.unit, pixels)


def _are_pictures(dataset):
    height, width, channels = dataset.images.shape[1:]
    return min(height, width) >= thumbnails.SIDE and channels == 3


def _leaks(dataset, measured, test, features, cache_dir):
    """Returns the leaks, and a sentence on what was not compared, or ""."""
    ours, theirs = thumbnails.of(dataset.images), thumbnails.of(test.images)
    note = ""
    if (
        _are_pictures(dataset)
        and test.images.shape[1:] == (dataset.images.shape[1:])
    ):
        try:
            values = compute.of(test, features, cache_dir=cache_dir).values
        except errors.UserError as error:
            note = (
                "Test images were compared with training images by equal "
                f"pixels alone: {error}."
            )
        else:
            unit = geometry.unit_vectors(
                np.asarray(values, np.float32), measured.mean
            )
            pairs = near_duplicates.find_leaks(
                unit, measured.unit, theirs, ours
            )
            return _first_of_each(pairs, test, dataset), ""
    pairs = near_duplicates.find_equal_leaks(theirs, ours)
    return _first_of_each(pairs, test, dataset), note


def _first_of_each(pairs, test, dataset):
    """Returns a `Leak` for each test image: the nearest training image."""
    leaks = {}
    for test_row, row, rule in zip(
        pairs.first.tolist(), pairs.second.tolist(), pairs.rules
    ):
        differ = test.given_labels[test_row] != dataset.given_labels[row]
        leaks.setdefault(test_row, Leak(test_row, row, rule, bool(differ)))
    rank = near_duplicates.RULES.index
    return tuple(
        sorted(
            leaks.values(),
            key=lambda a: (not a.labels_differ, rank(a.rule), a.test_row),
        )
    )


def _counted(number, one, many):
    return f"{number:,} {one if number == 1 else many}"
