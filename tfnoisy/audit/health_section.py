"""The health of a data set, for a reader: a part of report.html, health.csv."""

from tfnoisy import output_file
from tfnoisy.audit import figures, near_duplicates
from tfnoisy.datasets import csv_cells

# Shown at most: of groups and of leaks, of one group, of each kind of picture.
_GROUPS, _OF_A_GROUP, _OF_A_KIND = 12, 6, 8
_SIDE = 112

# What a reader is told of each rule.
_RULES = {
    near_duplicates.SAME_PIXELS: "the same pixels",
    near_duplicates.PIXELS: "alike as thumbnails, perhaps mirrored",
    near_duplicates.CROP: "one is a part of the other",
    near_duplicates.GAP: "far more alike than either is to a third",
    near_duplicates.FEATURES: "alike to the network and as thumbnails",
}

DUPLICATE, LEAK, ODD = "near duplicate", "test image in training", "odd one out"


def view(quality, dataset):
    """Returns what the page's template needs, or None without a health.

    Args:
        quality: a `LabelQuality`.
        dataset: its `ImageDataset`, rows in the same order.
    """
    health = quality.health
    if health is None:
        return None

    def card(row, data=dataset, where=""):
        uri, width, height = figures.thumbnail_uri(
            data.images[row], _SIDE, _SIDE
        )
        return {
            "uri": uri,
            "width": width,
            "height": height,
            "label": data.class_names[data.given_labels[row]],
            "key": where + data.example_keys[row],
        }

    leaks = health.leaks or ()
    return {
        "groups": [
            {
                "rules": [_RULES[rule] for rule in group.rules],
                "differ": group.labels_differ,
                "count": len(group.rows),
                "cards": [card(row) for row in group.rows[:_OF_A_GROUP]],
            }
            for group in health.groups[:_GROUPS]
        ],
        "num_groups": len(health.groups),
        "num_images": sum(len(group.rows) for group in health.groups),
        "num_differ": sum(group.labels_differ for group in health.groups),
        "looked_for_leaks": health.leaks is not None,
        "leaks": [
            {
                "rules": [_RULES[leak.rule]],
                "differ": leak.labels_differ,
                "count": 2,
                "cards": [
                    card(leak.test_row, health.test, "test: "),
                    card(leak.row),
                ],
            }
            for leak in leaks[:_GROUPS]
        ],
        "num_leaks": len(leaks),
        "odd": [card(row) for row in health.odd.tolist()],
        "pictures": [
            {
                "kind": kind,
                "count": len(rows),
                "cards": [card(row) for row in rows[:_OF_A_KIND].tolist()],
            }
            for kind, rows in (health.pictures or {}).items()
            if len(rows)
        ],
        "notes": health.notes,
    }


def write(path, quality, dataset):
    """Writes a line for each finding, whole or not at all.

    The columns are `issue`, `rule`, `group` (a number that the images of one
    group of near duplicates share), `split`, `path` (or `row:ID`), `label`,
    and of a leak `training_path` and `training_label`.

    Args:
        path: the CSV file; its folder is made.
        quality: a `LabelQuality` with a health.
        dataset: its `ImageDataset`, rows in the same order.

    Raises:
        UserError: if the file cannot be written.
    """
    output_file.write(path, to_csv(quality.health, dataset))


def to_csv(health, dataset):
    """Returns the text that `write` writes."""
    lines = []

    def add(issue, data, row, rule="", group="", partner=None):
        lines.append(
            {
                "issue": issue,
                "rule": rule,
                "group": group,
                "split": "train" if data is dataset else "test",
                "path": data.example_keys[row],
                "label": data.class_names[data.given_labels[row]],
                "training_path": "",
                "training_label": "",
            }
        )
        if partner is not None:
            lines[-1]["training_path"] = dataset.example_keys[partner]
            lines[-1]["training_label"] = dataset.class_names[
                dataset.given_labels[partner]
            ]

    for number, group in enumerate(health.groups, 1):
        issue = DUPLICATE + (
            " with another label" if group.labels_differ else ""
        )
        for row in group.rows:
            add(issue, dataset, row, " + ".join(group.rules), number)
    for leak in health.leaks or ():
        issue = LEAK + (" with another label" if leak.labels_differ else "")
        add(issue, health.test, leak.test_row, leak.rule, partner=leak.row)
    for row in health.odd.tolist():
        add(ODD, dataset, row)
    for kind, rows in (health.pictures or {}).items():
        for row in rows.tolist():
            add(kind, dataset, row)
    names = (
        "issue",
        "rule",
        "group",
        "split",
        "path",
        "label",
        "training_path",
        "training_label",
    )
    return csv_cells.to_csv(
        {name: [line[name] for line in lines] for name in names}
    )
