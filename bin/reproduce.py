#!/usr/bin/env python3
"""Measures a number of the READMEs again, and says whether it agrees.

    bin/reproduce.py --list
    bin/reproduce.py digits_mentormix --seed=1
    bin/reproduce.py --table=digits

A row is a training: its command, seeds and measured values are in
data/results/rows.toml, and the curves of the runs beside it.  A row is trained
by its command into OUTPUT_DIR/ROW-SEED, and the same command goes on where it
was stopped.  Inside is what is within the 95 % prediction interval of three
seeds or more, or within the tolerance of the row's table.  The exit code is 1
if a rerun is outside.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import pathlib
import shlex
import sys

from absl import flags
from etils import epy

from tfnoisy import errors, output_file, resources
from tfnoisy.cli import command_line, flag_groups

with epy.lazy_imports():
    from tfnoisy.comparison import trainer_process
    from tfnoisy.reproduction import figure, kept, measured, rerun, spread
    from tfnoisy.reproduction import rows as rows_lib

with flag_groups.group("What to measure again"):
    flags.DEFINE_boolean("list", False, "Print all rows, and train nothing.")
    flags.DEFINE_string(
        "table", "", "All rows of this table, or of --list or --plot."
    )
    flags.DEFINE_integer(
        "seed",
        -1,
        "The seed, one of the row's or another; -1 is the row's first one.",
        lower_bound=-1,
    )
    flags.DEFINE_boolean(
        "dry_run", False, "Print the commands and run nothing."
    )
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string(
        "output_dir", "runs/reproduce", "The folder for runs and their logs."
    )
    flags.DEFINE_boolean(
        "keep",
        False,
        "Keep what was measured in data/results/runs of this checkout, from "
        "which the READMEs' tables are written (make docs).",
    )
    flags.DEFINE_string(
        "plot", "", "A PNG to write: the curves of --table; trains nothing."
    )

FLAGS = flags.FLAGS


def expected_of(rows, row, found):
    """Returns where one more run of a measured row is expected."""
    table = rows.tables[row.table]
    return spread.of(found.accuracies, table.tolerance, table.because)


def listed(rows, members):
    """Prints the rows with what was measured, and how."""
    for row in members:
        found = measured.of(row)
        value = "not measured yet"
        if found.accuracies:
            expected = expected_of(rows, row, found)
            count = len(found.accuracies)
            value = f"{expected.mean:.4f} ± {expected.half_width:.4f}"
            value += f", {count} seed{'s' * (count > 1)}"
            if found.minutes is not None:
                value += f", {found.minutes:.1f} processor minutes a run"
            where = ", ".join([*found.commits, *found.hardware])
            value += f" ({where})" if where else ""
        if row.paper is not None:
            value += (
                f"; published {row.paper:.4f} ({row.paper_which}, "
                f"{row.paper_source})"
            )
        print(f"{row.id}: {value}\n    {row.command}")


def check(row, seed):
    """Refuses a seed that the row cannot have, before anything is trained.

    Raises:
        UserError: if its command has no seed, or it cannot be kept.
    """
    if seed in row.seeds:
        return
    if "{seed}" not in row.command:
        raise errors.UserError(
            f"--seed={seed}: {row.id} has one command, of seed {row.seeds[0]}"
        )
    if FLAGS.keep:
        raise errors.UserError(
            f"--keep: {seed} is none of the seeds of {row.id}; add it to them "
            "in data/results/rows.toml first"
        )


def measure(rows, row, seed, output_dir):
    """Trains a row, says what came out, and returns whether it agrees."""
    scripts = pathlib.Path(__file__).resolve().parent
    print(f"{row.id}, seed {seed} ...", file=sys.stderr, flush=True)
    found = rerun.run(row, seed, output_dir, scripts)
    before = measured.of(row)
    agrees = True
    if before.accuracies:
        expected = expected_of(rows, row, before)
        agrees = expected.holds(found.test_accuracy)
        print(f"{row.id}, seed {seed}: {expected.judge(found.test_accuracy)}")
    else:
        print(f"{row.id}, seed {seed}: {found.test_accuracy:.4f}")
    if row.paper is not None:
        print(
            f"    published {row.paper:.4f} ({row.paper_which}, "
            f"{row.paper_source}): {found.test_accuracy - row.paper:+.4f}"
        )
    if FLAGS.keep:
        path = resources.shipped("data/results/runs")
        output_file.write(
            path / kept.file_name(row.id, seed), kept.to_json(found)
        )
    return agrees


def main(argv):
    """Lists, draws or measures again."""
    rows = rows_lib.load()
    names = argv[1:]
    members = [rows.row(name) for name in names]
    if FLAGS.table:
        members += rows.of_table(FLAGS.table)
    if FLAGS.plot:
        output_file.check_png(FLAGS.plot, "--plot")
        if not FLAGS.table:
            raise errors.UserError("--plot needs --table: whose curves?")
        figure.plot(rows, FLAGS.table, pathlib.Path(FLAGS.plot))
        print(f"curves: {FLAGS.plot}")
        return
    if FLAGS.list:
        listed(rows, members or rows.rows.values())
        return
    if not members:
        raise errors.UserError(
            "which row? --list shows them all, --table names a whole table"
        )
    output_dir = pathlib.Path(FLAGS.output_dir).expanduser()
    todo = [
        (row, row.seeds[0] if FLAGS.seed < 0 else FLAGS.seed) for row in members
    ]
    for row, seed in todo:
        check(row, seed)
    if FLAGS.dry_run:
        for row, seed in todo:
            print(shlex.join(rerun.command(row, seed, output_dir)))
        return
    output_file.check_folder(output_dir, "--output_dir")
    trainer_process.end_with_us()
    agreed = [measure(rows, row, seed, output_dir) for row, seed in todo]
    if not all(agreed):
        sys.exit(1)


def run():
    """Is the command's entry point."""
    command_line.run(main, operands="ROW")


if __name__ == "__main__":
    run()
