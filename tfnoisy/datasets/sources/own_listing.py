"""Which images an own data set has, and which labels they were given."""

import collections.abc
import csv
import dataclasses
import os
import pathlib

from tfnoisy import errors

_SUFFIXES = {".png", ".jpg", ".jpeg"}


@dataclasses.dataclass(frozen=True)
class Row:
    """An example whose image has not been read yet.

    Attributes:
        path: the image.
        where: what a message calls the example: its path, or file and line.
        given: its given label, in [0, C).
        clean: its clean label, -1 where no class is right, None if unknown.
    """

    path: pathlib.Path
    where: str
    given: int
    clean: int | None = None


@dataclasses.dataclass(frozen=True)
class Listing:
    """The class names of a data set and the rows of its splits."""

    class_names: tuple[str, ...]
    splits: dict[str, collections.abc.Sequence[Row]]


def from_folders(data_dir, split, problems):
    """Lists `DIR/train/CLASS/*` and, if it is another, `DIR/<split>/CLASS/*`.

    Args:
        data_dir: DIR.
        split: the split that is asked for.
        problems: a list that gets a line for each thing that is wrong.

    Returns:
        A `Listing`, rows sorted by path.

    Raises:
        UserError: if there is no class to begin with.
    """
    root = pathlib.Path(data_dir).expanduser()
    class_names = _class_folders(root / "train")
    if not class_names:
        raise errors.UserError(
            f"{root / 'train'} holds no class folders; own images lie in "
            "DIR/train/CLASS/*.png (or jpg, jpeg), or are named by "
            "--labels_csv"
        )
    listed = {
        name: _rows_of_folders(root / name, class_names, problems)
        for name in dict.fromkeys(["train", split])
    }
    return Listing(class_names, listed)


def like(data_dir, labels_csv, class_names, split, problems):
    """Lists images of given classes: `DIR/CLASS/*`, or the rows of a CSV.

    Args:
        data_dir: DIR, or empty with a CSV.
        labels_csv: a CSV file of path,given_label, or empty.
        class_names: the classes.
        split: what the listed images are called.
        problems: a list that gets a line for each thing that is wrong.

    Returns:
        A `Listing`.

    Raises:
        UserError: if there is no folder or the CSV cannot be read.
    """
    root = pathlib.Path(data_dir).expanduser() if data_dir else None
    if root and not root.is_dir():
        raise errors.UserError(f"{root} is not a folder")
    if not labels_csv:
        rows = _rows_of_folders(root, class_names, problems)
        return Listing(class_names, {split: rows})
    table = _find_csv(labels_csv, root)
    lines = _csv_lines(table)
    rows = [
        row
        for _, row in _rows_of_csv(lines, root, table, class_names, problems)
    ]
    return Listing(class_names, {split: rows})


def from_csv(data_dir, labels_csv, split, problems):
    """Lists the rows of a CSV, and `DIR/<split>/CLASS/*` where it has none.

    Args:
        data_dir: DIR, or empty.
        labels_csv: the file; relative to the working directory or to DIR.
        split: the split that is asked for.
        problems: a list that gets a line for each thing that is wrong.

    Returns:
        A `Listing`, rows in the order of the file.

    Raises:
        UserError: if the file cannot be read or lacks a column.
    """
    root = pathlib.Path(data_dir).expanduser() if data_dir else None
    table = _find_csv(labels_csv, root)
    lines = _csv_lines(table)
    has_splits = any("split" in line for _, line in lines)
    folders = ()
    if root and not has_splits:
        folders = _class_folders(root / "test")
    class_names = folders or _labels_in_use(lines, table, problems)
    listed = {}
    for name, row in _rows_of_csv(lines, root, table, class_names, problems):
        listed.setdefault(name, []).append(row)
    _check_every_class(listed.get("train", []), class_names, table, problems)
    if split not in listed and root and not has_splits:
        listed[split] = _rows_of_folders(root / split, class_names, problems)
    return Listing(class_names, listed)


def _sorted_names(names):
    numeric = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=int if numeric else None))


def _class_folders(directory):
    if not directory.is_dir():
        return ()
    return _sorted_names(
        [
            path.name
            for path in directory.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        ]
    )


def _rows_of_folders(directory, class_names, problems):
    rows = []
    for name in sorted(_class_folders(directory)):
        if name not in class_names:
            problems.append(
                f"{directory / name}: there is no such class in training"
            )
            continue
        paths = sorted(
            path
            for path in (directory / name).iterdir()
            if path.suffix.lower() in _SUFFIXES
            and not path.name.startswith(".")
        )
        if not paths:
            problems.append(
                f"{directory / name}: empty class (no .png, .jpg or .jpeg)"
            )
        label = class_names.index(name)
        rows += [Row(path, str(path), label) for path in paths]
    return rows


def _find_csv(labels_csv, root):
    table = pathlib.Path(labels_csv).expanduser()
    if not table.is_file() and root and (root / table).is_file():
        return root / table
    return table


def _rows_of_csv(lines, root, table, class_names, problems):
    """Yields (split, Row) of each line of a CSV."""
    has_splits = any("split" in line for _, line in lines)
    has_clean = any(line.get("clean_label") for _, line in lines)
    labels = {name: label for label, name in enumerate(class_names)}
    seen = {}
    for number, line in lines:
        where = f"{table.name}:{number}"
        path = _image_path(line["path"], root, table.parent)
        if path in seen:
            problems.append(
                f"{where}: {line['path']} is line {seen[path]} already"
            )
        seen.setdefault(path, number)
        given = _label(line, "given_label", labels, where, problems)
        clean = None
        if has_clean:
            clean = _label(line, "clean_label", labels, where, problems)
        name = line["split"] if has_splits else "train"
        if not name:
            problems.append(f"{where}: split is empty")
        yield name, Row(path, where, given, clean)


def _csv_lines(table):
    """Returns [(line number, {column: text})] of a CSV file."""
    try:
        # utf-8-sig: spreadsheets put a byte order mark first.
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", skipinitialspace=True)
            columns = reader.fieldnames or []
            lines = [
                (reader.line_num, {c: line[c].strip() for c in columns})
                for line in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.UserError(
            f"--labels_csv={table} cannot be read: {error}"
        ) from None
    missing = [c for c in ("path", "given_label") if c not in columns]
    if missing or not lines:
        raise errors.UserError(
            f"{table}: "
            + (f"no column {missing[0]}" if missing else "no rows")
            + "; it needs a head line path,given_label[,clean_label][,split] "
            "and a line for each image"
        )
    return lines


def _labels_in_use(lines, table, problems):
    """Returns the classes that the labels of the CSV make up."""
    used = {}
    for number, line in lines:
        for column in ("given_label", "clean_label"):
            text = line.get(column)
            if text and not (column == "clean_label" and text == "-1"):
                used.setdefault(text, number)
    if not all(text.removeprefix("-").isdecimal() for text in used):
        return tuple(sorted(used))
    numbers = {int(text): number for text, number in used.items()}
    if numbers and max(numbers) >= len(lines):
        # Not a class for each integer below: most of them would be empty.
        largest = max(numbers)
        problems.append(
            f"{table.name}:{numbers[largest]}: label {largest} is out of "
            f"range: the file has no more than {len(lines)} rows"
        )
        return tuple(str(n) for n in sorted(n for n in numbers if n >= 0))
    return tuple(map(str, range(max(numbers, default=-1) + 1)))


def _label(line, column, labels, where, problems):
    """Returns a label's index, or 0 after adding to the problems."""
    text = line[column]
    if text in labels:
        return labels[text]
    if text == "-1" and column == "clean_label":
        return -1
    if text.isdecimal() and int(text) < len(labels):
        return int(text)
    if not text:
        problems.append(f"{where}: {column} is empty")
    else:
        known = ", ".join(list(labels)[:3]) + ", ..." * (len(labels) > 3)
        problems.append(
            f"{where}: {column} {text} is out of range: there are "
            f"{len(labels)} classes ({known})"
        )
    return 0


def _image_path(text, root, csv_folder):
    """Returns where an image is: in DIR or else in the CSV's folder."""
    text = os.path.normpath(text)
    if root and (root / text).exists():
        return root / text
    return csv_folder / text


def _check_every_class(rows, class_names, table, problems):
    used = {row.given for row in rows} | {row.clean for row in rows}
    for label, name in enumerate(class_names):
        if rows and label not in used:
            problems.append(
                f"{table}: empty class {name}: no training row has this label"
            )
