"""`report.html`: which labels are wrong, on one page that a person reads.

One file with all in it: no network, no fonts, images as data URIs.  What it
shows depends on the evidence and the images alone, to the byte.
"""

import pathlib

import jinja2
import numpy as np

from tfnoisy import errors, output_file
from tfnoisy.audit import detection, figures, health_section, issues

MAX_IMAGES = 500
# Of the images' data URIs together, in characters; all else is some 200 kB.
MAX_IMAGE_CHARACTERS = 6_000_000
# Shown as they are up to the first, made smaller to the second (pixels).
_EXACT_SIDE, _SIDE = 64, 176
_PAIRS_SHOWN = 12
_CLASSES_SHOWN = 12
# A matrix of more classes is a picture, one of still more is left out.
_MATRIX_OF_NUMBERS, _MATRIX_OF_PIXELS = 20, 300
# Longer names stand upright over their columns.
_SHORT_NAME = 3
_MATRIX_COLOUR = (217, 95, 14)

_TEMPLATES = pathlib.Path(__file__).resolve().parent / "templates"


def write(path, evidence, dataset, *, table_name=None, max_images=MAX_IMAGES):
    """Writes the report, whole or not at all.

    Args:
        path: the HTML file; its folder is made.
        evidence: an `LabelQuality`.
        dataset: the `ImageDataset` of its ids, rows in any order, perhaps
            with more of them.
        table_name: the name of the table (`audit.table`) beside the report,
            which then points to it; or None.
        max_images: how many of the flagged images are shown at most; fewer
            where they would take more than `MAX_IMAGE_CHARACTERS`.

    Raises:
        UserError: if the data set is not that of the evidence, or if the file
            cannot be written.
    """
    output_file.write(
        path,
        render(evidence, dataset, table_name=table_name, max_images=max_images),
    )


def render(evidence, dataset, *, table_name=None, max_images=MAX_IMAGES):
    """Returns the HTML that `write` writes."""
    if dataset.num_classes != evidence.num_classes:
        raise errors.UserError(
            f"the evidence is on {evidence.num_classes} classes, "
            f"{dataset.name} has {dataset.num_classes}"
        )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = "{:,}".format
    environment.filters["percent"] = _percent
    environment.filters["measure"] = _measure
    environment.filters["score"] = _score
    names = list(dataset.class_names)
    pairs = issues.confused_pairs(
        evidence.given_labels,
        evidence.predicted_labels,
        evidence.is_label_issue,
        evidence.num_classes,
    )
    return environment.get_template("report.html").render(
        dataset_name=dataset.name,
        names=names,
        evidence=evidence,
        total=len(evidence),
        flagged=int(np.count_nonzero(evidence.is_label_issue)),
        pairs=_pairs(evidence, pairs[:_PAIRS_SHOWN]),
        classes=_classes(evidence),
        histogram=figures.histogram(evidence),
        bins=figures.BINS,
        groups=_groups(evidence),
        matrix=_matrix(evidence, names),
        cards=_cards(evidence, dataset, max_images),
        measured=detection.measure(evidence),
        loss_range=_loss_range(evidence),
        table_name=table_name,
        health=health_section.view(evidence, dataset),
    )


def _percent(share):
    """Returns 0.1234 as `12.3 %`, small shares with another digit."""
    percent = 100 * share
    digits = 2 if 0 < percent < 0.995 else 1
    return f"{percent:.{digits}f}\N{NO-BREAK SPACE}%"


def _measure(value):
    """Returns a measure with three decimals, 1.000 only if it is 1."""
    return "> 0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def _score(score):
    """Returns a score with three decimals, none of them lost to rounding."""
    return f"{score:.3f}" if score == 0 or score >= 0.0005 else "< 0.001"


def _loss_range(evidence):
    if evidence.losses is None:
        return None
    return float(evidence.losses.min()), float(evidence.losses.max())


def _pairs(evidence, pairs):
    """Returns the pairs with their share of all examples of the given label."""
    counts = np.bincount(evidence.given_labels, minlength=evidence.num_classes)
    return [
        {
            "given": given,
            "predicted": predicted,
            "count": count,
            "share": count / counts[given],
            "bar": 100 * count / pairs[0][2],
        }
        for given, predicted, count in pairs
    ]


def _classes(evidence):
    """Returns the given labels with the largest share of flagged ones."""
    num_classes = evidence.num_classes
    counts = np.bincount(evidence.given_labels, minlength=num_classes)
    flagged = np.bincount(
        evidence.given_labels[evidence.is_label_issue], minlength=num_classes
    )
    shares = flagged / np.maximum(counts, 1)
    order = np.argsort(-shares, kind="stable")[:_CLASSES_SHOWN]
    return [
        {
            "label": int(label),
            "count": int(counts[label]),
            "flagged": int(flagged[label]),
            "share": shares[label],
            "bar": 100 * shares[label] / max(shares[order[0]], 1e-9),
        }
        for label in order
        if flagged[label]
    ]


def _groups(evidence):
    """Returns the size of each trust group, and what is wrong in it."""
    if evidence.group is None:
        return []
    groups = []
    for group in np.unique(evidence.group):
        members = evidence.group == group
        wrong = evidence.is_wrong
        groups.append(
            {
                "group": int(group),
                "count": int(members.sum()),
                "share": members.mean(),
                "wrong": None if wrong is None else wrong[members].mean(),
            }
        )
    return groups


def _matrix(evidence, names):
    """Returns the transition matrix as rows of numbers or as a picture."""
    matrix = evidence.transition_matrix
    size = len(matrix)
    if size > _MATRIX_OF_PIXELS:
        return None
    drawn = {
        "error": _matrix_error(evidence),
        "long": max(map(len, names)) > _SHORT_NAME,
    }
    if size > _MATRIX_OF_NUMBERS:
        return drawn | {"png": figures.matrix_png(matrix, _MATRIX_COLOUR)}
    return drawn | {"rows": matrix.tolist()}


def _matrix_error(evidence):
    """Returns the mean absolute difference from the true matrix, or None."""
    if evidence.clean_labels is None:
        return None
    known = evidence.clean_labels >= 0
    if not known.any():
        return None
    truth = issues.joint_of_corrections(
        evidence.given_labels[known],
        evidence.clean_labels[known],
        np.zeros(np.count_nonzero(known)),
        evidence.num_classes,
    )
    gaps = issues.transition_matrix(truth) - evidence.transition_matrix
    return float(np.abs(gaps).mean())


def _cards(evidence, dataset, max_images):
    """Returns what is shown of the most suspicious images, worst first."""
    rows = evidence.ranking()[:max_images]
    order = np.argsort(dataset.ids)
    at = np.searchsorted(dataset.ids, evidence.ids[rows], sorter=order)
    positions = order[np.minimum(at, len(order) - 1)]
    strange = dataset.ids[positions] != evidence.ids[rows]
    if strange.any():
        raise errors.UserError(
            f"{dataset.name} has no id {evidence.ids[rows][strange][0]}: the "
            "evidence is on other data"
        )
    cards, characters = [], 0
    for row, position in zip(rows, positions):
        uri, width, height = figures.thumbnail_uri(
            dataset.images[position], _SIDE, _EXACT_SIDE
        )
        characters += len(uri)
        if characters > MAX_IMAGE_CHARACTERS:
            break
        card = {
            "id": int(evidence.ids[row]),
            "given": int(evidence.given_labels[row]),
            "predicted": int(evidence.predicted_labels[row]),
            "score": float(evidence.label_score[row]),
            "uri": uri,
            "width": width,
            "height": height,
            "path": dataset.paths[position] if dataset.paths else None,
        }
        if evidence.pred_probs is not None:
            card["confidence"] = float(
                evidence.pred_probs[row, card["predicted"]]
            )
        if evidence.clean_labels is not None:
            card["clean"] = int(evidence.clean_labels[row])
        cards.append(card)
    return cards
