"""How a run begins, or goes on: first all checks, then the first write."""

import sys

from tfnoisy import errors, output_file
from tfnoisy.datasets import csv_cells
from tfnoisy.datasets.sources import survey
from tfnoisy.noise import joining
from tfnoisy.noise import manifest as noise_manifest
from tfnoisy.runs import resumption


def finished(experiment, folder):
    """Returns the final metrics of a run that the command finds finished.

    Args:
        experiment: an `experiment.Experiment`.
        folder: its `runs.folder.RunFolder`.

    Returns:
        The contents of results.json, or None if there is something to do.

    Raises:
        UserError: if the folder holds another run, or no run, or one that
            another process trains; or for flags that contradict each other.
    """
    folder.check_usable()
    if experiment.overwrite:
        if experiment.restore_step:
            raise errors.UserError(
                f"--restore_step={experiment.restore_step} resumes the run "
                "that --overwrite would delete: give one of the two"
            )
        return None
    if folder.read_flags() is None:
        return None
    is_same = resumption.compare_flags(folder, experiment.flags)
    results = folder.read_results()
    if not is_same or not results or experiment.restore_step:
        # A step to restore asks for the run from there on, once more.
        return None
    # Those of before it was prolonged, by a process that then was killed.
    is_old = results["steps"] in folder.extended_from()
    return None if is_old else results


def check_resumable(folder, manifest, num_replicas):
    """Refuses to resume a run with other labels or devices.

    Args:
        folder: a `runs.folder.RunFolder`.
        manifest: the `NoiseManifest` of the data that are there.
        num_replicas: how many replicas, on all machines, would share a step.

    Raises:
        UserError: if the run had others.
    """
    if not folder.manifest.exists():
        return
    before = noise_manifest.NoiseManifest.load(folder.manifest)
    difference = joining.difference(before, manifest)
    if difference:
        raise errors.UserError(
            f"{folder.path} was trained on other labels (its "
            f"noise_manifest.npz differs: {difference}): the data have changed "
            "since; restore them, choose another --train_log_dir, or "
            "--overwrite"
        )
    if folder.replicas() != num_replicas:
        raise errors.UserError(
            f"{folder.path} was trained by {folder.replicas()} replicas, here "
            f"are {num_replicas}: its steps would go on with other examples; "
            "choose another --train_log_dir, or --overwrite"
        )


def begin(experiment, folder, method, data):
    """Makes the first write: the lock, the flag file, and the manifest.

    Args:
        experiment: an `experiment.Experiment`.
        folder: its `runs.folder.RunFolder`; nothing in it has changed yet.
        method: the compiled `methods.base.Method`.
        data: the `runs.data.Data`.

    Raises:
        UserError: if the folder cannot be written, or another process has
            begun to train there.
        StorageError: if the disk does not take it.
    """
    was_new = not folder.flags.exists()
    folder.lock.acquire()
    if was_new and folder.flags.exists():
        raise errors.UserError(
            f"another process has just begun a run in {folder.path}: choose "
            "another --train_log_dir"
        )
    if experiment.overwrite:
        folder.clear()
    ended = folder.extended_from()
    results = folder.read_results()
    if results and not resumption.compare_flags(folder, experiment.flags):
        ended = sorted({*ended, results["steps"]})
    networks = len(getattr(method.student, "networks", [method.student]))
    folder.write_flags(
        experiment.flags,
        experiment.command,
        ended,
        networks,
        method.distribute_strategy.num_replicas_in_sync,
    )
    folder.remove_results()
    manifest = data.manifest
    if not folder.manifest.exists():
        manifest.save(folder.manifest)
    if experiment.corrections:
        folder.keep_corrections(experiment.corrections)
    for line in (*experiment.notes, manifest.describe()):
        print(line, file=sys.stderr)
    for note in dict.fromkeys((*data.train.notes, *data.test.notes)):
        print(note, file=sys.stderr)
    skipped = dict.fromkeys((*data.train.skipped, *data.test.skipped))
    if skipped:
        columns = survey.skipped_columns(list(skipped))
        output_file.write(
            folder.path / "skipped.csv", csv_cells.to_csv(columns)
        )
