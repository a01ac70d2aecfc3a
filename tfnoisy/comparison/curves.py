"""A picture of runs: test accuracy, and accuracy on the given labels, by step.

A network that memorises wrong labels shows it twice: its accuracy on the given
labels goes on rising while its accuracy on clean test labels falls.
"""

import io

from etils import epy

from tfnoisy import errors, output_file

with epy.lazy_imports():
    from matplotlib import figure as mpl_figure
    from matplotlib.backends import backend_agg

_TEST, _GIVEN = "test_accuracy", "train_accuracy"


def plot(runs, path, title=""):
    """Draws two panels that share their steps, and writes a PNG.

    Left the accuracy on clean test labels, right that on the given labels of
    the training data; a line for each run.

    Args:
        runs: {name: rows}, the rows as in metrics.jsonl: dictionaries with
            `step`, `test_accuracy` and perhaps `train_accuracy`, both in
            [0, 1].
        path: the PNG; its folder is made if it is not there.
        title: a line above.

    Raises:
        UserError: if a run has no evaluation, or the file cannot be written.
    """
    for name, rows in runs.items():
        if not rows:
            raise errors.UserError(f"{name} has no evaluation to draw yet")
    figure = mpl_figure.Figure(
        figsize=(8.4, 3.3), dpi=110, layout="constrained"
    )
    canvas = backend_agg.FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    for axis, key, label in (
        (panels[0], _TEST, "on clean test labels"),
        (panels[1], _GIVEN, "on the given training labels"),
    ):
        for name, rows in runs.items():
            rows = [row for row in rows if key in row]
            axis.plot(
                [row["step"] for row in rows],
                [row[key] for row in rows],
                label=name,
                linewidth=1.8,
            )
        axis.set_xlabel("training step")
        axis.set_title(f"accuracy {label}", fontsize=10)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylim(0, 1)
    panels[0].legend(loc="lower right", frameon=False)
    if title:
        figure.suptitle(title, fontsize=11)
    contents = io.BytesIO()
    canvas.print_png(contents)
    output_file.write(path, contents.getvalue())
