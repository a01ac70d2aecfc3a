"""Dark, bright, blurred, empty and oddly shaped pictures: cleanvision's checks.

They look at the pictures of the files, not at what a network is shown of them.
"""

import contextlib
import io
import pathlib

import numpy as np
from PIL import Image

from tfnoisy import progress
from tfnoisy.datasets.images import headers, pillow_images

# {what a reader is told: cleanvision's name}.  These judge a picture by itself,
_ALONE = {
    "dark": "dark",
    "bright": "light",
    "blurred": "blurry",
    "little to see": "low_information",
    "odd shape": "odd_aspect_ratio",
}
# and this one among all others.
_TOGETHER = {"odd size": "odd_size"}
KINDS = (*_ALONE, *_TOGETHER)
# Larger pictures are made smaller: cleanvision looks for blur at 64 pixels.
_SIDE = 256
_AT_ONCE = 500


def find(paths):
    """Returns {kind: int64 rows}, the worst first, of `KINDS` in this order.

    Args:
        paths: N paths of image files, which may be there several times.  One
            that cannot be read is in no list.
    """
    scores = {kind: np.full(len(paths), np.inf) for kind in KINDS}
    rows_of = {}
    for row, path in enumerate(paths):
        rows_of.setdefault(path, []).append(row)
    groups, sizes = list(rows_of.values()), []
    with progress.Progress("pictures", len(groups)) as bar:
        for first in range(0, len(groups), _AT_ONCE):
            here = groups[first : first + _AT_ONCE]
            read = [_read(paths[rows[0]]) for rows in here]
            sizes += [size for _, size in read]
            _look([picture for picture, _ in read], here, _ALONE, scores)
            bar.update(len(here))
    _look(sizes, groups, _TOGETHER, scores)
    found = {}
    for kind, values in scores.items():
        rows = np.flatnonzero(np.isfinite(values))
        found[kind] = rows[np.argsort(values[rows], kind="stable")]
    return found


class _Size:
    """All that cleanvision asks of a picture whose size it judges."""

    def __init__(self, size):
        self.size = size


class _Pictures(list):
    """A list of pictures that looks like a data set of Hugging Face."""

    features = ("image",)

    def __getitem__(self, row):
        return {"image": super().__getitem__(row)}


def _read(path):
    """Returns a file's picture, upright RGB, and its `_Size`; or None twice."""
    try:
        contents = pathlib.Path(path).read_bytes()
        size = pillow_images.look(contents).size
        if max(size) > _SIDE:
            picture = pillow_images.thumbnail(contents, _SIDE)
        else:
            picture = Image.fromarray(pillow_images.pixels(contents))
    except (OSError, headers.ImageFault):
        return None, None
    return picture, _Size(size)


def _look(pictures, groups, kinds, scores):
    """Writes the scores of what is an issue; the lower, the worse.

    Args:
        pictures: P pictures, None for those that cannot be read.
        groups: P lists of rows, where each of them is.
        kinds: which issues.
        scores: {kind: floats [N]} to write to.
    """
    there = [k for k, picture in enumerate(pictures) if picture is not None]
    if not there:
        return
    import cleanvision

    # It shows a bar of its own.
    with (
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        lab = cleanvision.Imagelab(
            hf_dataset=_Pictures(pictures[k] for k in there), image_key="image"
        )
        lab.find_issues(
            {name: {} for name in kinds.values()}, n_jobs=1, verbose=False
        )
    for kind, name in kinds.items():
        issues = lab.issues[lab.issues[f"is_{name}_issue"]]
        for place, score in issues[f"{name}_score"].items():
            scores[kind][groups[there[place]]] = score
