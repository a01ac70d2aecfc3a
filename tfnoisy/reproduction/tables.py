"""The tables of the READMEs, written from the rows.

In a README a table stands between two comments,

    <!-- table NAME: from data/results, by `make docs` -->
    <!-- end of table -->

and what is between them is written by `fill`.
"""

import re

from tfnoisy import errors
from tfnoisy.reproduction import measured as measured_lib
from tfnoisy.reproduction import rows as rows_lib

_BLOCK = re.compile(
    r"(<!-- table (?P<name>[\w.-]+)[^>]*-->\n).*?(<!-- end of table -->)",
    re.DOTALL,
)
_HEADS = {
    "accuracy": "test accuracy",
    "lowest": "lowest",
    "highest": "highest",
    "best": "best on test",
    "fitted": "wrong labels fitted",
    "f1": "F1 of wrong labels",
    "auc": "AUC",
    "minutes": "processor minutes",
    "seconds": "seconds",
    "setting": "labels",
    "passes": "passes",
    "paper": "published",
    "measured": "measured",
}

_DIGITS = {"minutes": 1, "seconds": 0, "passes": 0, "fitted": 2}


def fill(
    text: str, rows: rows_lib.Rows, measured: dict[str, measured_lib.Measured]
) -> str:
    """Returns a README's text with its tables as they are now.

    Args:
        text: the README.
        rows: all tables and rows.
        measured: {row id: what was measured of it}.

    Raises:
        UserError: for a table that does not exist.
    """

    def written(found):
        table = found["name"]
        return f"{found[1]}\n{markdown(rows, table, measured)}\n{found[3]}"

    return _BLOCK.sub(written, text)


def named(text: str) -> list[str]:
    """Returns the names of the tables that a README has."""
    return [found["name"] for found in _BLOCK.finditer(text)]


def markdown(
    rows: rows_lib.Rows,
    name: str,
    measured: dict[str, measured_lib.Measured],
) -> str:
    """Returns a table in Markdown; rows without a measurement are left out.

    Args:
        rows: all tables and rows.
        name: of the table.
        measured: {row id: what was measured of it}.

    Raises:
        UserError: if there is no such table, or nothing was measured for it.
    """
    members = [
        row for row in rows.of_table(name) if measured[row.id].accuracies
    ]
    if not members:
        raise errors.UserError(f"nothing was measured for table {name}")
    table = rows.tables[name]
    if table.grid:
        return _grid(table, members, measured)
    best = _best(members, measured)
    head = ["", *(_HEADS[column] for column in table.columns)]
    lines = [
        [
            row.label,
            *(
                _cell(measured[row.id], column, best[row.setting])
                for column in table.columns
            ),
        ]
        for row in members
    ]
    text = ""
    if table.columns[-1] == "measured":
        where = {line[-1] for line in lines}
        if len(where) == 1:
            # Once below the table, not in each row.
            head, lines = head[:-1], [line[:-1] for line in lines]
            text = f"\nMeasured: {where.pop()}.\n"
    return _table([head, *lines]) + text


def _grid(table, members, measured):
    settings = list(dict.fromkeys(row.setting for row in members))
    labels = list(dict.fromkeys(row.label for row in members))
    cells = {(row.label, row.setting): measured[row.id] for row in members}
    best = _best(members, measured)
    lines = [["", *settings]]
    for label in labels:
        lines.append([label])
        for setting in settings:
            one = cells.get((label, setting))
            lines[-1].append(
                _cell(one, table.grid, best[setting]) if one else ""
            )
    return _table(lines)


def _best(members, measured):
    """The highest mean accuracy of each setting, as it is shown."""
    best = {}
    for row in members:
        mean = round(measured[row.id].mean, 3)
        best[row.setting] = max(mean, best.get(row.setting, 0.0))
    return best


def _table(lines):
    head, *body = lines
    rows = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _cell(one, column, best):
    if column == "accuracy":
        text = f"{one.mean:.3f}"
        if round(one.mean, 3) == best:
            text = f"**{text}**"
        if one.deviation is not None:
            text += f" ± {one.deviation:.3f}"
        return text
    if column == "setting":
        return one.row.setting
    if column == "paper":
        return _paper(one.row)
    if column == "measured":
        return ", ".join(part for part in (*one.commits, *one.hardware) if part)
    value = {
        "lowest": min(one.accuracies),
        "highest": max(one.accuracies),
        "passes": one.row.passes,
    }.get(column, getattr(one, column, None))
    if value is None:
        return ""
    return f"{value:.{_DIGITS.get(column, 3)}f}"


def _paper(row):
    if row.paper is None:
        return ""
    which = "" if row.paper_which == "not said" else f" ({row.paper_which})"
    return f"{row.paper:.3f}{which}"
