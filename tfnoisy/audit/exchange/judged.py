"""The lines of an audit's labels.csv, with the names that decisions need."""

import csv
import dataclasses
import hashlib
import os
import pathlib

from tfnoisy import errors
from tfnoisy.datasets import csv_cells

_WANTED = (
    "path",
    "given_label",
    "predicted_label",
    "label_score",
    "is_label_issue",
)


@dataclasses.dataclass(frozen=True)
class Judged:
    """An image whose label was judged.

    Attributes:
        path: of its file.
        key: the path from the folder of the data on, with slashes.
        given_label: the name of the class that the data say.
        suggested_label: that of the class that the audit takes for right.
        score: in [0, 1], low where the label is suspicious.
        is_issue: whether it is flagged.
    """

    path: str
    key: str
    given_label: str
    suggested_label: str
    score: float
    is_issue: bool

    def sha256(self):
        """Returns that of the file, hexadecimal; empty if it is not there."""
        try:
            contents = pathlib.Path(self.path).read_bytes()
        except OSError:
            return ""
        return hashlib.sha256(contents).hexdigest()


def read(path, data_dir):
    """Reads labels.csv.

    Args:
        path: of the file.
        data_dir: the folder of the data, from which keys are taken.

    Returns:
        A list of `Judged`, in the order of the file.

    Raises:
        UserError: if it is no such file, or its images are no files.
    """
    root = os.path.abspath(os.path.expanduser(data_dir))
    try:
        text = pathlib.Path(path).read_text(errors="surrogateescape")
        lines = list(csv.DictReader(text.splitlines(keepends=True)))
    except OSError as error:
        raise errors.UserError(f"{path}: {error.strerror}") from error
    except csv.Error as error:
        raise errors.UserError(f"{path}: {error}") from error
    missing = [name for name in _WANTED if lines and name not in lines[0]]
    if not lines or missing:
        raise errors.UserError(
            f"{path} has no {' and no '.join(missing or ['lines'])}: the "
            "labels.csv of an audit of image files is wanted"
        )
    return [
        _judged(path, number, line, root)
        for number, line in enumerate(lines, 2)
    ]


def _judged(file, number, line, root):
    cells = {name: csv_cells.original(line.get(name) or "") for name in _WANTED}
    try:
        score = float(cells["label_score"])
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1 or cells["is_label_issue"] not in ("True", "False"):
        raise errors.UserError(
            f"{file}:{number}: no line of an audit: label_score is "
            f"{cells['label_score']!r}, is_label_issue "
            f"{cells['is_label_issue']!r}"
        )
    path = os.path.abspath(cells["path"])
    if not path.startswith(root + os.sep):
        raise errors.UserError(
            f"{file}:{number}: {path} is not in --data_dir={root}"
        )
    return Judged(
        path,
        os.path.relpath(path, root).replace(os.sep, "/"),
        cells["given_label"],
        cells["predicted_label"],
        score,
        cells["is_label_issue"] == "True",
    )


def worst_first(judged, only_issues, limit):
    """Returns the most suspicious labels, the worst score first.

    Args:
        judged: a list of `Judged`.
        only_issues: leave out what is not flagged.
        limit: how many at most; 0 for all.
    """
    chosen = [one for one in judged if one.is_issue or not only_issues]
    chosen.sort(key=lambda one: (one.score, one.key))
    return chosen[: limit or None]


def classes_of(judged):
    """Returns the names of the classes, sorted."""
    names = {one.given_label for one in judged}
    return sorted(names | {one.suggested_label for one in judged})
