"""Pictures of what a MentorNet computes, after the original's visualizer.

The original scatters v over random (loss, difference) in three dimensions,
a picture an epoch, and joins them into a GIF.  Ours are maps, on which a
threshold can be read: `mentornet.png` has a panel an epoch, `mentornet.gif`
shows the same panels one after the other.
"""

import math
import pathlib

import numpy as np
from etils import epy
from PIL import Image

from tfnoisy import errors

with epy.lazy_imports():
    from matplotlib import figure as mpl_figure
    from matplotlib.backends import backend_agg

SECONDS_PER_FRAME = 0.5
_COLUMNS = 4
_POINTS = 241


def plot(net, epochs, folder, loss_bound=15.0):
    """Draws v over loss and difference, writes PNG and GIF.

    Args:
        net: a `mentornet.MentorNet`, or a function with its call.
        epochs: the training percentages to draw, integers from 0 to 99.
        folder: where `mentornet.png` and `mentornet.gif` go; made if it is
            not there.
        loss_bound: losses are drawn from 0 to it, differences to it on
            either side.

    Returns:
        The paths of the PNG and the GIF.

    Raises:
        UserError: if there is no epoch or one is out of range, or if
            `loss_bound` is not above 0.
    """
    if not epochs or min(epochs) < 0 or max(epochs) > 99:
        raise errors.UserError(
            f"the epochs to draw are {list(epochs)}: give percentages from "
            "0 to 99"
        )
    if not 0 < loss_bound < math.inf:
        raise errors.UserError(
            f"loss_bound is {loss_bound}: it must be above 0"
        )
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    png, gif = folder / "mentornet.png", folder / "mentornet.gif"
    maps = [weight_map(net, epoch, loss_bound) for epoch in epochs]
    _draw(maps, epochs, min(_COLUMNS, len(epochs))).save(png)
    frames = [_draw([one], [epoch], 1) for one, epoch in zip(maps, epochs)]
    frames[0].save(
        gif,
        save_all=True,
        append_images=frames[1:],
        duration=int(1000 * SECONDS_PER_FRAME),
        loop=0,
    )
    return png, gif


def weight_map(net, epoch, loss_bound):
    """Returns (differences [D], losses [M], v [M, D]) at one epoch.

    The differences lie evenly on the scale on which they are drawn: linear
    in [-1, 1], where curricula have their thresholds, logarithmic beyond.
    """
    bound = _to_scale(loss_bound)
    diffs = _from_scale(np.linspace(-bound, bound, _POINTS))
    losses = np.linspace(0, loss_bound, _POINTS)
    grid_diffs, grid_losses = np.meshgrid(diffs, losses)
    v = net(
        grid_losses.ravel().astype(np.float32),
        grid_diffs.ravel().astype(np.float32),
        0,
        epoch,
    )
    return diffs, losses, np.reshape(v, grid_diffs.shape)


def _to_scale(d):
    """Maps differences to their drawn scale: |d| up to 1, then 1 + ln |d|."""
    size = np.abs(d)
    beyond = 1 + np.log(np.maximum(size, 1))
    return np.sign(d) * np.where(size <= 1, size, beyond)


def _from_scale(position):
    """Inverts `_to_scale`."""
    size = np.abs(position)
    return np.sign(position) * np.where(size <= 1, size, np.exp(size - 1))


def _draw(maps, epochs, columns):
    """Returns an image of one panel for each map, and a colour bar."""
    rows = math.ceil(len(maps) / columns)
    # A panel of its own (a frame of the GIF) is drawn larger.
    side = 4.0 if len(maps) == 1 else 2.6
    figure = mpl_figure.Figure(
        figsize=(side * columns + 0.8, side * rows + 0.4),
        dpi=110,
        layout="constrained",
    )
    canvas = backend_agg.FigureCanvasAgg(figure)
    axes = figure.subplots(
        rows, columns, sharex=True, sharey=True, squeeze=False
    )
    for axis in axes.flat[len(maps) :]:
        axis.set_visible(False)
    for index, (axis, one, epoch) in enumerate(zip(axes.flat, maps, epochs)):
        diffs, losses, v = one
        image = axis.pcolormesh(
            diffs, losses, v, vmin=0, vmax=1, cmap="viridis", shading="nearest"
        )
        _axis(axis, diffs, epoch)
        if v.min() < 0.5 < v.max():
            axis.contour(
                diffs, losses, v, levels=[0.5], colors="white", linewidths=1
            )
        # The lowest panel of each column; the last row may be short.
        if index + columns >= len(maps):
            axis.set_xlabel("loss - moving percentile, d")
            axis.tick_params(labelbottom=True)
        if index % columns == 0:
            axis.set_ylabel("loss")
    figure.colorbar(
        image, ax=axes, label="weight v (white line: v = 0.5)", aspect=30
    )
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _axis(axis, diffs, epoch):
    """Gives an axis the scale of `weight_map` and its title."""
    bound = diffs[-1]
    axis.set_xscale("function", functions=(_to_scale, _from_scale))
    ticks = [t for t in (1, 5, 20, 100) if t <= bound] or [bound]
    ticks = [-t for t in reversed(ticks)] + [0] + ticks
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_xlim(-bound, bound)
    axis.set_title(f"{epoch} % of the training", fontsize=10)
