"""FiftyOne: labels.json of a FiftyOneImageClassificationDataset, and back.

Its documented format: {classes, labels: {path below data/ without suffix:
{label, confidence, attributes}}}.  The images are not copied: import it with
`data_path=DATA_DIR`.
"""

import os

from tfnoisy import errors
from tfnoisy.datasets import corrections


def labels(judged, class_names):
    """Returns (the content of labels.json, the keys that were left out).

    The label is the given one; what the audit says is in the attributes, its
    confidence is the label score.  Of images that differ in the suffix alone,
    which the format cannot tell apart, all are left out.

    Args:
        judged: a list of `judged.Judged`.
        class_names: the classes.
    """
    by_name = {}
    for one in judged:
        by_name.setdefault(os.path.splitext(one.key)[0], []).append(one)
    left_out = [
        one.key for same in by_name.values() if len(same) > 1 for one in same
    ]
    return {
        "classes": list(class_names),
        "labels": {
            name: {
                "label": same[0].given_label,
                "confidence": same[0].score,
                "attributes": {
                    "key": same[0].key,
                    "given_label": same[0].given_label,
                    "suggested_label": same[0].suggested_label,
                    "is_label_issue": same[0].is_issue,
                },
            }
            for name, same in by_name.items()
            if len(same) == 1
        },
    }, left_out


def decisions(exported, judged):
    """Returns what people changed, a list of `corrections.Correction`.

    A label that is another one than the given is a decision; an image that is
    no longer there was removed.  What is as it was says nothing: it may not
    have been looked at.

    Args:
        exported: the content of labels.json, as FiftyOne exports it.
        judged: the list of `judged.Judged` that it was made of.

    Raises:
        UserError: if it is something else.
    """
    if not isinstance(exported, dict) or not isinstance(
        exported.get("labels"), dict
    ):
        raise errors.UserError(
            "no labels: export from FiftyOne as "
            "FiftyOneImageClassificationDataset"
        )
    names, told = exported.get("classes"), exported["labels"]
    # By the key that it was given, or by its name, as FiftyOne has it.
    value_of = {_key(value) or name: value for name, value in told.items()}
    _, left_out = labels(judged, ())
    found, seen = [], 0
    for one in judged:
        if one.key in left_out:
            continue
        name = os.path.splitext(one.key)[0]
        value = value_of.get(one.key, value_of.get(name))
        if value is None:
            found.append(_decision(one, "", corrections.REMOVE))
            continue
        seen += 1
        label = _label(one.key, value, names)
        if label != one.given_label:
            found.append(_decision(one, label, corrections.RELABEL))
    if not seen:
        raise errors.UserError("none of these images is in the audit")
    return found


def _key(value):
    """Returns the key in an entry's attributes, or None."""
    if isinstance(value, dict) and isinstance(value.get("attributes"), dict):
        return value["attributes"].get("key")
    return None


def _label(key, value, names):
    """Returns the name of the class that an entry says."""
    label = value.get("label") if isinstance(value, dict) else value
    if isinstance(label, int) and isinstance(names, list):
        if not 0 <= label < len(names):
            raise errors.UserError(
                f"{key}: label {label} of {len(names)} classes"
            )
        label = names[label]
    if not isinstance(label, str) or not label:
        raise errors.UserError(f"{key}: its label is no text")
    return label


def _decision(one, label, action):
    return corrections.Correction(
        one.key, one.given_label, label, action, one.sha256(), "FiftyOne"
    )
