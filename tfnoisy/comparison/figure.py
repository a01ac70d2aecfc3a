"""A picture of a comparison: each method's accuracy, with error bars."""

import io

import numpy as np
from etils import epy

from tfnoisy import errors, output_file

with epy.lazy_imports():
    from matplotlib import figure as mpl_figure
    from matplotlib.backends import backend_agg


def plot(summaries, path, title=""):
    """Draws a row for each method, the first on top, and writes a PNG.

    A dot is the mean of the seeds, its bar the sample standard deviation on
    either side, a circle a single seed.  In place of a method without a
    finished run stands why.

    Args:
        summaries: a list of `outcome_lib.Summary`.
        path: the PNG; its folder is made if it is not there.
        title: a line above.

    Raises:
        UserError: if there is no method, or the file cannot be written.
    """
    if not summaries:
        raise errors.UserError("no method to draw")
    figure = mpl_figure.Figure(
        figsize=(7.2, 1.6 + 0.42 * len(summaries)),
        dpi=110,
        layout="constrained",
    )
    canvas = backend_agg.FigureCanvasAgg(figure)
    axis = figure.subplots()
    for place, summary in enumerate(summaries):
        _draw(axis, place, summary)
    axis.set_yticks(
        range(len(summaries)), [summary.label for summary in summaries]
    )
    # The first on top, and room for the words beside a row.
    axis.set_ylim(len(summaries) - 0.5, -0.5)
    axis.margins(x=0.08)
    axis.set_xlabel(
        "accuracy on clean test labels, last step\n"
        "dot: mean, bar: ± standard deviation, circles: single seeds",
        fontsize=9,
    )
    axis.set_title(title, fontsize=10)
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    picture = io.BytesIO()
    canvas.print_png(picture)
    output_file.write(path, picture.getvalue())


def _draw(axis, place, summary):
    accuracies = np.array(summary.accuracies)
    if not len(accuracies):
        axis.annotate(
            summary.unfinished,
            (0.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            color="tab:gray",
            fontsize=9,
        )
        return
    mean = accuracies.mean()
    axis.plot(
        accuracies,
        np.full(len(accuracies), place),
        "o",
        color="tab:gray",
        markerfacecolor="none",
        markersize=5,
    )
    axis.errorbar(
        mean,
        place,
        xerr=summary.deviation,
        fmt="o",
        color="tab:blue",
        capsize=4,
        markersize=6,
    )
    axis.annotate(
        f"{mean:.3f}",
        (mean, place),
        xytext=(0, 7),
        textcoords="offset points",
        ha="center",
        fontsize=8,
    )
