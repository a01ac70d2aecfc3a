"""A picture of the tipping curve of Blind Knowledge Distillation."""

import io
import pathlib

import numpy as np
from etils import epy

from tfnoisy import errors, output_file

with epy.lazy_imports():
    from matplotlib import figure as mpl_figure
    from matplotlib import ticker
    from matplotlib.backends import backend_agg

# A panel of its own for the peak if the curve goes on for so much longer.
_ZOOM = 4


def plot(confidences, path, tipping_epoch=None, judged_epoch=None, *, every=1):
    """Draws the student's confidence over the epochs, writes a PNG.

    Args:
        confidences: m_0, m_1, ..., in [0, 1], as `tipping.TippingPoint.curve`
            returns them.
        path: the PNG; its folder is made if it is not there.
        tipping_epoch: e*, marked on the curve; None if it was not found.
        judged_epoch: the epoch that labels were judged by without one; None
            if they were not.
        every: passes over the data that make an epoch of the curve.

    Returns:
        The path of the PNG.

    Raises:
        UserError: if there is no epoch, or one to mark is not on the curve.
    """
    m = np.asarray(confidences, float)
    if not m.size:
        raise errors.UserError("no epoch has ended: there is no curve to draw")
    for name, epoch in {
        "tipping_epoch": tipping_epoch,
        "judged_epoch": judged_epoch,
    }.items():
        if epoch is not None and not 0 <= epoch < len(m):
            raise errors.UserError(
                f"{name} is {epoch}: the curve has the epochs 0 to {len(m) - 1}"
            )
    marked = judged_epoch if tipping_epoch is None else tipping_epoch
    ends = [len(m)]
    if marked is not None and _ZOOM * (marked + 6) < len(m):
        # Whether the peak is one or just noise shows on a scale of its own.
        ends.insert(0, 2 * (marked + 6))
    figure = mpl_figure.Figure(
        figsize=(6.4 * len(ends), 3.6), dpi=110, layout="constrained"
    )
    canvas = backend_agg.FigureCanvasAgg(figure)
    for axis, end in zip(figure.subplots(1, len(ends), squeeze=False)[0], ends):
        _draw(axis, m[:end], tipping_epoch, marked, every)
    picture = io.BytesIO()
    canvas.print_png(picture)
    output_file.write(path, picture.getvalue())
    return pathlib.Path(path)


def _draw(axis, m, tipping_epoch, marked, every):
    axis.plot(m, color="tab:blue", marker="." if len(m) <= 60 else None)
    axis.set_xlabel("epoch" if every == 1 else f"epoch of {every} passes")
    axis.set_ylabel("student's mean confidence, m")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    # Room for a curve of a single epoch.
    axis.set_xlim(-0.5, max(len(m) - 0.5, 1))
    axis.grid(alpha=0.3)
    if marked is None:
        return
    label = f"tipping point, e* = {marked}"
    if tipping_epoch is None:
        label = f"no tipping point; labels judged by epoch {marked}"
    axis.axvline(marked, color="tab:red", linewidth=1, linestyle="--")
    axis.plot(
        [marked], [m[marked]], "o", color="tab:red", markersize=7, label=label
    )
    # Two later values show the peak, and it is not looked for before six.
    phase_2 = max(marked + 3, 6)
    if tipping_epoch is not None and phase_2 < len(m):
        axis.axvspan(
            phase_2 - 0.5,
            len(m) - 0.5,
            color="tab:orange",
            alpha=0.12,
            linewidth=0,
            label="phase 2: targets corrected by trust",
        )
    axis.legend(loc="best", fontsize=9)
