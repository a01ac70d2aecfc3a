"""Hugging Face's ImageFolder: metadata.csv, and back.

Its documented format: a CSV beside the images with the column `file_name`, a
path from there on; other columns become features of the data set.
"""

from tfnoisy import errors
from tfnoisy.datasets import corrections, csv_cells

COLUMNS = (
    "file_name",
    "label",
    "given_label",
    "suggested_label",
    "label_score",
    "is_label_issue",
)


def metadata(judged):
    """Returns the text of metadata.csv.

    `label` is the given label, to be changed where it is wrong.

    Args:
        judged: a list of `judged.Judged`.
    """
    rows = [
        (
            one.key,
            one.given_label,
            one.given_label,
            one.suggested_label,
            f"{one.score:.6g}",
            one.is_issue,
        )
        for one in judged
    ]
    return csv_cells.to_csv(
        {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}
    )


def decisions(lines, judged):
    """Returns what people changed, a list of `corrections.Correction`.

    A label that is another one than the given is a decision; an image that is
    no longer listed was removed.  What is as it was says nothing.

    Args:
        lines: {column: text} of each line, such as of `csv.DictReader`.
        judged: the list of `judged.Judged` that the file was made of.

    Raises:
        UserError: if the lines are something else.
    """
    by_key = {}
    for number, line in enumerate(lines, 2):
        if not line.get("file_name") or not line.get("label"):
            raise errors.UserError(
                f"line {number} has no file_name or no label: a metadata.csv "
                "of ImageFolder is wanted"
            )
        cells = {k: csv_cells.original(v or "") for k, v in line.items() if k}
        by_key[cells["file_name"].removeprefix("./")] = cells["label"]
    if not set(by_key) & {one.key for one in judged}:
        raise errors.UserError("none of these images is in the audit")
    found = []
    for one in judged:
        label = by_key.get(one.key)
        if label != one.given_label:
            action = (
                corrections.REMOVE if label is None else corrections.RELABEL
            )
            found.append(
                corrections.Correction(
                    one.key,
                    one.given_label,
                    label or "",
                    action,
                    one.sha256(),
                    "ImageFolder",
                )
            )
    return found
