"""What a method says of each label, kept in its run folder.

`evidence.npz` has the arrays of `Method.evidence`, by example id, and in words
and numbers how to read them: whose they are, which labels are flagged and
what ranks them.  So the audit needs to know nothing of the method, and flags
exactly the labels that the method flagged.  results.json says how well the
wrong labels were found, where the clean ones are known.
"""

import dataclasses
import io

import numpy as np

from tfnoisy import array_file, errors, metrics
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.runs import flag_values

# Arrays that rank the labels where nothing else is said.
_SCORES = ("clean_probability", "agreement", "label_score")
_TEXTS = ("method", "title", "score", "score_name", "criterion")


@dataclasses.dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of one run.

    Attributes:
        arrays: {name: [N]}: `ids` (int64, ascending), `is_label_issue` (bool,
            the labels taken for wrong), the score (in [0, 1], high where a
            label is trusted), and perhaps more.
        method: the method's name.
        title: its name in sentences.
        score: the name of the array that is the score.
        score_name: what a report calls it.
        criterion: a sentence: which labels are flagged.
        threshold: the number that the score was compared with, or None.
        notes: further sentences for a report.
    """

    arrays: dict[str, np.ndarray]
    method: str
    title: str
    score: str
    score_name: str
    criterion: str
    threshold: float | None = None
    notes: tuple[str, ...] = ()

    def __len__(self):
        return len(self.arrays["ids"])

    def known(self, ids):
        """Returns a mask: of which of these ids there is evidence."""
        return np.isin(ids, self.arrays["ids"])

    def take(self, ids):
        """Returns the evidence of these ids, all of them known, in order."""
        rows = np.searchsorted(self.arrays["ids"], ids)
        taken = {name: values[rows] for name, values in self.arrays.items()}
        return dataclasses.replace(self, arrays=taken)

    def to_bytes(self):
        """Returns the bytes of an npz file."""
        described = {name: np.array(getattr(self, name)) for name in _TEXTS}
        described["notes"] = np.array(self.notes, dtype=np.str_)
        if self.threshold is not None:
            described["threshold"] = np.array(self.threshold)
        file = io.BytesIO()
        np.savez_compressed(
            file,
            **self.arrays,
            **{f"_{name}": value for name, value in described.items()},
        )
        return file.getvalue()


def of(method, name):
    """Returns the evidence that a method leaves, or None.

    Args:
        method: a `methods.base.Method`.
        name: its name, usually one in `catalogue.methods`.

    Raises:
        TrainingError: if what a plugin's method returns is no evidence.
    """
    arrays = method.evidence()
    if arrays is None:
        return None
    evidence = _described(
        {key: np.asarray(values) for key, values in arrays.items()},
        name,
        lambda attribute: getattr(method, attribute),
    )
    problem = _problem(evidence)
    if problem:
        raise errors.TrainingError(
            f"the evidence of the method {name} cannot be kept: {problem}"
        )
    return evidence


def read(path, recorded):
    """Returns the `Evidence` in a run folder's file.

    Args:
        path: of evidence.npz.
        recorded: {flag name: value as text} of the run; of use where a run
            is older than these descriptions.

    Raises:
        UserError: if the file is damaged or not of a method that is known.
    """
    loaded = _load(path)
    arrays = {n: v for n, v in loaded.items() if not n.startswith("_")}
    try:
        if "_method" in loaded:
            evidence = _as_described(arrays, loaded)
        else:
            evidence = _described(
                arrays,
                _former_method(arrays, path),
                lambda attribute: flag_values.get(recorded, attribute, 0.5),
            )
    except KeyError as error:
        raise errors.UserError(f"{path} is damaged: no {error}") from error
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"{path} is damaged: {error}") from error
    if problem := _problem(evidence):
        raise errors.UserError(f"{path} is damaged: {problem}")
    return evidence


def _as_described(arrays, loaded):
    """Returns the `Evidence` by the descriptions that its file has."""
    threshold = loaded.get("_threshold")
    return Evidence(
        arrays=arrays,
        **{name: str(loaded[f"_{name}"]) for name in _TEXTS},
        threshold=None if threshold is None else float(threshold),
        notes=tuple(map(str, loaded["_notes"])),
    )


def _load(path):
    try:
        arrays = array_file.read(path)
    except array_file.ERRORS as error:
        raise errors.UserError(
            f"{path} is no evidence of a run, or damaged"
        ) from error
    if isinstance(arrays, np.ndarray):
        raise errors.UserError(f"{path} is no evidence of a run: one array")
    return arrays


def _described(arrays, name, value_of):
    """Returns the `Evidence`, described as the catalogue has it.

    Args:
        arrays: {name: [N]}.
        name: the method's.
        value_of: the name of an attribute of the method -> its value.
    """
    entry = catalogue.METHODS.get(name)
    title = entry.heading if entry else name
    told = entry.evidence if entry else None
    if told is None:
        score = next((s for s in _SCORES if s in arrays), _SCORES[-1])
        told = catalogue.Evidence(
            score=score,
            score_name=score.replace("_", " "),
            criterion=f"{title} takes the label for wrong.",
        )
    threshold = told.threshold
    if isinstance(threshold, str):
        threshold = value_of(threshold)
    return Evidence(
        arrays=arrays,
        method=name,
        title=title,
        score=told.score,
        score_name=told.score_name,
        criterion=told.criterion.format(threshold=threshold),
        threshold=None if threshold is None else float(threshold),
        notes=told.notes,
    )


def _problem(evidence):
    """Returns what is wrong with the arrays, or an empty text."""
    arrays = evidence.arrays
    for name in ("ids", "is_label_issue", evidence.score):
        if name not in arrays:
            return f"there is no {name}, only {', '.join(arrays) or 'nothing'}"
    ids, flagged = arrays["ids"], arrays["is_label_issue"]
    score = arrays[evidence.score]
    for name, values in arrays.items():
        if name.startswith("_"):
            return f"{name}: names that start with _ are taken"
        if values.shape[:1] != ids.shape:
            return f"{name} has the shape {values.shape}, ids {ids.shape}"
    if not np.issubdtype(ids.dtype, np.integer) or np.any(np.diff(ids) <= 0):
        return "ids are not ascending integers"
    if flagged.dtype != bool:
        return f"is_label_issue is {flagged.dtype}, not bool"
    if score.ndim != 1 or not np.all((score >= 0) & (score <= 1)):
        return f"{evidence.score} is not in [0, 1]"
    return ""


def _former_method(arrays, path):
    """Returns the method of a file from before its name was kept there."""
    for array, method in {
        "group": "bkd",
        "clean_probability": "dividemix",
        "mean_lambda": "ieg",
        "kept_label": "ieg",
        "positive_weight": "l2r",
        "helpful": "l2r",
        "mean_weight": "mentormix",
    }.items():
        if array in arrays:
            return method
    raise errors.UserError(
        f"{path} has {', '.join(sorted(arrays))}, of which no method is known; "
        "--method=losses judges by the network's losses"
    )


def judge(evidence, manifest):
    """Returns how well wrong labels were found; None if the truth is unknown.

    Args:
        evidence: an `Evidence`.
        manifest: the run's `NoiseManifest`.

    Returns:
        {examples, wrong_labels, flagged, precision, recall, f1, auc}: three
        counts, then numbers in [0, 1]; the AUC of the method's score, None
        if all labels are right or all wrong.
    """
    if manifest.clean_labels is None:
        return None
    rows = np.searchsorted(manifest.ids, evidence.arrays["ids"])
    wrong = (manifest.given_labels != manifest.clean_labels)[rows]
    flagged = evidence.arrays["is_label_issue"]
    return {
        "examples": len(rows),
        "wrong_labels": int(wrong.sum()),
        "flagged": int(flagged.sum()),
        **metrics.detection_scores(flagged, wrong),
        "auc": metrics.auc(evidence.arrays[evidence.score], wrong),
    }
