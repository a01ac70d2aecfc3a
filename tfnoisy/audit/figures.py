"""The drawings of the report, as numbers that its template places.

Positions are percentages of the drawing, x from the left, y from the top; SVG
paths are in a box of 1000 x 1000.  Words stay out of the SVG, so that they
keep their size on a narrow screen.
"""

import base64
import io
import math

import numpy as np
from PIL import Image

from tfnoisy.audit import loss_mixture

BINS = 50
# A bar that dwarfs the others is cut off and told in words.
_DWARFING = 4.0
_BOX = 1000
_CURVE_POINTS = 400


def histogram(evidence):
    """Returns the distribution of the scaled losses or of the label score.

    Two stacked series: right and wrong labels if the truth is known, else
    those that are kept and those that are flagged.

    Args:
        evidence: an `LabelQuality`.

    Returns:
        A dict: `series` [{name, path, count}, ...], `curves` [{name, path},
        ...] of a mixture, `cuts` [{name, x, value}, ...], `y_ticks` [{y,
        text}, ...], `cut_off` [{low, high, count}, ...], the bars that reach
        beyond the drawing, and `cut_off_at` [{x, left, text}, ...], their
        counts beside them in either half, to the left of x or to the right.
    """
    values = evidence.label_score
    if evidence.losses is not None:
        values = loss_mixture.scale(evidence.losses)
    if evidence.clean_labels is None:
        names, second = ("kept", "flagged"), evidence.is_label_issue
    else:
        names, second = ("right", "wrong"), evidence.is_wrong
    edges = np.linspace(0, 1, BINS + 1)
    lower, upper = (
        np.histogram(values[mask], edges)[0] for mask in (~second, second)
    )
    totals = lower + upper
    top = _top(totals)
    curves = []
    if evidence.mixture is not None:
        x = np.linspace(0, 1, _CURVE_POINTS)
        heights = evidence.mixture.densities(x) * len(values) / BINS
        curves = [
            {"name": name, "path": _curve(x, heights[:, k] / top)}
            for k, name in enumerate(("clean", "noisy"))
        ]
    return {
        "series": [
            {
                "name": names[0],
                "count": int(lower.sum()),
                "path": _bars(np.zeros(BINS), lower / top),
            },
            {
                "name": names[1],
                "count": int(upper.sum()),
                "path": _bars(lower / top, totals / top),
            },
        ],
        "curves": curves,
        "cuts": [
            {"name": name, "x": 100 * value, "value": value}
            for name, value in evidence.cuts.items()
        ],
        "y_ticks": [
            {"y": 100 * (1 - tick / top), "text": f"{tick:,.0f}"}
            for tick in _ticks(top)
        ],
        "cut_off": [
            {"low": edges[k], "high": edges[k + 1], "count": int(totals[k])}
            for k in np.flatnonzero(totals > top)
        ],
        "cut_off_at": _cut_off_at(edges, totals, top),
    }


def matrix_png(matrix, colour):
    """Returns a data URI of a matrix of probabilities, a pixel for each.

    Args:
        matrix: [K, K], in [0, 1].
        colour: (red, green, blue), the colour of 1; 0 is transparent.
    """
    alpha = np.round(255 * np.sqrt(np.clip(matrix, 0, 1)))
    pixels = np.empty((*matrix.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colour, alpha
    return png_uri(Image.fromarray(pixels))


def png_uri(image):
    """Returns a Pillow image as the data URI of a PNG."""
    return _uri(image, "png", optimize=True)


def thumbnail_uri(image, side, exact_side):
    """Returns an image as a data URI.

    Args:
        image: uint8 [H, W, 1] or [H, W, 3].
        side: the longer side of what is drawn, in pixels, at most.
        exact_side: images up to this are kept as they are, as PNG; larger
            ones become WebP.

    Returns:
        (URI, width, height) with the size in pixels.
    """
    drawn = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if max(drawn.size) <= exact_side:
        return _uri(drawn, "png"), *drawn.size
    drawn.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _uri(drawn, "webp", quality=78), *drawn.size


def _uri(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    text = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind};base64,{text}"


def _top(totals):
    """Returns the count at the upper edge of the drawing."""
    third, _, largest = np.sort(totals)[-3:]
    if third > 0 and largest > _DWARFING * third:
        return 1.3 * third
    return 1.05 * max(largest, 1)


def _cut_off_at(edges, totals, top):
    labels = []
    for left, half in (
        (False, slice(0, BINS // 2)),
        (True, slice(BINS // 2, BINS)),
    ):
        bars = np.flatnonzero(totals[half] > top) + half.start
        if bars.size:
            at = edges[bars[0]] if left else edges[bars[-1] + 1]
            text = ", ".join(f"{totals[k]:,}" for k in bars)
            labels.append({"x": 100 * at, "left": left, "text": text})
    return labels


def _ticks(top):
    """Returns two to five round numbers from 0 to `top`."""
    power = 10 ** math.floor(math.log10(top / 2))
    step = next(m * power for m in (5, 2, 1) if top / (m * power) >= 2)
    step = max(step, 1)
    return [step * k for k in range(int(top / step) + 1)]


def _bars(bottoms, tops):
    """Returns one path of all bars between two heights, 1 being the top."""
    width = _BOX / BINS
    parts = []
    for k, (low, high) in enumerate(zip(bottoms, np.minimum(tops, 1))):
        if high > low:
            y = _BOX * (1 - high)
            height = _BOX * (high - low)
            parts.append(
                f"M{k * width + 1:g} {y:.1f}h{width - 2:g}v{height:.1f}"
                f"h{2 - width:g}z"
            )
    return "".join(parts)


def _curve(x, heights):
    points = zip(_BOX * x, _BOX * (1 - np.minimum(heights, 1.2)))
    return "M" + "L".join(f"{px:.0f} {py:.1f}" for px, py in points)
