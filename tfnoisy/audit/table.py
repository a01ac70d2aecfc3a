"""`labels.csv`: a line for each label, in cleanlab's columns."""

from tfnoisy import output_file
from tfnoisy.datasets import csv_cells


def write(path, evidence, class_names, paths=None):
    """Writes the judgement of every label, whole or not at all.

    The columns are `id`, `path`, `given_label`, `predicted_label`,
    `label_score`, `is_label_issue`, `clean_probability` and `group`; `path`
    and the last two only where they are known.  Labels are class names.  With
    paths, the file is one that `--labels_csv` reads.

    Args:
        path: the CSV file; its folder is made.
        evidence: an `LabelQuality`; its rows keep their order.
        class_names: K names.
        paths: N paths of the images, or None.

    Raises:
        UserError: if the file cannot be written.
    """
    output_file.write(path, to_csv(evidence, class_names, paths))


def to_csv(evidence, class_names, paths=None):
    """Returns the text that `write` writes, its lines ended by LF."""
    columns = {"id": evidence.ids.tolist()}
    if paths is not None:
        columns["path"] = paths
    for name, labels in (
        ("given_label", evidence.given_labels),
        ("predicted_label", evidence.predicted_labels),
    ):
        columns[name] = [class_names[label] for label in labels.tolist()]
    columns["label_score"] = _decimals(evidence.label_score)
    columns["is_label_issue"] = evidence.is_label_issue.tolist()
    if evidence.clean_probability is not None:
        columns["clean_probability"] = _decimals(evidence.clean_probability)
    if evidence.group is not None:
        columns["group"] = evidence.group.tolist()
    return csv_cells.to_csv(columns)


def _decimals(values):
    return [f"{value:.6g}" for value in values.tolist()]
