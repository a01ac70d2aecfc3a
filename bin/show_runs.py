#!/usr/bin/env python3
"""Prints the results of finished runs side by side.

    bin/show_runs.py --runs=runs/demo/baseline,runs/demo/mentormix

"test acc" is the accuracy on clean test labels at the last step, "best" the
best on the way, "memorised" the share of the wrong training labels that the
network predicts.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy import errors
from tfnoisy.cli import command_line, flag_groups

with epy.lazy_imports():
    from tfnoisy.runs import folder as run_folder

with flag_groups.group(flag_groups.DATA):
    flags.DEFINE_list("runs", [], "The run folders of finished trainings.")

_HEAD = ("method", "noise", "steps", "test acc", "best", "memorised", "run")


def row(path):
    """Returns a run's cells as text.

    Raises:
        UserError: if the run is not finished, or no run.
    """
    folder = run_folder.RunFolder(path)
    results = folder.read_results()
    if results is None:
        raise errors.UserError(f"{path} is not a finished run")
    memorised = results["train"]["wrong_labels_fitted"]
    return (
        results["method"],
        f"{results['dataset']} {results['noise']['spec']}",
        str(results["steps"]),
        f"{results['test']['accuracy']:.4f}",
        f"{results['best_test_accuracy']:.4f}",
        "-" if memorised is None else f"{memorised:.4f}",
        str(folder.path),
    )


def main(_):
    """Prints the table."""
    if not flags.FLAGS.runs:
        raise errors.UserError("--runs=RUN,RUN,... names the run folders")
    rows = [_HEAD, *(row(path) for path in flags.FLAGS.runs)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for cells in rows:
        print("  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip())
    print(
        "test acc: on clean test labels at the last step; memorised: share of"
        " the wrong\ntraining labels that the network predicts"
    )


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
