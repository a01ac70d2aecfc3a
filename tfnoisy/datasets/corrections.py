"""What people decided about labels, as a file, and its join to a data set.

corrections.csv has a line for each example that somebody looked at:

    path            the example's key: its image's path from the folder of the
                    data on, with slashes; `row:ID` where images are no files
    sha256          of the image's file, in hexadecimal digits; may be empty
    given_label     the name of the class that the data say
    corrected_label the name of the right class; empty if it is not known
    action          keep, relabel, remove or undecided
    note            free text

An image that was moved since is found by its contents.  Whatever does not fit
the data is refused: corrections of other data would do harm.
"""

import collections
import contextlib
import dataclasses
import hashlib
import pathlib

import numpy as np

from tfnoisy import errors
from tfnoisy.datasets import csv_cells
from tfnoisy.datasets import problems as problems_lib
from tfnoisy.datasets.sources import csv_table

KEEP, RELABEL, REMOVE, UNDECIDED = "keep", "relabel", "remove", "undecided"
ACTIONS = (KEEP, RELABEL, REMOVE, UNDECIDED)
COLUMNS = (
    "path",
    "sha256",
    "given_label",
    "corrected_label",
    "action",
    "note",
)
_SYNONYMS = {
    "path": ("path", "key", *csv_table.SYNONYMS[csv_table.PATH][1:]),
    "sha256": ("sha256", "digest"),
    "given_label": ("given_label", "label"),
    "corrected_label": ("corrected_label", "correct_label", "new_label"),
    "action": ("action", "decision"),
    "note": ("note", "comment"),
}
_DONE = {
    RELABEL: "relabelled",
    REMOVE: "removed",
    KEEP: "kept as they are",
    UNDECIDED: "undecided",
}


@dataclasses.dataclass(frozen=True)
class Correction:
    """One decision.

    Attributes:
        key: which example, see `ImageDataset.example_keys`.
        given_label: the name of the class that it was given; empty if that is
            not to be compared.
        corrected_label: the name of its right class, or empty.
        action: one of `ACTIONS`.
        sha256: of its file, hexadecimal, or empty.
        note: free text.
        where: what a message calls it: the line of the file.
    """

    key: str
    given_label: str
    corrected_label: str = ""
    action: str = UNDECIDED
    sha256: str = ""
    note: str = ""
    where: str = ""


@dataclasses.dataclass(frozen=True)
class Corrections:
    """The decisions of a file.

    Attributes:
        name: what to call them.
        decisions: a list of `Correction`, each of another example.
        sha256: of the file, hexadecimal.
    """

    name: str
    decisions: list[Correction]
    sha256: str = ""


def to_csv(decisions):
    """Returns the text of a file of decisions, which `read` reads.

    Args:
        decisions: a list of `Correction`.
    """
    fields = ("key", *COLUMNS[1:])
    return csv_cells.to_csv(
        {
            column: [_cell(column, getattr(one, field)) for one in decisions]
            for column, field in zip(COLUMNS, fields)
        }
    )


def _cell(column, text):
    # A path stays one whatever a spreadsheet makes of the apostrophe.
    if column == "path" and csv_cells.safe(text) != text:
        return f"./{text}"
    return text


def read(path):
    """Reads a file of decisions.

    Args:
        path: of the file.

    Returns:
        `Corrections`.

    Raises:
        UserError: if the file cannot be read.
        DataError: for decisions that contradict themselves or each other.
    """
    path = pathlib.Path(path).expanduser()
    columns = ("path", "given_label"), _SYNONYMS
    table = csv_table.read(path, *columns)
    # No class has such a name: Excel on Windows has saved the file.
    if table.has_raw_bytes(but=("path",)):
        with contextlib.suppress(errors.UserError):
            table = csv_table.read(path, *columns, encoding="Windows-1252")
    decisions, problems, line_of = [], [], {}
    for line in table.lines:
        decision = _decision(path, line)
        fault = line.fault or _fault(decision)
        if decision.key in line_of:
            fault = fault or (
                f"{decision.key} is line {line_of[decision.key]} already"
            )
        line_of.setdefault(decision.key, line.number)
        if fault:
            problems.append(f"{decision.where}: {fault}")
        decisions.append(decision)
    problems_lib.refuse(str(path), problems)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Corrections(path.name, decisions, digest)


def _decision(path, line):
    cells = {
        name: csv_cells.original(text) for name, text in line.cells.items()
    }
    given, corrected = cells["given_label"], cells.get("corrected_label", "")
    action = cells.get("action", "").lower()
    if not action:
        action = UNDECIDED
        if corrected:
            action = KEEP if corrected == given else RELABEL
    return Correction(
        cells["path"].removeprefix("./").replace("\\", "/"),
        given,
        corrected,
        action,
        cells.get("sha256", "").lower(),
        cells.get("note", ""),
        f"{path.name}:{line.number}",
    )


def _fault(decision):
    """Returns what is wrong with a decision by itself, or an empty text."""
    given, corrected = decision.given_label, decision.corrected_label
    if not decision.key:
        return "path is empty"
    if decision.action not in ACTIONS:
        return f"action {decision.action}: there are {', '.join(ACTIONS)}"
    if decision.action == RELABEL and not corrected:
        return "relabel without a corrected_label"
    if decision.action == KEEP and corrected not in ("", given):
        return f"keep, and yet the corrected_label is {corrected}"
    digest = decision.sha256
    if digest and (len(digest) != 64 or set(digest) - set("0123456789abcdef")):
        return "sha256 is not 64 hexadecimal digits"
    return ""


@dataclasses.dataclass(frozen=True)
class Applied:
    """Data sets with corrected labels.

    Attributes:
        datasets: {split: `ImageDataset`}, removed examples left out.
        counts: {action: how many}.
        moved: how many images were found by their contents.
        elsewhere: how many decisions are on examples that are not here.
        unfit: how many do not fit their example any more.
        name: what the corrections are called.
        sha256: of their file.
    """

    datasets: dict
    counts: dict[str, int]
    moved: int
    elsewhere: int
    name: str
    sha256: str
    unfit: int = 0

    def describe(self):
        """Returns a line: which corrections, and what they did."""
        done = [
            f"{self.counts[action]:,} {_DONE[action]}"
            for action in (RELABEL, REMOVE, KEEP, UNDECIDED)
            if self.counts.get(action)
        ]
        if self.moved:
            done.append(f"{self.moved:,} found by their contents")
        if self.elsewhere:
            done.append(f"{self.elsewhere:,} on images that are not here")
        if self.unfit:
            done.append(f"{self.unfit:,} on images that have changed since")
        return (
            f"corrections {self.name} (sha256 {self.sha256[:12]}): "
            f"{', '.join(done) or 'none'}"
        )


def apply(corrections, datasets, partial=False, lenient=False):
    """Corrects the given labels of data sets.

    Args:
        corrections: `Corrections`.
        datasets: {split: `ImageDataset`} with the labels that people saw.
        partial: whether the data sets are a part of what people saw, so that
            there may be decisions on other examples.
        lenient: whether decisions that do not fit are counted, not refused.

    Returns:
        `Applied`.

    Raises:
        DataError: a list of the decisions that do not fit: unknown images,
            images with other contents, other given labels, unknown classes.
    """
    index = _Index(datasets)
    problems, elsewhere, moved = [], 0, 0
    changes = {split: {} for split in datasets}
    counts = collections.Counter()
    for decision in corrections.decisions:
        place, by_contents = index.find(decision)
        if place is None and partial:
            elsewhere += 1
            continue
        fault = index.fault(decision, place)
        if fault:
            problems.append(f"{decision.where}: {decision.key}: {fault}")
            continue
        split, row = place
        moved += by_contents
        counts[decision.action] += 1
        changes[split][row] = decision
    if not lenient:
        problems_lib.refuse(corrections.name, problems)
    return Applied(
        {
            split: _changed(data, changes[split])
            for split, data in datasets.items()
        },
        dict(counts),
        moved,
        elsewhere,
        corrections.name,
        corrections.sha256,
        len(problems),
    )


def find(corrections, dataset):
    """Joins decisions to the examples of one data set.

    Args:
        corrections: `Corrections`.
        dataset: the `ImageDataset` with the labels that people saw.

    Returns:
        {row: `Correction`}; decisions on other images are left out.

    Raises:
        DataError: as `apply`.
    """
    index = _Index({"": dataset})
    problems, found = [], {}
    for decision in corrections.decisions:
        place, _ = index.find(decision)
        if place is None:
            continue
        if fault := index.fault(decision, place):
            problems.append(f"{decision.where}: {decision.key}: {fault}")
        found[place[1]] = decision
    problems_lib.refuse(corrections.name, problems)
    return found


def _changed(data, decisions):
    """Returns a data set after {row: `Correction`}."""
    labels = data.given_labels.copy()
    kept = np.ones(len(data), bool)
    for row, decision in decisions.items():
        if decision.action == RELABEL:
            labels[row] = data.class_names.index(decision.corrected_label)
        kept[row] = decision.action != REMOVE
    return dataclasses.replace(data, given_labels=labels).take(kept)


class _Index:
    """Finds the examples of data sets by key and by contents."""

    def __init__(self, datasets):
        self._datasets = datasets
        self._by_key, self._by_digest = {}, collections.defaultdict(list)
        self._taken = set()
        for split, data in datasets.items():
            for row, key in enumerate(data.example_keys):
                self._by_key.setdefault(key, (split, row))
            if data.digests is not None:
                for row, digest in enumerate(data.digests):
                    place = (split, row)
                    self._by_digest[digest.tobytes().hex()].append(place)

    def find(self, decision):
        """Returns (split, row) or None, and whether contents decided."""
        place = self._by_key.get(decision.key)
        by_contents = False
        if place is None and decision.sha256:
            same = [
                other
                for other in self._by_digest.get(decision.sha256, ())
                if other not in self._taken
            ]
            place, by_contents = (same[0], True) if same else (None, False)
        self._taken.add(place)
        return place, by_contents

    def fault(self, decision, place):
        """Returns why a decision does not fit its example, or nothing."""
        if place is None:
            return "no such image in these data"
        split, row = place
        data = self._datasets[split]
        if decision.sha256 and data.digests is not None:
            found = data.digests[row].tobytes().hex()
            if found != decision.sha256:
                return "the image has other contents now"
        given = data.class_names[data.given_labels[row]]
        if decision.given_label not in ("", given):
            return (
                f"the given_label is {decision.given_label}, and the data say "
                f"{given}"
            )
        wanted = decision.corrected_label
        if decision.action == RELABEL and wanted not in data.class_names:
            known = ", ".join(data.class_names[:5])
            more = ", ..." * (data.num_classes > 5)
            return f"there is no class {wanted} ({known}{more})"
        return ""
