"""What is kept of a measured run: a small file beside the table of rows.

`data/results/runs/ROW-SEED.json` has the final metrics of the run's
results.json, its commit and machine, and its curve from metrics.jsonl.
"""

import dataclasses
import json
import math
import pathlib
from typing import Any

from tfnoisy import errors, resources
from tfnoisy.reproduction import rows as rows_lib
from tfnoisy.runs import folder as run_folder

# The evaluations' numbers that make a curve.
_CURVE = (
    "test_accuracy",
    "train_accuracy",
    "wrong_labels_fitted",
    "holdout_accuracy",
)
_LONGEST_CURVE = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kept:
    """A measured run.

    Attributes:
        row: the row's id.
        seed: its seed.
        command: the command line without the run folder.
        commit: the code's, with a `+` if it was changed since; "" if unknown.
        hardware: processor or GPU in words.
        test_accuracy: at the last step, in [0, 1].
        best_test_accuracy: the best evaluation on the way.
        wrong_labels_fitted: the share of wrong labels that are predicted,
            None if none is known.
        f1: of the method's judgement of the labels, None if it has none.
        auc: likewise.
        wall_seconds: of training and evaluation.
        processor_seconds: likewise, of all threads; None if not measured.
        versions: {package: version}.
        curve: {"step": [...], metric: [...]}, at most 100 evaluations.
    """

    row: str
    seed: int
    command: str
    commit: str = ""
    hardware: str = ""
    test_accuracy: float
    best_test_accuracy: float
    wrong_labels_fitted: float | None = None
    f1: float | None = None
    auc: float | None = None
    wall_seconds: float
    processor_seconds: float | None = None
    versions: dict[str, str]
    curve: dict[str, list[float]]


def of_run(row: rows_lib.Row, seed: int, path: pathlib.Path) -> Kept:
    """Returns what is kept of a finished run.

    Args:
        row: what it measures.
        seed: its seed.
        path: its run folder.

    Raises:
        UserError: if the run has not ended, or its results are no training's.
    """
    folder = run_folder.RunFolder(path)
    results = folder.read_results()
    if results is None:
        raise errors.UserError(f"{path} is not a finished run")
    detection = results.get("detection") or {}
    has_auc = detection.get("auc") is not None
    versions = dict(results["versions"])
    try:
        return Kept(
            row=row.id,
            seed=seed,
            command=row.typed(seed),
            commit=versions.pop("commit", ""),
            hardware=results.get("hardware", ""),
            test_accuracy=results["test"]["accuracy"],
            best_test_accuracy=results["best_test_accuracy"],
            wrong_labels_fitted=_rounded(
                results["train"]["wrong_labels_fitted"]
            ),
            # Without a wrong label there is nothing to judge.
            f1=_rounded(detection.get("f1") if has_auc else None),
            auc=_rounded(detection.get("auc")),
            wall_seconds=results["wall_seconds"],
            processor_seconds=results.get("processor_seconds"),
            versions=versions,
            curve=_curve(folder.read_metrics()),
        )
    except (KeyError, TypeError) as error:
        raise errors.UserError(
            f"{folder.results} is damaged, or not a training's"
        ) from error


def to_json(kept: Kept) -> str:
    """Returns the file's text, a line for each entry."""
    entries = (
        f"  {json.dumps(name)}: {json.dumps(value)}"
        for name, value in dataclasses.asdict(kept).items()
        if value is not None
    )
    return "{\n" + ",\n".join(entries) + "\n}\n"


def file_name(row: str, seed: int) -> str:
    """Returns the name of the file of a row's seed."""
    return f"{row}-{seed}.json"


def read(row: rows_lib.Row, path: pathlib.Path | None = None) -> list[Kept]:
    """Returns the kept runs of a row, in the order of its seeds.

    Args:
        row: the row.
        path: the folder; the shipped one if None.

    Raises:
        UserError: if a file cannot be read.
    """
    folder = path or resources.shipped("data/results/runs")
    found = []
    for seed in row.seeds:
        file = folder / file_name(row.id, seed)
        if not file.exists():
            continue
        try:
            contents: dict[str, Any] = json.loads(file.read_text())
            found.append(Kept(**contents))
        except (OSError, ValueError, TypeError) as error:
            raise errors.UserError(f"{file} is damaged: {error}") from error
    return found


def _curve(metrics):
    """The evaluations, thinned to at most a hundred; the last one stays."""
    stride = math.ceil(len(metrics) / _LONGEST_CURVE)
    metrics = metrics[::-1][::stride][::-1]
    curve = {"step": [row["step"] for row in metrics]}
    for name in _CURVE:
        if any(name in row for row in metrics):
            curve[name] = [_rounded(row.get(name)) for row in metrics]
    return curve


def _rounded(value):
    return None if value is None else float(f"{value:.4g}")
