"""A picture of a table: curves of its rows, from the kept runs."""

import io
import pathlib
from typing import Any

from etils import epy

from tfnoisy import errors, output_file
from tfnoisy.reproduction import kept as kept_lib
from tfnoisy.reproduction import rows as rows_lib

with epy.lazy_imports():
    from matplotlib import figure as mpl_figure
    from matplotlib.backends import backend_agg

_PANELS = {
    "test_accuracy": "accuracy on clean test labels",
    "wrong_labels_fitted": "wrong labels fitted",
}


def plot(
    rows: rows_lib.Rows,
    name: str,
    path: pathlib.Path,
    folder: pathlib.Path | None = None,
) -> None:
    """Draws a table's curves over the passes, and writes a PNG.

    A panel for each setting (noise) of the table, a line for each row: its
    first kept seed.  Below, where they were kept, the wrong labels fitted.

    Args:
        rows: all tables and rows.
        name: of the table.
        path: the PNG.
        folder: of the kept runs; the shipped one if None.

    Raises:
        UserError: if there is no such table, or no kept run of it; if the file
            cannot be written.
    """
    lines = [
        (row, runs[0])
        for row in rows.of_table(name)
        if (runs := kept_lib.read(row, folder))
    ]
    if not lines:
        raise errors.UserError(f"no run of table {name} is kept")
    settings = list(dict.fromkeys(row.setting for row, _ in lines))
    metrics = [
        metric
        for metric in _PANELS
        if any(metric in run.curve for _, run in lines)
    ]
    labels = list(dict.fromkeys(row.label for row, _ in lines))
    figure = mpl_figure.Figure(
        figsize=(3.0 + 4.4 * len(settings), 0.4 + 2.9 * len(metrics)),
        dpi=110,
        layout="constrained",
    )
    canvas = backend_agg.FigureCanvasAgg(figure)
    panels = figure.subplots(
        len(metrics), len(settings), squeeze=False, sharey="row"
    )
    for column, setting in enumerate(settings):
        members = [one for one in lines if one[0].setting == setting]
        for axis, metric in zip(panels[:, column], metrics):
            for row, kept in members:
                _draw(axis, row, kept, metric, labels.index(row.label))
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
        panels[0, column].set_title(setting.replace("`", ""), fontsize=10)
        panels[-1, column].set_xlabel("passes over the training data")
    for axis, metric in zip(panels[:, 0], metrics):
        axis.set_ylabel(_PANELS[metric])
    handles: dict[str, Any] = {}
    for axis in panels.flat:
        for handle, label in zip(*axis.get_legend_handles_labels()):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()),
        list(handles),
        loc="outside right upper",
        frameon=False,
    )
    contents = io.BytesIO()
    canvas.print_png(contents)
    output_file.write(path, contents.getvalue())


def _draw(axis, row, kept, metric, colour):
    curve = kept.curve
    if metric not in curve:
        return
    steps = curve["step"]
    # In passes where the row says how many there are, as the steps of one
    # method are not those of another.
    scale = (row.passes or steps[-1]) / steps[-1]
    points = [
        (step * scale, value)
        for step, value in zip(steps, curve[metric])
        if value is not None
    ]
    # After ten colours they begin again, with another kind of line.
    axis.plot(
        *zip(*points),
        label=row.label,
        color=f"C{colour % 10}",
        linestyle=("-", "--", ":")[colour // 10 % 3],
        linewidth=1.6,
    )
