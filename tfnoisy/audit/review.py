"""`review.html`: the page on which a person decides, label by label.

One file with all in it: it needs no network and no server.  Decisions stay in
the browser and are saved as a corrections.csv (`datasets.corrections`), which
every script takes as --corrections, and audit_labels.py as --answers.
"""

import base64
import hashlib
import json
import pathlib

import jinja2
import numpy as np

from tfnoisy import output_file
from tfnoisy.audit import checklist, figures

# Of an image and of its neighbours, pixels.
_SIDE, _SMALL_SIDE = 240, 64
_EXACT_SIDE = 64
MAX_NEIGHBOURS = 5
# Of all images' data URIs together, in characters.
_MOST_CHARACTERS = 24_000_000

_TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"


def write(path, quality, dataset, rows, *, seed=0):
    """Writes the page, whole or not at all.

    Args:
        path: the HTML file; its folder is made.
        quality: a `label_quality.LabelQuality`.
        dataset: its `ImageDataset`, rows in the same order.
        rows: int [n], what is to be checked, the first ones first, see
            `checklist.rows`.
        seed: of the random sample, as for `checklist.rows`.

    Returns:
        How many of the rows the page has: fewer where the images would make
        it too large.

    Raises:
        UserError: if the file cannot be written.
    """
    items = _items(quality, dataset, rows)
    output_file.write(path, render(quality, dataset, items, seed))
    return len(items)


def render(quality, dataset, items, seed=0):
    """Returns the HTML of `_items`."""
    drawn = checklist.sample(quality, seed)
    stratum = dict(zip(drawn.rows.tolist(), drawn.strata.tolist()))
    for item in items:
        item["stratum"] = stratum.get(item["row"], -1)
    wrongness = 1 - np.asarray(quality.label_score, np.float64)
    page = {
        "dataset": dataset.name,
        "classes": list(dataset.class_names),
        "items": items,
        "sample": len(drawn),
        "wrongness": _base64(wrongness.astype("<f8")),
        "strata": _base64(drawn.stratum_of.astype(np.uint8)),
    }
    # Another audit has decisions of its own.
    digest = hashlib.sha256(json.dumps(page, sort_keys=True).encode())
    page["id"] = digest.hexdigest()[:16]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("review.html").render(
        dataset_name=dataset.name,
        count=len(items),
        notes=quality.notes,
        # Within a script element only "</" would end it.
        page=json.dumps(page).replace("<", "\\u003c"),
    )


def _items(quality, dataset, rows):
    """Returns what the page knows of each row, a list of dicts."""
    keys, characters, items = dataset.example_keys, 0, []
    for row in np.asarray(rows).tolist():
        uri, width, height = figures.thumbnail_uri(
            dataset.images[row], _SIDE, _EXACT_SIDE
        )
        near = []
        if quality.neighbours is not None:
            for other in quality.neighbours[row, :MAX_NEIGHBOURS].tolist():
                if other >= 0:
                    small = figures.thumbnail_uri(
                        dataset.images[other], _SMALL_SIDE, _SMALL_SIDE
                    )[0]
                    near.append([small, int(quality.given_labels[other])])
        characters += len(uri) + sum(len(image) for image, _ in near)
        if characters > _MOST_CHARACTERS:
            break
        items.append(
            {
                "row": row,
                "key": keys[row],
                "sha256": ""
                if dataset.digests is None
                else dataset.digests[row].tobytes().hex(),
                "given": int(quality.given_labels[row]),
                "suggested": int(quality.predicted_labels[row]),
                "wrong": round(1 - float(quality.label_score[row]), 4),
                "flagged": bool(quality.is_label_issue[row]),
                "image": uri,
                "size": [width, height],
                "near": near,
            }
        )
    return items


def _base64(array):
    return base64.b64encode(array.tobytes()).decode()
