"""Images and labels named by a CSV file, or by Hugging Face's metadata files.

    path,given_label[,clean_label][,split]

`metadata.csv` and `metadata.jsonl` lie in the folder of the images, or in one
for each split, and name the images in `file_name`.
"""

import json
import os
import pathlib
import unicodedata

from tfnoisy import errors
from tfnoisy.datasets import csv_cells
from tfnoisy.datasets.sources import (
    class_folders,
    csv_table,
    folder_listing,
    label_texts,
    listing,
)

_METADATA = ("metadata.csv", "metadata.jsonl")


def list_csv(data_dir, labels_csv, wanted):
    """Lists the rows of a CSV file, and folders of test images beside it.

    Where the file has no splits and there is `DIR/test/CLASS/*`, the test
    images come from there and its folders are the classes.

    Args:
        data_dir: DIR, or empty.
        labels_csv: the file; relative to the working directory or to DIR.
        wanted: names of the splits that are asked for.

    Returns:
        A `listing.Listing`, rows in the order of the file.

    Raises:
        UserError: if the file cannot be read or lacks a column.
    """
    root = pathlib.Path(data_dir).expanduser() if data_dir else None
    bases = [root] if root else []
    table = _read(_find(labels_csv, root), bases)
    parts, folders = {}, ()
    if root and csv_table.SPLIT not in table.columns:
        parts = folder_listing.split_folders(root)
        folders = class_folders.subfolders(root / parts.get("test", "test"))
    bases.append(table.path.parent)
    found = _listing([(table, bases, "train")], folders)
    for name in wanted:
        if name not in found.splits and name in parts:
            found.splits[name] = folder_listing.list_classes(
                root, root / parts[name], found.class_names, found
            )
    return found


def list_like(data_dir, labels_csv, class_names, split):
    """Lists images of given classes: `DIR/CLASS/*`, or the rows of a CSV.

    Args:
        data_dir: DIR, or empty with a CSV.
        labels_csv: a CSV file of path,given_label, or empty.
        class_names: the classes.
        split: what the listed images are called.

    Returns:
        A `listing.Listing`.

    Raises:
        UserError: if there is no folder or the CSV cannot be read.
    """
    root = pathlib.Path(data_dir).expanduser() if data_dir else None
    if root and not root.is_dir():
        raise errors.UserError(f"{root} is not a folder")
    if labels_csv:
        bases = [root] if root else []
        table = _read(_find(labels_csv, root), bases)
        bases.append(table.path.parent)
        found = _listing([(table, bases, split)], class_names)
        every = [row for rows in found.splits.values() for row in rows]
        found.splits = {split: every}
        return found
    found = listing.Listing(tuple(class_names), {})
    found.splits[split] = folder_listing.list_classes(
        root, root, class_names, found
    )
    return found


def has_metadata(data_dir):
    """Returns whether a folder has Hugging Face's metadata with labels."""
    return bool(_metadata_tables(pathlib.Path(data_dir).expanduser()))


def list_metadata(data_dir):
    """Lists a folder whose images and labels are in metadata files.

    Args:
        data_dir: DIR, with `metadata.csv` or `metadata.jsonl` in it or in
            folders for its splits.

    Returns:
        A `listing.Listing`, rows in the order of the files.
    """
    root = pathlib.Path(data_dir).expanduser()
    found = _listing(
        [
            (table, [table.path.parent], split)
            for split, table in _metadata_tables(root).items()
        ],
        (),
        root,
    )
    found.notes.insert(0, f"{root}: the labels are those of metadata files")
    listed = {row.key for rows in found.splits.values() for row in rows}
    contents = class_folders.contents_of(root)
    left = len(set(contents.images) - listed)
    if left:
        found.notes.append(
            f"{left} image{'s' * (left > 1)} that no metadata file names left "
            "out"
        )
    return found


def _metadata_tables(root):
    """Returns {split: table}; none where the files have no labels."""
    folders = {"train": root} | {
        listing.split_name(name): root / name
        for name in class_folders.subfolders(root)
    }
    tables = {}
    for split, folder in folders.items():
        for name in _METADATA:
            if (folder / name).is_file():
                table = _read_metadata(folder / name)
                if csv_table.GIVEN in table.columns:
                    tables[split] = table
                break
    return tables


def _read_metadata(path):
    if path.suffix == ".csv":
        return csv_table.read(path, required=(csv_table.PATH,))
    lines, columns = [], {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    cells = _cells_of(json.loads(text), columns)
                    lines.append(csv_table.Line(number, cells))
    except (OSError, ValueError) as error:
        raise errors.UserError(
            f"{path} cannot be read: {str(error)[:100]}"
        ) from None
    if csv_table.PATH not in columns:
        raise errors.UserError(f"{path} has no field file_name")
    return csv_table.Table(path, columns, lines)


def _cells_of(fields, columns):
    if not isinstance(fields, dict):
        raise ValueError("a line is no JSON object")
    cells = {}
    for role, names in csv_table.SYNONYMS.items():
        name = next((name for name in names if name in fields), None)
        if name is not None:
            columns[role] = name
            value = fields[name]
            cells[role] = "" if value is None else str(value).strip()
    return cells


def _find(labels_csv, root):
    path = pathlib.Path(labels_csv).expanduser()
    for candidate in (path, *([root / path] if root else [])):
        if candidate.exists():
            return candidate
    raise errors.UserError(
        f"--labels_csv={labels_csv}: no such file here"
        + (f" nor in {root}" if root else "")
    )


def _read(path, bases):
    """Reads a CSV file; where its bytes mean nothing here, as Windows' Excel.

    Args:
        path: the file.
        bases: folders that its paths may begin in, beside its own.
    """
    table = csv_table.read(path)
    if not table.has_raw_bytes():
        return table
    for line in table.lines:
        text = line.cells[csv_table.PATH]
        found, _ = _image_path(text, [*bases, path.parent])
        # A file of that name: the bytes are right as they are.
        if not text.isascii() and os.path.lexists(found):
            return table
    try:
        return csv_table.read(path, encoding="Windows-1252")
    except errors.UserError:
        return table


def _listing(sources, class_names, root=None):
    """Lists the rows of tables, whose labels are decided on together.

    Args:
        sources: [(table, folders that its paths may begin in, its split)].
        class_names: the classes, or none where the labels name them.
        root: the folder that keys begin in; where an image was found if None.
    """
    every = [line for table, _, _ in sources for line in table.lines]
    has_clean = any(line.cells.get(csv_table.CLEAN) for line in every)
    name = ", ".join(table.path.name for table, _, _ in sources)
    problems = []
    labels = label_texts.decide(
        name,
        _texts(every, csv_table.GIVEN),
        _texts(every, csv_table.CLEAN) if has_clean else [],
        tuple(class_names),
        problems,
    )
    found = listing.Listing(labels.class_names, {}, problems=problems)
    for table, bases, split in sources:
        found.notes += table.notes()
        _add_rows(found, table, bases, split, labels, has_clean, root)
    found.can_hold_out = set(found.splits) == {"train"}
    if not class_names:
        folder_listing.check_names(found)
    return found


def _texts(lines, role):
    return [
        (line.number, csv_cells.original(line.cells.get(role, "")))
        for line in lines
    ]


def _add_rows(found, table, bases, split, labels, has_clean, root):
    has_splits = csv_table.SPLIT in table.columns
    seen = {}
    for line in table.lines:
        text = line.cells[csv_table.PATH]
        path, base = _image_path(text, bases)
        where = f"{table.path.name}:{line.number}"
        given, fault = _label(line, csv_table.GIVEN, labels)
        clean = None
        if has_clean:
            clean, other = _label(line, csv_table.CLEAN, labels)
            fault = fault or other
        name = split
        if has_splits:
            name = listing.split_name(line.cells[csv_table.SPLIT]) or split
            if not line.cells[csv_table.SPLIT]:
                fault = fault or "split is empty"
        if path in seen:
            fault = fault or f"{text} is line {seen[path]} already"
        seen.setdefault(path, line.number)
        if not text:
            fault = "path is empty"
        elif text.startswith(("http://", "https://")):
            fault = fault or "a web address: images are read from files"
        elif not os.path.lexists(path):
            among = " or ".join(map(str, bases))
            fault = fault or f"no such image {text[:200]} in {among}"
        key = os.path.relpath(path, root or base).replace(os.sep, "/")
        if key.startswith("../"):
            key = path
        found.splits.setdefault(name, []).append(
            listing.Row(
                path, key, f"{where}: {key}", given, clean, line.fault or fault
            )
        )


def _label(line, role, labels):
    """Returns a label's number and what is wrong with it."""
    text = csv_cells.original(line.cells.get(role, ""))
    if not text:
        return -1, f"{role} is empty"
    label, fault = labels.read(text, may_be_none=role == csv_table.CLEAN)
    return label, fault and f"{role} {fault}"


def _image_path(text, bases):
    """Returns where an image is, and the folder that was right."""
    texts = [text, csv_cells.original(text), text.replace("\\", "/")]
    if not text.isascii():
        # macOS writes an accent as a character of its own.
        texts += [
            unicodedata.normalize(form, texts[-1]) for form in ("NFC", "NFD")
        ]
    for base in bases:
        for form in texts:
            path = os.path.normpath(os.path.join(base, form))
            if os.path.lexists(path):
                return path, base
    return os.path.normpath(os.path.join(bases[-1], text)), bases[-1]
