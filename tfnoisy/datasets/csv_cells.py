"""Cells of CSV files that a spreadsheet shows as text, whatever is in them.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` as a formula,
and so may what a file or a class is called.  An apostrophe before it keeps
the spreadsheet from that; reading takes it away again.
"""

import csv
import io
import re

# Numbers such as -1 are no formulas.
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_KEPT = re.compile(r"'+[=+\-@\t\r]")


def safe(text):
    """Returns a text that no spreadsheet takes for a formula.

    Args:
        text: the cell; other values than texts are returned as they are.
    """
    if not isinstance(text, str) or _NUMBER.fullmatch(text):
        return text
    return f"'{text}" if _FORMULA.match(text) else text


def original(text):
    """Returns the text that `safe` was given.

    Args:
        text: a cell that was read.
    """
    return text[1:] if _KEPT.match(text) else text


def to_csv(columns):
    """Returns a CSV file of {name: values}, its lines ended by LF.

    Args:
        columns: {head: N values}; texts are made `safe`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(
        map(safe, row) for row in zip(*columns.values(), strict=True)
    )
    return text.getvalue()
