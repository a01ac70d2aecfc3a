"""The table of measured numbers, and what is refused of it."""

import pathlib
import shlex

import pytest

from tfnoisy import errors
from tfnoisy.reproduction import measured
from tfnoisy.reproduction import rows as rows_lib

TABLE = """
[[table]]
name = "digits"
readme = "README.md"
tolerance = 0.01
because = "tolerance"
"""
ROW = """
[[row]]
id = "plain"
table = "digits"
label = "plain"
command = "bin/train.py --name='a b' --seed={seed}"
seeds = [0, 2]
"""


def load(tmp_path, text):
    path = tmp_path / "rows.toml"
    path.write_text(text)
    return rows_lib.load(path)


def test_a_row_gives_the_words_of_its_command(tmp_path):
    rows = load(tmp_path, TABLE + ROW)
    assert rows.row("plain").words(7) == [
        "bin/train.py",
        "--name=a b",
        "--seed=7",
    ]
    assert rows.of_table("digits") == [rows.row("plain")]


def test_a_table_may_show_a_part_of_anothers_rows(tmp_path):
    more = ROW.replace('"plain"', '"other"') + 'setting = "0.6"\n'
    part = TABLE.replace('"digits"', '"part"') + 'of = "digits"\nonly = "0.6"\n'
    rows = load(tmp_path, TABLE + part + ROW + more)
    assert [row.id for row in rows.of_table("digits")] == ["plain", "other"]
    assert [row.id for row in rows.of_table("part")] == ["other"]


@pytest.mark.parametrize(
    "text, words",
    [
        ("[[row", "rows.toml"),
        (TABLE + ROW + ROW, "row plain is there twice"),
        (ROW, "there is no table digits"),
        (TABLE + ROW + "colour = 1\n", "no entry 'colour'"),
        (TABLE + ROW.replace('label = "plain"\n', ""), "lacks"),
        (TABLE + ROW + "values = [0.5]\n", "1 values for 2 seeds"),
        (TABLE + ROW + "values = [0.5, 0.6]\n", "need the commit"),
        (TABLE + ROW + "paper = 0.9\n", "paper_source"),
        (
            TABLE
            + ROW
            + 'paper = 0.9\npaper_source = "x"\npaper_which = "a"\n',
            "last, best, not said",
        ),
        (TABLE + ROW.replace("[0, 2]", "[]"), "seeds are missing"),
        (TABLE + ROW.replace("{seed}", "0"), "no {seed} in the command"),
        (TABLE + ROW.replace("bin/", ""), "begins with bin/"),
        (TABLE + 'columns = ["colour"]\n', "no column 'colour'"),
        (TABLE + 'of = "digit"\n', "did you mean digits?"),
    ],
)
def test_what_it_cannot_mean_is_refused(tmp_path, text, words):
    with pytest.raises(errors.UserError, match=".") as refused:
        load(tmp_path, text)
    assert words in str(refused.value)
    assert "rows.toml" in str(refused.value)


def test_an_unknown_name_is_answered_by_the_nearest(tmp_path):
    rows = load(tmp_path, TABLE + ROW)
    with pytest.raises(errors.UserError, match="did you mean plain"):
        rows.row("plan")
    with pytest.raises(errors.UserError, match="did you mean digits"):
        rows.of_table("digit")


def test_the_shipped_rows_are_sound():
    repository_root = pathlib.Path(__file__).parents[2]
    rows = rows_lib.load()
    for row in rows.rows.values():
        script, *words = row.words(row.seeds[0])
        assert (repository_root / script).is_file(), row.id
        assert words == shlex.split(shlex.join(words))
        assert not any(word.startswith("--train_log_dir") for word in words)
        found = measured.of(row)
        assert all(0 < value < 1 for value in found.accuracies), row.id
    for table in rows.tables.values():
        assert (repository_root / table.readme).is_file()
