"""The table of measured numbers, `data/results/rows.toml`.

A row is a number of a README: the command that measures it, the seeds, and
what the paper says.  What was measured is kept beside it, see `kept`; rows of
earlier commits hold their values themselves.
"""

import dataclasses
import difflib
import pathlib
import shlex
import tomllib
from typing import Any

from tfnoisy import errors, resources

# What a table may show of its rows; see `tables.py`.
COLUMNS = (
    "setting",
    "accuracy",
    "lowest",
    "highest",
    "best",
    "fitted",
    "f1",
    "auc",
    "minutes",
    "seconds",
    "passes",
    "paper",
    "measured",
)
_WHICH = ("last", "best", "not said")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table of a README.

    Attributes:
        name: stands in the README where the table begins.
        readme: the file, from the root of the checkout.
        tolerance: how far a single run may be from a row of one or two seeds,
            or from one with hardly a spread, in accuracy.
        because: where the tolerance is from.
        columns: names of `COLUMNS`, after the row's label.
        grid: the column whose values stand side by side, a column for each
            `setting` of the rows; "" for a line for each row.
        of: the table whose rows are shown, if not its own.
        only: the setting of the rows that are shown, "" for all.
    """

    name: str
    readme: str
    tolerance: float
    because: str
    columns: tuple[str, ...] = ("accuracy",)
    grid: str = ""
    of: str = ""
    only: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A measured number.

    Attributes:
        id: a word, which `bin/reproduce.py` takes.
        table: the `Table` that it stands in.
        label: its first cell, in Markdown.
        setting: what is alike in a column of a grid, such as the noise.
        command: as it is typed in a checkout, without the run folder; `{seed}`
            stands for the seed.
        passes: how often the training data are gone through.
        seeds: those that were, or are to be, run.
        values: the measured values of earlier commits, one for each seed; empty
            where the runs themselves are kept.
        best: the mean best accuracy on the way, of those values.
        fitted: the mean share of wrong labels fitted, of those values.
        f1: of the method's judgement of the labels, of those values.
        auc: likewise.
        commit: the code that measured the values.
        hardware: what it ran on.
        paper: what the paper, or the authors' code, reaches; None if nothing
            comparable is published.
        paper_which: "last" or "best" epoch, or "not said".
        paper_source: where that stands.
    """

    id: str
    table: str
    label: str
    setting: str = ""
    command: str
    passes: float | None = None
    seeds: tuple[int, ...] = (0,)
    values: tuple[float, ...] = ()
    best: float | None = None
    fitted: float | None = None
    f1: float | None = None
    auc: float | None = None
    commit: str = ""
    hardware: str = ""
    paper: float | None = None
    paper_which: str = "not said"
    paper_source: str = ""

    def words(self, seed: int) -> list[str]:
        """Returns the command line for a seed, the script first."""
        return shlex.split(self.typed(seed))

    def typed(self, seed: int) -> str:
        """Returns the command as it is typed for a seed."""
        return self.command.replace("{seed}", str(seed))


@dataclasses.dataclass(frozen=True)
class Rows:
    """All tables and rows, by name.

    Attributes:
        tables: {name: `Table`}.
        rows: {id: `Row`}, in the order of the file.
    """

    tables: dict[str, Table]
    rows: dict[str, Row]

    def row(self, name: str) -> Row:
        """Returns the row of this id.

        Raises:
            UserError: if there is none; near ones are named.
        """
        if name not in self.rows:
            raise errors.UserError(
                _unknown("row", name, list(self.rows))
                + "; --list shows them all"
            )
        return self.rows[name]

    def of_table(self, name: str) -> list[Row]:
        """Returns the rows that a table shows, in order.

        Raises:
            UserError: if there is no such table.
        """
        if name not in self.tables:
            raise errors.UserError(_unknown("table", name, list(self.tables)))
        table = self.tables[name]
        return [
            row
            for row in self.rows.values()
            if row.table == (table.of or name)
            and table.only in ("", row.setting)
        ]


def load(path: pathlib.Path | None = None) -> Rows:
    """Reads the table.

    Args:
        path: the file; the shipped one if None.

    Raises:
        UserError: if it cannot be read, or says what it cannot mean.
    """
    path = path or resources.shipped("data/results/rows.toml")
    try:
        contents = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise errors.UserError(f"{path}: {error}") from error
    tables = _by_name(path, "table", Table, contents.get("table", []), "name")
    rows = _by_name(path, "row", Row, contents.get("row", []), "id")
    for table in tables.values():
        unknown = set(table.columns) - set(COLUMNS)
        if unknown:
            raise errors.UserError(
                f"{path}: table {table.name}: "
                + _unknown("column", min(unknown), list(COLUMNS))
            )
        if table.of and table.of not in tables:
            raise errors.UserError(
                f"{path}: table {table.name}: "
                + _unknown("table", table.of, list(tables))
            )
    for row in rows.values():
        _check(path, row, tables)
    return Rows(tables, rows)


def _check(path, row, tables):
    wrong = ""
    if row.table not in tables:
        wrong = f"there is no table {row.table}"
    elif row.paper_which not in _WHICH:
        wrong = f"paper_which is one of {', '.join(_WHICH)}"
    elif row.paper is not None and not row.paper_source:
        wrong = "paper_source says where the paper's number stands"
    elif not row.seeds:
        wrong = "seeds are missing"
    elif row.values and len(row.values) != len(row.seeds):
        wrong = f"{len(row.values)} values for {len(row.seeds)} seeds"
    elif row.values and not row.commit:
        wrong = "values need the commit that measured them"
    elif len(row.seeds) > 1 and "{seed}" not in row.command:
        wrong = "several seeds, but no {seed} in the command"
    elif not row.command.startswith("bin/"):
        wrong = "the command begins with bin/"
    if wrong:
        raise errors.UserError(f"{path}: row {row.id}: {wrong}")


def _by_name(path, kind, make, entries, key):
    named: dict[str, Any] = {}
    known = {field.name for field in dataclasses.fields(make)}
    for number, entry in enumerate(entries, 1):
        name = entry.get(key)
        where = f"{path}: {kind} {name or number}"
        for word in entry:
            if word not in known:
                raise errors.UserError(
                    f"{where}: " + _unknown("entry", word, sorted(known))
                )
        values = {
            word: tuple(value) if isinstance(value, list) else value
            for word, value in entry.items()
        }
        try:
            made = make(**values)
        except TypeError as error:
            missing = str(error).partition(": ")[2] or str(error)
            raise errors.UserError(f"{where} lacks {missing}") from error
        if name in named:
            raise errors.UserError(f"{where} is there twice")
        named[name] = made
    return named


def _unknown(kind, name, known):
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"{', '.join(known)} are"
    return f"there is no {kind} {name!r}; {hint}"
