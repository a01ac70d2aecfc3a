"""What can be wrong with arrays of images, labels and weights.

Each check returns lines, one for each kind of problem, and `refuse` raises
them together.
"""

import numbers
from collections.abc import Mapping

import numpy as np

from tfnoisy import errors

# How many rows a line names.
_NAMED = 5


def refuse(problems):
    """Raises an `ArgumentError` of these lines, if there are any."""
    if problems:
        raise errors.ArgumentError("\n".join(problems))


def counts(**given):
    """Returns what is wrong with numbers of things, a list of lines.

    Args:
        **given: {name: (value, the least that it may be)}; None is left out.
    """
    problems = []
    for name, (value, least) in given.items():
        if value is None:
            continue
        whole = isinstance(value, numbers.Integral) and not isinstance(
            value, bool
        )
        if not whole or value < least:
            problems.append(
                f"{name}={value!r}: an integer of at least {least} is wanted"
            )
    return problems


def of_method(seed, weight_decay, ema_decay):
    """Returns what is wrong with the arguments of all methods, a list of lines.

    Args:
        seed: see `methods.base.Method`.
        weight_decay: likewise.
        ema_decay: likewise.
    """
    problems = []
    if not isinstance(seed, numbers.Integral):
        problems.append(f"seed={seed!r}: an integer is wanted")
    decays = {
        "weight_decay": (weight_decay, np.inf, "a number of at least 0"),
        "ema_decay": (ema_decay, 1, "a number from 0 on and below 1"),
    }
    for name, (value, above, wanted) in decays.items():
        if not isinstance(value, numbers.Real) or not 0 <= value < above:
            problems.append(f"{name}={value!r}: {wanted} is wanted")
    return problems


def lengths(images, labels, of="images", beside="labels"):
    """Returns what is wrong with their lengths, a list of lines.

    Args:
        images: an array [N, ...].
        labels: an array of any shape; of what is no row for each image
            `labels` has told already.
        of: what messages call the images.
        beside: what they call the labels.
    """
    if not labels.ndim or len(images) == len(labels):
        return []
    return [f"{len(images)} {of}, but {len(labels)} {beside}"]


def rows(array, bad, total=None):
    """Returns `array[3] = -1, array[9] = 12 and 4 more` of the bad rows.

    Args:
        array: (name, values [N]) or (name, None) to name the rows alone.
        bad: int [M], the rows.
        total: their number, if `bad` has only some of them.
    """
    name, values = array
    total = len(bad) if total is None else total
    named = [
        f"{name}[{row}]" + ("" if values is None else f" = {values[row]}")
        for row in bad[:_NAMED]
    ]
    more = f" and {total - len(named)} more" if total > len(named) else ""
    return ", ".join(named) + more


def labels(values, num_classes, name="labels"):
    """Returns the labels as a method takes them, and what is wrong.

    Args:
        values: an array, integers [N] or [N, 1], or probabilities [N, C].
        num_classes: C.
        name: what messages call them.

    Returns:
        (int64 [N] or float32 [N, C], a list of lines).
    """
    values = np.asarray(values)
    if values.dtype.kind not in "biuf":
        return values, [
            f"{name} are of type {values.dtype}: integers from 0 to "
            f"{num_classes - 1} are wanted"
        ]
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and values.shape[1] == num_classes:
        return values.astype(np.float32), _of_probabilities(values, name)
    if values.ndim != 1:
        return values, [
            f"{name} of shape {values.shape} for {num_classes} classes: [N] "
            f"integers or [N, {num_classes}] probabilities are wanted"
        ]
    if values.dtype.kind == "f":
        (bad,) = np.nonzero(values != np.floor(values))
        if len(bad):
            return values, [
                f"{len(bad)} of {len(values)} {name} are no integers: "
                + rows((name, values), bad)
            ]
    outside = (values < 0) | (values >= num_classes)
    (bad,) = np.nonzero(outside)
    if len(bad):
        return values, [
            f"{len(bad)} of {len(values)} {name} are outside 0..."
            f"{num_classes - 1}: {rows((name, values), bad)}"
        ]
    return values.astype(np.int64), []


def are_integers(shape, num_classes):
    """Returns whether labels of this shape are integers, not rows [C].

    Args:
        shape: that of a batch of labels.
        num_classes: C.
    """
    return not (len(shape) == 2 and shape[1] == num_classes > 1)


def _of_probabilities(values, name):
    sums = values.sum(1, dtype=np.float64)
    good = np.all(values >= 0, 1) & (np.abs(sums - 1) < 1e-3)
    (bad,) = np.nonzero(~good)
    if not len(bad):
        return []
    return [
        f"{len(bad)} of {len(values)} rows of {name} are no probabilities "
        f"that sum to 1: {rows((name, values), bad)}"
    ]


def images(values, name="images"):
    """Returns what is wrong with images [N, ...], a list of lines.

    Args:
        values: an array of numbers.
        name: what messages call them.
    """
    if values.dtype.kind not in "biuf":
        return [f"{name} are of type {values.dtype}: numbers are wanted"]
    if values.dtype.kind != "f":
        return []
    # A row at a time: the data may be large.
    (bad,) = np.nonzero([not np.isfinite(image).all() for image in values])
    if not len(bad):
        return []
    return [
        f"{len(bad)} of {len(values)} {name} have values that are not finite "
        f"(NaN or infinity): {rows((name, None), bad)}"
    ]


def shape(values, expected, name="images"):
    """Returns what is wrong with the shape of images, a list of lines.

    Args:
        values: [N, ...].
        expected: the shape of one image, with None for any length.
        name: what messages call them.
    """
    found = values.shape[1:]
    fits = len(found) == len(expected) and all(
        e is None or e == f for e, f in zip(expected, found)
    )
    if fits:
        return []
    hint = ""
    if len(found) == 3 and tuple(found[1:] + found[:1]) == tuple(expected):
        hint = "; they have their channels first: numpy.moveaxis(x, 1, -1)"
    return [
        f"{name} of shape {tuple(values.shape)} for a student of images "
        f"{tuple(expected)}{hint}"
    ]


def weights(values, count, name="sample_weight"):
    """Returns the weights of examples, and what is wrong with them.

    Args:
        values: an array [N] or [N, 1].
        count: N.
        name: what messages call them.

    Returns:
        (float32 [N], a list of lines).
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (count,):
        return values, [
            f"{name} of shape {values.shape} for {count} examples: [N] is "
            "wanted"
        ]
    if values.dtype.kind not in "biuf":
        return values, [f"{name} of type {values.dtype}: numbers are wanted"]
    (bad,) = np.nonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        return values, [
            f"{len(bad)} of {count} weights are negative or not finite: "
            + rows((name, values), bad)
        ]
    return values.astype(np.float32), []


def of_classes(class_weight, labels, num_classes):
    """Returns the weight of each example by its class, float32 [N].

    Args:
        class_weight: {class: weight}; 1 for the classes that it lacks.
        labels: int [N], or probabilities [N, C], of which the largest counts.
        num_classes: C.

    Raises:
        ArgumentError: for classes that do not exist, and weights that are no
            numbers of at least 0.
    """
    if not isinstance(class_weight, Mapping):
        refuse(
            [
                f"class_weight={class_weight!r}: a dictionary {{class: "
                "weight} is wanted"
            ]
        )
    unknown = [k for k in class_weight if k not in range(num_classes)]
    if unknown:
        refuse(
            [
                f"class_weight has the class {unknown[0]!r}: there are 0 to "
                f"{num_classes - 1}"
            ]
        )
    table = np.ones(num_classes, np.float32)
    for label, weight in class_weight.items():
        if not (isinstance(weight, numbers.Real) and 0 <= weight < np.inf):
            refuse(
                [
                    f"class_weight of class {label} is {weight!r}: a number of "
                    "at least 0 is wanted"
                ]
            )
        table[label] = weight
    return table[labels if labels.ndim == 1 else labels.argmax(1)]
