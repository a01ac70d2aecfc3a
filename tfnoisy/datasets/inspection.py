"""What a data set holds, told without reading more than must be read.

Of one's own images only files are looked at, not pixels: counts by class and
kind, sizes, all that is wrong, images that are there twice.
"""

import collections
import dataclasses

import numpy as np

from tfnoisy import errors
from tfnoisy.datasets import corrections as corrections_lib
from tfnoisy.datasets import load, problems
from tfnoisy.datasets.images import headers, pillow_images
from tfnoisy.datasets.sources import folder

_SIZES_SHOWN = 5
_CLASSES_SHOWN = 100


@dataclasses.dataclass
class Inspection:
    """What was found.

    Attributes:
        name: what the data are called.
        class_names: the classes.
        counts: {split: {class: images that can be used}}.
        kinds: {kind of file: images}; empty where images are no files.
        sizes: {(width, height): images}.
        problems: a line for each thing that is wrong with the whole.
        faults: likewise for each image that cannot be used.
        repeated: likewise for each image that is there more than once.
        notes: what a user should know of how the data are read.
        skipped: a list of `survey.Skipped`, those of `faults`.
        paths: {class: paths of its training images}, to be shown.
    """

    name: str
    class_names: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    kinds: dict[str, int]
    sizes: dict[tuple[int, int], int]
    problems: list[str]
    faults: list[str]
    repeated: list[str]
    notes: list[str]
    skipped: list
    paths: dict[str, list[str]]

    @property
    def num_images(self):
        """How many images can be used, of all splits."""
        return sum(sum(counts.values()) for counts in self.counts.values())

    def to_json(self):
        """Returns a dict that JSON can hold."""
        return {
            "name": self.name,
            "images": self.num_images,
            "classes": list(self.class_names),
            "counts": self.counts,
            "kinds": self.kinds,
            "sizes": {f"{w}x{h}": n for (w, h), n in self.sizes.items()},
            "problems": self.problems,
            "faults": self.faults,
            "repeated": self.repeated,
            "notes": self.notes,
        }

    def describe(self):
        """Returns lines of text: counts, sizes, then all problems."""
        count = len(self.class_names)
        lines = [
            f"{self.name}: {self.num_images:,} images that can be used, "
            f"{count:,} class{'es' * (count != 1)}",
            "",
            *self._table(),
            "",
        ]
        if self.kinds:
            lines.append("kinds: " + _counted(self.kinds))
        lines += [self._described_sizes(), *self.notes]
        for title, found in (
            ("problems of the whole", self.problems),
            ("images that cannot be used", self.faults),
            ("images that are there more than once", self.repeated),
        ):
            if found:
                lines += ["", f"{title}: {len(found):,}"]
                lines += [f"  {line}" for line in problems.listed(found)]
        if not (self.problems or self.faults or self.repeated):
            lines += ["", "no problems found"]
        return [problems.printable(line) for line in lines]

    def _table(self):
        names = self.class_names[:_CLASSES_SHOWN]
        rows = [("class", *self.counts)]
        rows += [
            (name, *(f"{c.get(name, 0):,}" for c in self.counts.values()))
            for name in names
        ]
        if len(names) < len(self.class_names):
            rows.append((f"... and {len(self.class_names) - len(names)} more",))
        totals = (f"{sum(c.values()):,}" for c in self.counts.values())
        rows.append(("all", *totals))
        widths = [
            max(len(row[k]) for row in rows if k < len(row))
            for k in range(len(rows[0]))
        ]
        return [
            "  ".join(
                cell.ljust(width) if k == 0 else cell.rjust(width)
                for k, (cell, width) in enumerate(zip(row, widths))
            ).rstrip()
            for row in rows
        ]

    def _described_sizes(self):
        if not self.sizes:
            return "sizes: unknown"
        common = sorted(self.sizes.items(), key=lambda item: -item[1])
        shown = ", ".join(
            f"{w}x{h} ({n:,})" for (w, h), n in common[:_SIZES_SHOWN]
        )
        if len(common) == 1:
            return f"sizes: {shown}"
        by_pixels = sorted(self.sizes, key=lambda size: size[0] * size[1])
        (w, h), (wide, high) = by_pixels[0], by_pixels[-1]
        more = ", ..." * (len(common) > _SIZES_SHOWN)
        return (
            f"sizes: {len(common):,} of them, {w}x{h} to {wide}x{high}: "
            f"{shown}{more}"
        )


def _counted(counts):
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {name}" for name, count in ordered)


def inspect(
    dataset_name,
    *,
    data_dir="",
    labels_csv="",
    test_share=folder.TEST_SHARE,
    min_class_images=1,
    corrections="",
):
    """Looks at a data set.

    Args:
        dataset_name: as for `load.load`; for `folder` no pixels are read.
        data_dir: likewise.
        labels_csv: likewise.
        test_share: likewise.
        min_class_images: the fewest training images of a class.
        corrections: a corrections.csv to apply first, or "".

    Returns:
        An `Inspection`.

    Raises:
        UserError: where there is nothing to look at.
        DataError: for corrections that do not fit.
    """
    if dataset_name != "folder":
        return _of_loaded(dataset_name, data_dir, corrections)
    surveyed = folder.survey(
        data_dir,
        labels_csv=labels_csv,
        test_share=test_share,
        min_class_images=min_class_images,
    )
    parts = {name: part for name, part in surveyed.parts.items() if len(part)}
    if not parts and not surveyed.faults:
        raise errors.UserError(
            f"{labels_csv or data_dir} holds no image: "
            + "; ".join(surveyed.problems or ["DIR/CLASS/* is wanted"])
        )
    datasets, notes = _corrected(
        {
            name: part.as_dataset(surveyed.class_names)
            for name, part in parts.items()
        },
        corrections,
    )
    findings = [one for part in parts.values() for one in part.findings]
    looks = [one.look for one in findings]
    return Inspection(
        labels_csv or data_dir,
        surveyed.class_names,
        _counts(datasets),
        dict(collections.Counter(look.kind for look in looks)),
        dict(collections.Counter(look.size for look in looks)),
        [*surveyed.problems, *surveyed.small],
        surveyed.faults,
        surveyed.repeated,
        [*surveyed.notes, *notes],
        surveyed.skipped,
        _paths_by_class(surveyed.class_names, datasets),
    )


def _of_loaded(name, data_dir, corrections):
    """Returns the `Inspection` of a data set whose images are no files."""
    datasets = load.load_splits(name, ["train", "test"], data_dir=data_dir)
    datasets, notes = _corrected(datasets, corrections)
    sizes = collections.Counter()
    for data in datasets.values():
        height, width = data.images.shape[1:3]
        sizes[width, height] += len(data)
    first = next(iter(datasets.values()))
    return Inspection(
        name,
        tuple(first.class_names),
        _counts(datasets),
        {},
        dict(sizes),
        [],
        [],
        [],
        [*dict.fromkeys(n for d in datasets.values() for n in d.notes), *notes],
        [],
        {},
    )


def _corrected(datasets, path):
    if not path:
        return datasets, []
    applied = corrections_lib.apply(corrections_lib.read(path), datasets)
    return applied.datasets, [applied.describe()]


def _counts(datasets):
    return {
        split: {
            name: int((data.given_labels == label).sum())
            for label, name in enumerate(data.class_names)
        }
        for split, data in datasets.items()
    }


def _paths_by_class(class_names, datasets):
    paths = {name: [] for name in class_names}
    data = datasets.get("train") or next(iter(datasets.values()), None)
    if data is None:
        return paths
    for path, label in zip(data.paths, data.given_labels):
        paths[data.class_names[label]].append(path)
    return paths


def thumbnails(inspection, each, side=96):
    """Returns images to show: evenly spread over each class.

    Args:
        inspection: an `Inspection`; its images must be files.
        each: the most images of a class.
        side: of a thumbnail in pixels; what is left of the square is white.

    Returns:
        [(class name, uint8 [each, side, side, 3]), ...].
    """
    columns = []
    for name, paths in inspection.paths.items():
        chosen = np.linspace(0, len(paths) - 1, min(each, len(paths)))
        images = np.full([each, side, side, 3], 255, np.uint8)
        for row, k in enumerate(chosen.round().astype(int)):
            images[row] = _thumbnail(paths[k], side)
        columns.append((problems.printable(name)[:16], images))
    return columns


def _thumbnail(path, side):
    canvas = np.full([side, side, 3], 255, np.uint8)
    try:
        with open(path, "rb") as file:
            small = np.asarray(pillow_images.thumbnail(file.read(), side))
    except (OSError, headers.ImageFault):
        return canvas
    height, width = small.shape[:2]
    top, left = (side - height) // 2, (side - width) // 2
    canvas[top : top + height, left : left + width] = small
    return canvas
