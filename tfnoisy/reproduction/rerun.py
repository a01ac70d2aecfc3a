"""Measures a row again, by the command that a user would type."""

import pathlib
import shlex
import sys

from tfnoisy import errors
from tfnoisy.comparison import trainer_process
from tfnoisy.reproduction import kept as kept_lib
from tfnoisy.reproduction import rows as rows_lib


def folder_of(
    row: rows_lib.Row, seed: int, output_dir: pathlib.Path
) -> pathlib.Path:
    """Returns the run folder of a row's seed, ROW-SEED in the folder."""
    return output_dir / f"{row.id}-{seed}"


def command(
    row: rows_lib.Row, seed: int, output_dir: pathlib.Path
) -> list[str]:
    """Returns the words of a row's command, with the run folder.

    Args:
        row: the row.
        seed: one of any.
        output_dir: the folder of the run folders.
    """
    folder = folder_of(row, seed, output_dir)
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
    folder = folder_of(row, seed, output_dir)
    typed = command(row, seed, output_dir)
    script = scripts / pathlib.PurePosixPath(typed[0]).name
    log = output_dir / "logs" / f"{folder.name}.log"
    words = [sys.executable, str(script), *typed[1:]]
    with trainer_process.open_log(log) as file:
        try:
            code, why = trainer_process.run_logged(words, file, log)
        except KeyboardInterrupt:
            raise errors.Interrupted(
                f"stopped in {folder}; the same command goes on from there"
            ) from None
        if code == 2:
            raise errors.UserError(f"{row.id}: {why}")
    if code:
        raise errors.TrainingError(
            f"{shlex.join(typed)} failed: {why} (see {log})"
        )
    return kept_lib.of_run(row, seed, folder)
