"""A CSV file as programs and people write it: Excel, pandas, by hand.

Separators, encodings and the names of columns are found out, and said where
they are not the usual ones.
"""

import codecs
import contextlib
import csv
import dataclasses
import io
import re
import sys

from tfnoisy import errors

# The names that a column goes by, the usual one first.
PATH = "path"
GIVEN, CLEAN, SPLIT = "given_label", "clean_label", "split"
SYNONYMS = {
    PATH: (
        *("path", "file", "filename", "file_name", "filepath", "file_path"),
        *("image", "image_path", "image_file", "image_name", "img", "img_path"),
    ),
    GIVEN: (
        *("given_label", "label", "labels", "class", "class_name", "category"),
        *("target", "noisy_label"),
    ),
    CLEAN: ("clean_label", "true_label", "gold_label", "ground_truth"),
    SPLIT: ("split", "subset", "partition", "set"),
}
_SEPARATORS = (",", ";", "\t", "|")
# The sample that csv.Sniffer looks at, in characters.
_SAMPLE = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of a table.

    Attributes:
        number: the line of the file that it begins in, from 1 on.
        cells: {role: text}, without the spaces around it.
        fault: what is wrong with the row, or empty.
    """

    number: int
    cells: dict[str, str]
    fault: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows of a file, under the roles of its columns.

    Attributes:
        path: the file.
        columns: {role: the column's own name}.
        lines: a list of `Line`.
        encoding: how it was read, where that was a guess, or empty.
    """

    path: object
    columns: dict[str, str]
    lines: list[Line]
    encoding: str = ""

    def notes(self):
        """Returns a line on columns that are not called as usual."""
        taken = [
            f"{role} from column {name!r}"
            for role, name in self.columns.items()
            if name != role
        ]
        notes = [f"{self.path.name}: {', '.join(taken)}"] if taken else []
        if self.encoding:
            notes.append(
                f"{self.path.name} is not UTF-8 and was read as {self.encoding}"
            )
        return notes

    def has_raw_bytes(self, but=()):
        """Returns whether a cell has bytes that are no UTF-8.

        Args:
            but: roles whose cells are not looked at.
        """
        return any(
            "\udc80" <= character <= "\udcff"
            for line in self.lines
            for role, cell in line.cells.items()
            if role not in but
            for character in cell
        )


def read(path, required=(PATH, GIVEN), synonyms=None, encoding=""):
    """Reads a CSV file with a head line.

    Args:
        path: a `pathlib.Path`.
        required: roles without which the file cannot be used.
        synonyms: {role: names of its column, the usual one first}; those for
            lists of labelled images if None.
        encoding: of a file that is not UTF-8; if empty, bytes that are not
            stand as they are, as in the paths of Linux.

    Returns:
        A `Table`.

    Raises:
        UserError: if the file cannot be read, lacks a column, names one
            twice or has no rows.
    """
    synonyms = SYNONYMS if synonyms is None else synonyms
    text = _text_of(path, encoding)
    if text.startswith("sep=") and "\n" in text:
        # Excel's way to say it.
        first, text = text.split("\n", 1)
        separator, skipped = first[4:5], 1
    else:
        separator, skipped = None, 0
    with _long_fields():
        separator = _separator(text, separator, required, synonyms)
        rows = _rows(path, text, separator, skipped)
        _, head = next(rows, (1, []))
        columns = _columns(path, head, required, synonyms)
        lines = [
            _line(number, row, head, columns, separator) for number, row in rows
        ]
    if not lines:
        raise errors.UserError(f"{path} has a head line and no rows")
    names = {role: head[place].strip() for role, place in columns.items()}
    return Table(path, names, lines, encoding)


def _text_of(path, encoding):
    try:
        contents = path.read_bytes()
    except OSError as error:
        raise errors.UserError(
            f"{path} cannot be read: {error.strerror}"
        ) from None
    if contents.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif not encoding:
        # Spreadsheets put a byte order mark first.  Paths may have bytes that
        # are no UTF-8.
        encoding = "utf-8-sig"
    try:
        text = contents.decode(encoding, "surrogateescape")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise errors.UserError(f"{path} is no CSV file: it is not text")
    return text


@contextlib.contextmanager
def _long_fields():
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _separator(text, given, required, synonyms):
    """Returns the separator by which the head line has the columns."""
    candidates = [given] if given else [*_SEPARATORS, _sniffed(text)]
    for separator in filter(None, candidates):
        reader = _reader(text, separator)
        with contextlib.suppress(csv.Error, StopIteration):
            names = set(map(_plain, next(reader)))
            if all(names & set(synonyms[role]) for role in required):
                return separator
    return given or ","


def _sniffed(text):
    with contextlib.suppress(csv.Error):
        return csv.Sniffer().sniff(text[:_SAMPLE]).delimiter
    return None


def _reader(text, separator):
    return csv.reader(
        io.StringIO(text, newline=""),
        delimiter=separator,
        skipinitialspace=True,
        # Otherwise a quotation mark that is not closed swallows the rest.
        strict=True,
    )


def _rows(path, text, separator, skipped):
    """Yields (line number, cells) of the rows that are not empty."""
    reader = _reader(text, separator)
    while True:
        number = reader.line_num + 1 + skipped
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error)
            if "unexpected end" in reason:
                reason = "a quotation mark is never closed"
            raise errors.UserError(f"{path}:{number}: {reason}") from None
        if any(cell.strip() for cell in row):
            yield number, row


def _plain(name):
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _columns(path, head, required, synonyms):
    """Returns {role: place in the row}."""
    names = list(map(_plain, head))
    columns = {}
    for role, known in synonyms.items():
        found = next((name for name in known if name in names), None)
        if found is None:
            continue
        if names.count(found) > 1:
            raise errors.UserError(f"{path} has two columns {found!r}")
        columns[role] = names.index(found)
    for role in required:
        if role not in columns:
            there = ", ".join(name.strip() for name in head)[:200]
            raise errors.UserError(
                f"{path}: no column {role} (or {', '.join(synonyms[role][1:])})"
                f" in its head line, which is: {there or 'empty'}"
            )
    return columns


def _line(number, row, head, columns, separator):
    cells = {
        role: row[place].strip() if place < len(row) else ""
        for role, place in columns.items()
    }
    fault = ""
    if any(cell.strip() for cell in row[len(head) :]):
        fault = (
            f"{len(row)} cells where the head line has {len(head)} (a text "
            f"with a {separator!r} in it needs quotation marks)"
        )
    return Line(number, cells, fault)
