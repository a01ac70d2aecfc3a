"""The READMEs' tables."""

import pytest

from tfnoisy import errors
from tfnoisy.cli import document_results
from tfnoisy.reproduction import measured, tables
from tfnoisy.reproduction import rows as rows_lib


def row(name, setting, values, **more):
    return rows_lib.Row(
        id=name + setting,
        table="t",
        label=name,
        setting=setting,
        command="bin/train.py",
        values=tuple(values),
        commit="1234567",
        **more,
    )


def made(rows, **table):
    table = rows_lib.Table(
        name="t", readme="README.md", tolerance=0.1, because="", **table
    )
    rows = rows_lib.Rows({"t": table}, {one.id: one for one in rows})
    return rows, {name: measured.of(one) for name, one in rows.rows.items()}


def test_a_line_for_each_row():
    rows, found = made(
        [
            row("plain", "0.4", [0.5, 0.52], fitted=0.8, passes=30),
            row("ours", "0.4", [0.7], paper=0.9, paper_which="best"),
            row("other", "0.6", [0.3], hardware="a GPU"),
            row("not yet", "0.6", []),
        ],
        columns=(
            "setting", "accuracy", "highest", "fitted", "passes", "paper",
            "measured",
        ),
    )  # fmt: skip
    assert tables.markdown(rows, "t", found) == (
        "|  | labels | test accuracy | highest | wrong labels fitted | passes"
        " | published | measured |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| plain | 0.4 | 0.510 ± 0.014 | 0.520 | 0.80 | 30 |  | 1234567 |\n"
        "| ours | 0.4 | **0.700** | 0.700 |  |  | 0.900 (best) | 1234567 |\n"
        "| other | 0.6 | **0.300** | 0.300 |  |  |  | 1234567, a GPU |\n"
    )


def test_what_is_alike_in_all_rows_is_said_once():
    rows, found = made(
        [row("plain", "0.4", [0.5]), row("ours", "0.4", [0.7])],
        columns=("accuracy", "measured"),
    )
    assert tables.markdown(rows, "t", found).endswith(
        "| plain | 0.500 |\n| ours | **0.700** |\n\nMeasured: 1234567.\n"
    )


def test_a_grid_has_a_column_for_each_setting():
    rows, found = made(
        [
            row("plain", "0.4", [0.5]),
            row("plain", "0.6", [0.3]),
            row("ours", "0.6", [0.7]),
        ],
        grid="accuracy",
    )
    assert tables.markdown(rows, "t", found) == (
        "|  | 0.4 | 0.6 |\n| --- | --- | --- |\n"
        "| plain | **0.500** | 0.300 |\n"
        "| ours |  | **0.700** |\n"
    )


def test_a_readme_is_filled_between_its_comments():
    rows, found = made([row("plain", "0.4", [0.5])])
    text = "a\n<!-- table t: x -->\nold\n\nold\n<!-- end of table -->\nb\n"
    filled = tables.fill(text, rows, found)
    assert filled == (
        "a\n<!-- table t: x -->\n\n|  | test accuracy |\n| --- | --- |\n"
        "| plain | **0.500** |\n\n<!-- end of table -->\nb\n"
    )
    assert tables.fill(filled, rows, found) == filled
    assert tables.named(text) == ["t"]


def test_a_table_without_numbers_is_refused():
    rows, found = made([row("plain", "0.4", [])])
    with pytest.raises(errors.UserError, match="nothing was measured"):
        tables.markdown(rows, "t", found)
    with pytest.raises(errors.UserError, match="no table 'u'"):
        tables.fill("<!-- table u -->\n<!-- end of table -->", rows, found)


def test_every_shipped_table_stands_in_its_readme_and_is_not_stale(capsys):
    rows = rows_lib.load()
    found = {name: measured.of(row) for name, row in rows.rows.items()}
    for table in rows.tables.values():
        if not any(found[r.id].accuracies for r in rows.of_table(table.name)):
            continue
        text = (document_results._ROOT / table.readme).read_text()
        assert table.name in tables.named(text)
    assert document_results.main(["--check"]) == 0, capsys.readouterr().err
