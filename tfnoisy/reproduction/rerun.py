"""Measures a row again, by the command that a user would type."""

import pathlib
import shlex
import sys

from tfnoisy import errors
from tfnoisy.comparison import trainer_process
from tfnoisy.reproduction import kept as kept_lib
from tfnoisy.reproduction import rows as rows_lib


def command(row: rows_lib.Row, seed: int, folder: pathlib.Path) -> list[str]:
    """Returns the words of a row's command, with the run folder.

    Args:
        row: the row.
        seed: one of any.
        folder: the run folder.
    """
    return [*row.words(seed), f"--train_log_dir={folder}"]


def run(
    row: rows_lib.Row,
    seed: int,
    output_dir: pathlib.Path,
    scripts: pathlib.Path,
) -> kept_lib.Kept:
    """Trains, or goes on with, a row's run.

    Args:
        row: the row.
        seed: the seed.
        output_dir: the run's folder is ROW-SEED in it, its log beside it.
        scripts: the folder of the scripts.

    Returns:
        What was measured.

    Raises:
        UserError: if the trainer refuses its command.
        TrainingError: if it fails.
        Interrupted: after Ctrl-C; the same call goes on.
    """
    folder = output_dir / f"{row.id}-{seed}"
    script, *words = command(row, seed, folder)
    log = output_dir / "logs" / f"{folder.name}.log"
    path = scripts / pathlib.PurePosixPath(script).name
    with trainer_process.open_log(log) as file:
        try:
            code = trainer_process.run(
                [sys.executable, str(path), *words], file
            )
        except KeyboardInterrupt:
            code = 130
        why = trainer_process.last_line(log)
        if code == 130:
            raise errors.Interrupted(
                f"stopped in {folder}; the same command goes on from there"
            )
        if code == 2:
            raise errors.UserError(f"{row.id}: {why}")
    if code:
        raise errors.TrainingError(
            f"{shlex.join(command(row, seed, folder))} failed: {why} (see "
            f"{log})"
        )
    return kept_lib.of_run(row, seed, folder)
