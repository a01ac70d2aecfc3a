"""Draws data_flow.png: python data/pictures/data_flow.py."""

import pathlib

from matplotlib import figure as mpl_figure
from matplotlib import patches
from matplotlib.backends import backend_agg

# Name, what it holds, column, row; the main way is the upper row.
_BOXES = {
    "datasets": ("images, given labels", 0, 1),
    "noise": ("which labels were flipped", 1, 1),
    "augment": ("views of each image", 2, 1),
    "methods": ("one training step of a net", 3, 1),
    "runs": ("a folder for each run", 4, 1),
    "audit": ("which labels are wrong", 3, 0),
    "serving": ("SavedModel, REST, gRPC", 4, 0),
}
_ARROWS = [
    ("datasets", "noise", ""),
    ("noise", "augment", ""),
    ("augment", "methods", ""),
    ("methods", "runs", ""),
    ("runs", "serving", ""),
    ("audit", "datasets", "corrected labels"),
    ("runs", "audit", ""),
]
_WIDTH, _HEIGHT = 0.8, 0.5


def _middle(name):
    _, column, row = _BOXES[name]
    return column + _WIDTH / 2, row + _HEIGHT / 2


def main():
    """Writes the picture beside this file."""
    figure = mpl_figure.Figure(figsize=(9, 2.9), dpi=100)
    canvas = backend_agg.FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    boxes = {}
    for name, (text, column, row) in _BOXES.items():
        boxes[name] = patches.FancyBboxPatch(
            (column, row),
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0.03",
            facecolor="#e8f1fa",
            edgecolor="#1f77b4",
        )
        axis.add_patch(boxes[name])
        x, y = _middle(name)
        axis.text(x, y + 0.1, name, ha="center", va="center", weight="bold")
        axis.text(x, y - 0.12, text, ha="center", va="center", fontsize=7.5)
    for start, end, label in _ARROWS:
        axis.annotate(
            "",
            xy=_middle(end),
            xytext=_middle(start),
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#555555",
                # Leave sideways and arrive from below.
                "connectionstyle": "angle,angleA=180,angleB=90,rad=8"
                if label
                else "arc3",
                "patchA": boxes[start],
                "patchB": boxes[end],
                "shrinkA": 2,
                "shrinkB": 2,
            },
        )
        if label:
            (x1, y1), (x2, y2) = _middle(start), _middle(end)
            axis.text(
                (x1 + x2) / 2,
                min(y1, y2),
                label,
                fontsize=7.5,
                ha="center",
                va="center",
                backgroundcolor="white",
            )
    axis.set_xlim(-0.1, 4.95)
    axis.set_ylim(-0.15, 1.65)
    axis.axis("off")
    with pathlib.Path(__file__).with_name("data_flow.png").open("wb") as file:
        canvas.print_png(file)


if __name__ == "__main__":
    main()
