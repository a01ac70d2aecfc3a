"""What is found in the files of an own data set, before pixels are read."""

import collections
import dataclasses

import numpy as np

from tfnoisy.datasets import dataset
from tfnoisy.datasets.images import examine
from tfnoisy.datasets.sources import class_folders, listing

_SHARE_SCALE = 2**64
_SKIPPED_COLUMNS = ("split", "path", "given_label", "reason")


@dataclasses.dataclass(frozen=True)
class Skipped:
    """An image that a data set goes on without.

    Attributes:
        split: the split it would be in.
        key: as in `listing.Row`.
        given_label: the name of its class, or empty.
        reason: what is wrong with it.
    """

    split: str
    key: str
    given_label: str
    reason: str


def skipped_columns(skipped):
    """Returns the columns of skipped.csv, {head: texts}.

    Args:
        skipped: a list of `Skipped`.
    """
    rows = [dataclasses.astuple(one) for one in skipped]
    return {
        name: [row[k] for row in rows]
        for k, name in enumerate(_SKIPPED_COLUMNS)
    }


def remedy(images, classes=0):
    """Returns what a list of faults ends with.

    Args:
        images: how many images have one.
        classes: how many classes have too few images.
    """
    if not images and not classes:
        return ""
    counted = [
        f"the {count:,} {noun}"
        for count, noun in (
            (images, "images" if images > 1 else "image"),
            (classes, "classes" if classes > 1 else "class"),
        )
        if count
    ]
    return (
        f"--skip_broken goes on without {' and '.join(counted)} named above "
        "and lists them in skipped.csv"
    )


def skipped_notes(count):
    """Returns what is to be said of images that are left out, a tuple."""
    if not count:
        return ()
    return (f"{count:,} image{'s' * (count > 1)} left out, see skipped.csv",)


@dataclasses.dataclass
class Part:
    """The examples of a split whose images are sound.

    Attributes:
        rows: a list of `listing.Row`.
        findings: what was found in their files, in the same order.
    """

    rows: list[listing.Row] = dataclasses.field(default_factory=list)
    findings: list[examine.Finding] = dataclasses.field(default_factory=list)

    def __len__(self):
        return len(self.rows)

    def take(self, chosen):
        """Returns the part for which `chosen` is true, N booleans."""
        return Part(
            [row for row, yes in zip(self.rows, chosen) if yes],
            [one for one, yes in zip(self.findings, chosen) if yes],
        )

    def as_dataset(self, class_names):
        """Returns the part as an `ImageDataset` with blank images.

        Args:
            class_names: the classes.
        """
        digests = [list(one.digest) for one in self.findings]
        return dataset.ImageDataset(
            name="folder",
            images=np.zeros([len(self), 1, 1, 1], np.uint8),
            given_labels=np.array([row.given for row in self.rows], np.int64),
            clean_labels=None,
            ids=np.arange(len(self)),
            class_names=tuple(class_names),
            paths=tuple(row.path for row in self.rows),
            keys=tuple(row.key for row in self.rows),
            digests=np.array(digests, np.uint8).reshape(-1, 32),
        )


@dataclasses.dataclass
class Survey:
    """All that is known of a data set before its pixels are read.

    Attributes:
        class_names: the classes.
        parts: {split: `Part`}.
        problems: a line for each thing that is wrong with the whole.
        small: likewise for each class with too few training images.
        faults: likewise for each image that cannot be used.
        repeated: likewise for each image that is there more than once; the
            data can be used all the same.
        skipped: a list of `Skipped`, those of `faults` in another form.
        notes: what a user should know.
    """

    class_names: tuple[str, ...]
    parts: dict[str, Part]
    problems: list[str]
    faults: list[str]
    repeated: list[str]
    skipped: list[Skipped]
    notes: list[str]
    small: list[str] = dataclasses.field(default_factory=list)

    def skip(self, split, row, fault):
        """Notes an image that cannot be used.

        Args:
            split: the split that it would be in.
            row: its `listing.Row`.
            fault: what is wrong with it.
        """
        self.faults.append(f"{row.where}: {fault}")
        names = self.class_names
        label = names[row.given] if row.given >= 0 else ""
        self.skipped.append(Skipped(split, row.key, label, fault))


def survey(found, wanted, test_share=0.0, min_class_images=1, skip_small=False):
    """Examines the files of a listing.

    Args:
        found: a `listing.Listing`.
        wanted: names of splits; `train` is examined in any case, as it decides
            on the images' shape.
        test_share: share of `train` that becomes `test` where the listing has
            no test part of its own; in [0, 1).
        min_class_images: the fewest sound training images of a class.
        skip_small: go on without the classes that have fewer, as long as two
            classes are left.

    Returns:
        A `Survey`.
    """
    names = [n for n in dict.fromkeys(["train", *wanted]) if n in found.splits]
    rows = [row for name in names for row in found.splits[name]]
    examined = iter(examine.examine([row.path for row in rows]))
    result = Survey(found.class_names, {}, list(found.problems), [], [], [], [])
    for name in names:
        result.parts[name] = part = Part()
        for row, finding in zip(found.splits[name], examined):
            fault = row.fault or finding.fault
            if fault:
                result.skip(name, row, fault)
            else:
                part.rows.append(row)
                part.findings.append(finding)
    if test_share and found.can_hold_out and not found.splits.get("test"):
        _hold_out(result, test_share)
    small = _small_classes(result, min_class_images)
    if skip_small and len(small) <= len(result.class_names) - 2:
        _leave_out(result, small)
    else:
        result.small = list(small.values())
    _find_repeated(result)
    others = class_folders.describe_others(found.others)
    result.notes = [
        *found.notes,
        *([others] if others else []),
        *_notes(result.parts),
        *result.notes,
    ]
    return result


def _hold_out(result, share):
    """Makes a test part of `train`, by the contents of the images.

    So copies of an image are on one side, and an image stays on its side
    whatever is added or renamed.
    """
    part = result.parts["train"]
    draws = [int.from_bytes(one.digest[:8], "big") for one in part.findings]
    last = {}
    for row, draw in zip(part.rows, draws):
        last[row.given] = max(draw, last.get(row.given, 0))
    # Every class keeps one image to train on.
    chosen = [
        draw < share * _SHARE_SCALE and draw < last[row.given]
        for row, draw in zip(part.rows, draws)
    ]
    result.parts["test"] = part.take(chosen)
    result.parts["train"] = part.take([not yes for yes in chosen])
    result.notes.append(
        f"there is no test part: {sum(chosen):,} of {len(chosen):,} images "
        f"({share:.0%}, chosen by their contents) are held out for it, with "
        "given labels that may be wrong"
    )


def _small_classes(result, fewest):
    """Returns {label: what is wrong} of classes with too few images."""
    if "train" not in result.parts:
        return {}
    rows = result.parts["train"].rows
    counts = collections.Counter(row.given for row in rows)
    true = {row.clean for row in rows}
    small = {}
    for label, name in enumerate(result.class_names):
        count = counts[label]
        # A class may be known from the clean labels alone.
        if not count and label not in true:
            small[label] = f"empty class {name}: no training images"
        elif count < fewest:
            small[label] = (
                f"class {name} has {count} training images, fewer than {fewest}"
            )
    return small


def _leave_out(result, small):
    """Goes on without classes, and without their images."""
    if not small:
        return
    kept = [k for k in range(len(result.class_names)) if k not in small]
    number = {label: k for k, label in enumerate(kept)} | {-1: -1, None: None}
    for split, part in result.parts.items():
        for row in part.rows:
            if row.given in small:
                result.skip(split, row, f"left out: {small[row.given]}")
        part = part.take([row.given in number for row in part.rows])
        part.rows = [
            dataclasses.replace(
                row, given=number[row.given], clean=number.get(row.clean, -1)
            )
            for row in part.rows
        ]
        result.parts[split] = part
    result.class_names = tuple(result.class_names[label] for label in kept)
    result.notes.append(
        f"{len(small)} class{'es' * (len(small) > 1)} left out: "
        + "; ".join(small.values())
    )


def _find_repeated(result):
    """Finds images whose files have the same contents."""
    places = collections.defaultdict(list)
    for split, part in result.parts.items():
        for row, finding in zip(part.rows, part.findings):
            places[finding.digest].append((split, row))
    for same in places.values():
        if len(same) < 2:
            continue
        labels = [result.class_names[row.given] for _, row in same]
        keys = ", ".join(row.key for _, row in same)
        if len(set(labels)) > 1:
            result.repeated.append(
                f"{keys}: the same image with different labels "
                f"({', '.join(dict.fromkeys(labels))})"
            )
        elif len({split for split, _ in same}) > 1:
            result.repeated.append(
                f"{keys}: the same image in training and test"
            )
        else:
            result.repeated.append(f"{keys}: the same image")
    # Those that matter most come first.
    result.repeated.sort(key=lambda text: text[-14:] == "the same image")


def _notes(parts):
    looks = [one.look for part in parts.values() for one in part.findings]
    kinds = collections.Counter(look.kind for look in looks)
    described = ", ".join(
        f"{count:,} {kind}" for kind, count in kinds.most_common()
    )
    notes = [f"{len(looks):,} images: {described}"] if len(kinds) > 1 else []
    for count, text in (
        (sum(x.orientation > 1 for x in looks), "turned upright as EXIF says"),
        (sum(x.transparent for x in looks), "transparent, laid over white"),
        (sum(x.deep for x in looks), "of 16 bits a channel, read as 8"),
    ):
        if count:
            notes.append(f"{count:,} image{'s' * (count > 1)} {text}")
    return notes
