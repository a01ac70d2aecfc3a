"""The runs of a comparison: planned, recognised when finished, estimated.

A comparison is no more than its run folders.  Each is made by the command that
a user would type, and goes on as any other does.
"""

import dataclasses
import json
import pathlib
import shlex

import numpy as np

from tfnoisy import errors, output_file, plugins
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.comparison import protocol as protocol_lib
from tfnoisy.runs import folder as run_folder

# In a run's folder: the command that its results.json answers.
_ANSWERED = "comparison.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """One training of a comparison.

    Attributes:
        method: a name in `catalogue.methods`.
        seed: of the noise and of everything else.
        folder: the run folder, a path.
        script: the trainer's file in bin/.
        flags: words of its command line.
        settled: {flag: value} of those that the comparison settles.
    """

    method: str
    seed: int
    folder: pathlib.Path
    script: str
    flags: tuple[str, ...]
    settled: dict[str, object]

    @property
    def name(self):
        """The name of the run folder."""
        return self.folder.name

    @property
    def words(self):
        """The words after the script; of a repeated flag the last counts."""
        settled = [f"--{flag}={value}" for flag, value in self.settled.items()]
        return [*self.flags, *settled]

    @property
    def command(self):
        """The command as it is typed in a checkout."""
        return shlex.join([f"bin/{self.script}", *self.words])


def make_runs(protocol, methods, seeds, output_dir):
    """Returns the runs, each seed with all methods before the next one.

    Args:
        protocol: a `protocol_lib.Protocol`.
        methods: names in `catalogue.methods`.
        seeds: integers.
        output_dir: a run's folder is METHOD-SEED in it.

    Raises:
        UserError: for an unknown method or none, and where a folder holds a
            run of another comparison.
    """
    protocol_lib.check_methods(methods)
    runs = [
        _run(protocol, method, seed, pathlib.Path(output_dir))
        for seed in seeds
        for method in methods
    ]
    for run in runs:
        _check_folder(run)
    return runs


def _run(protocol, name, seed, output_dir):
    method = catalogue.METHODS[name]
    folder = output_dir / f"{name}-{seed}"
    return Run(
        name,
        seed,
        folder,
        method.script,
        protocol_lib.flags_of(name, protocol),
        {
            "dataset_name": protocol.dataset_name,
            "noise": protocol.noise,
            "num_epochs": protocol.num_epochs - method.last_epoch,
            "noise_seed": seed,
            "seed": seed,
            "train_log_dir": folder,
        },
    )


def _check_folder(run):
    """Refuses a run of another comparison.

    The trainers refuse it too, unless it only has fewer epochs: that one they
    would prolong, with a schedule that no other run has.
    """
    before = run_folder.RunFolder(run.folder).read_flags()
    if before is None:
        return
    for name, value in run.settled.items():
        there = before.get(name)
        if name == "num_epochs":
            same = float(there or 0) == value
        else:
            # A folder may have been moved.
            same = there == str(value) or name == "train_log_dir"
        if not same:
            raise errors.UserError(
                f"{run.folder} holds another run: --{name}={there} there, "
                f"{value} here; choose another --output_dir"
            )


def recorded_plugins(output_dir):
    """Returns the plugins that the runs of a comparison record, a list.

    Args:
        output_dir: of the comparison; it need not exist.
    """
    flags = sorted(pathlib.Path(output_dir).glob("*-*/flags.flags"))
    recorded = (run_folder.RunFolder(f.parent).read_flags() for f in flags)
    return plugins.split(values.get("plugin", "") for values in recorded)


def is_finished(run):
    """Returns whether the run's folder holds the end of this very command.

    If not, it may still be finished: started by hand, or moved.  The trainer
    then says so, or that the flags differ, but takes its time.
    """
    path = run.folder / _ANSWERED
    if run_folder.RunFolder(run.folder).read_results() is None:
        return False
    return path.exists() and path.read_text() == _answer(run)


def mark_finished(run):
    """Notes that the trainer has ended this command well.

    Raises:
        UserError: if that cannot be written.
    """
    output_file.write(run.folder / _ANSWERED, _answer(run))


def _answer(run):
    # With the flags: a run may since have been repeated by hand.
    flags = run_folder.RunFolder(run.folder).read_flags()
    return json.dumps({"command": run.command, "flags": flags}, indent=2) + "\n"


def seconds_left(seconds, waiting):
    """Estimates how long the runs still to come will take.

    Args:
        seconds: {`Run`'s name: s} of those that ended, by method-seed.
        waiting: the `Run`s to come.

    Returns:
        Seconds: for each run the mean of its method's, or where there is none
        the mean of all; None if nothing has ended.
    """
    if not seconds:
        return None
    by_method = {}
    for name, value in seconds.items():
        by_method.setdefault(name.rpartition("-")[0], []).append(value)
    usual = list(seconds.values())
    return sum(np.mean(by_method.get(run.method, usual)) for run in waiting)
