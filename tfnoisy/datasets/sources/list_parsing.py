"""Files that list the images of a data set, and what can be wrong with them.

A list may have a million lines: each is read in one plain loop.
"""

import re

import numpy as np

from tfnoisy import errors
from tfnoisy.datasets.sources import published_list

# No data set has as many classes.
_LABEL = re.compile("[0-9]{1,9}")


def text_lines(file):
    """Yields (line number, text) of a text file's lines that are not empty.

    Raises:
        UserError: if the file cannot be read.
    """
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                line = line.strip()
                if line:
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise errors.UserError(f"{file} cannot be read: {error}") from None


def read_labels(file, root, problems, *, prefix="", clean=False):
    """Reads a list of `path label`.

    Args:
        file: the list file.
        root: the folder that the paths begin in.
        problems: a list that gets a line for each thing that is wrong.
        prefix: what is dropped from the paths that begin with it.
        clean: whether the labels are the truth.

    Returns:
        An `ImageList` in the order of the file.

    Raises:
        UserError: if the file cannot be read.
    """
    paths, labels, lines = [], [], []
    for number, line in text_lines(file):
        words = line.rsplit(maxsplit=1)
        if len(words) == 2 and _LABEL.fullmatch(words[1]):
            paths.append(words[0].removeprefix(prefix))
            labels.append(int(words[1]))
            lines.append(number)
        else:
            problems.append(
                f"{file.name}:{number}: {line[:60]!r} is not a path and the "
                "number of its class"
            )
    return published_list.ImageList.of(root, paths, labels, lines, file, clean)


def read_keys(file, labelled, problems, *, prefix=""):
    """Reads a list of paths whose labels are in another list.

    Args:
        file: the list file.
        labelled: the `ImageList` that has the labels.
        problems: a list that gets a line for each thing that is wrong.
        prefix: what is dropped from the paths that begin with it.

    Returns:
        An `ImageList` in the order of the file.

    Raises:
        UserError: if the file cannot be read.
    """
    paths, lines = [], []
    for number, line in text_lines(file):
        paths.append(line.removeprefix(prefix))
        lines.append(number)
    label_of = _label_of_path(labelled, problems)
    labels = [label_of.get(path, -1) for path in paths]
    rows = published_list.ImageList.of(
        labelled.root, paths, labels, lines, file, labelled.clean
    )
    for row in np.flatnonzero(rows.labels < 0):
        problems.append(
            f"{rows.where(row)}: {paths[row]} has no label in "
            f"{labelled.files[0].name}"
        )
    return rows


def _label_of_path(labelled, problems):
    labels = labelled.labels.tolist()
    label_of = dict(zip(labelled.paths, labels))
    # Twice the same is no contradiction.
    if len(label_of) < len(labelled):
        for row, (path, label) in enumerate(zip(labelled.paths, labels)):
            if label != label_of[path]:
                problems.append(
                    f"{labelled.where(row)}: {path} has label {label} here "
                    f"and {label_of[path]} further down"
                )
    return label_of


def check_range(rows, num_classes, problems):
    """Finds labels that are out of range.

    Args:
        rows: an `ImageList`.
        num_classes: C.
        problems: a list that gets a line for each thing that is wrong.
    """
    for row in np.flatnonzero(rows.labels >= num_classes):
        problems.append(
            f"{rows.where(row)}: label {rows.labels[row]} is out of range: "
            f"there are {num_classes} classes"
        )


def check_paths(rows, problems):
    """Finds images that occur twice.

    Args:
        rows: an `ImageList`.
        problems: a list that gets a line for each thing that is wrong.
    """
    if len(set(rows.paths)) == len(rows):
        return
    first = {}
    for row, path in enumerate(rows.paths):
        before = first.setdefault(path, row)
        if before != row:
            problems.append(
                f"{rows.where(row)}: {path} is {rows.where(before)} already"
            )


def check_classes(rows, class_names, problems):
    """Finds classes without an image.

    Args:
        rows: the `ImageList` of a training split.
        class_names: the classes.
        problems: a list that gets a line for each thing that is wrong.
    """
    used = set(np.unique(rows.labels).tolist())
    files = " and ".join(file.name for file in rows.files)
    problems += [
        f"{files}: empty class {name}: no image has this label"
        for label, name in enumerate(class_names)
        if label not in used
    ]
