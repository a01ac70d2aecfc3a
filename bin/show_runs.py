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

from tfnoisy import errors, output_file
from tfnoisy.cli import command_line, flag_groups

with epy.lazy_imports():
    from tfnoisy.comparison import curves, table
    from tfnoisy.runs import folder as run_folder

with flag_groups.group(flag_groups.DATA):
    flags.DEFINE_list("runs", [], "The run folders of finished trainings.")
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string(
        "plot",
        "",
        "A PNG to write: accuracy on clean test labels and on the given "
        "training labels, by step. No picture if empty.",
    )

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
    try:
        memorised = results["train"]["wrong_labels_fitted"]
        return (
            str(results["method"]),
            f"{results['dataset']} "
            + table.described_noise(results["noise"]["spec"]),
            str(results["steps"]),
            f"{results['test']['accuracy']:.4f}",
            f"{results['best_test_accuracy']:.4f}",
            "-" if memorised is None else f"{memorised:.4f}",
            str(folder.path),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(
            f"{folder.results} is damaged, or not a training's: put a good "
            "copy of it back"
        ) from error


def draw(paths, picture):
    """Draws the curves of finished runs, see `comparison.curves`."""
    runs = {}
    for path in paths:
        folder = run_folder.RunFolder(path)
        results = folder.read_results()
        name = results["method"]
        if name in runs:
            name = f"{name} ({folder.path.name})"
        runs[name] = folder.read_metrics()
    curves.plot(
        runs, picture, f"{results['dataset']}, {results['noise']['spec']}"
    )


def main(_):
    """Prints the table, and draws the curves if asked to."""
    if not flags.FLAGS.runs:
        raise errors.UserError("--runs=RUN,RUN,... names the run folders")
    if flags.FLAGS.plot:
        output_file.check_png(flags.FLAGS.plot, "--plot")
    rows = [_HEAD, *(row(path) for path in flags.FLAGS.runs)]
    if flags.FLAGS.plot:
        draw(flags.FLAGS.runs, flags.FLAGS.plot)
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for cells in rows:
        print("  ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip())
    print(
        "test acc: on clean test labels at the last step; memorised: share of"
        " the wrong\ntraining labels that the network predicts"
    )
    if flags.FLAGS.plot:
        print(f"curves: {flags.FLAGS.plot}")


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
