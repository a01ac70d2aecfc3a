"""A folder of a few images of two classes, and decisions about them."""

import hashlib

import numpy as np
from PIL import Image

from tfnoisy.datasets import corrections

CLASSES = ("bright", "dark")


def write(folder, each=6, size=8):
    """Writes CLASS/k.png: bright and dark images of noise.

    Args:
        folder: where.
        each: images of each class.
        size: of their sides in pixels.

    Returns:
        {key: SHA-256 in hexadecimal digits}.
    """
    draws = np.random.default_rng(0)
    digests = {}
    for name, low in zip(CLASSES, (150, 0)):
        (folder / name).mkdir(parents=True)
        for k in range(each):
            pixels = draws.integers(low, low + 100, (size, size, 3), np.uint8)
            path = folder / name / f"{k}.png"
            Image.fromarray(pixels).save(path)
            digests[f"{name}/{k}.png"] = hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
    return digests


def decide(path, *rows):
    """Writes a corrections.csv.

    Args:
        path: of the file.
        *rows: (key, action), or (key, action, corrected label).
    """
    decisions = [
        corrections.Correction(key, key.split("/")[0], *more, action=action)
        for key, action, *more in rows
    ]
    path.write_text(corrections.to_csv(decisions))
    return path
