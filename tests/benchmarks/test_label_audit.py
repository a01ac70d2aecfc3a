import json

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.benchmarks import label_audit
from tfnoisy.datasets import load


def test_a_row_for_each_noise():
    data = load.load("digits", "train[:400]")
    pixels = data.images.reshape(400, -1).astype(np.float32)
    (row,) = label_audit.label_audit_suite(
        "digits", "train[:400]", ["symmetric:0.2"], pixels
    )
    assert row["noise"] == "symmetric:0.2"
    assert row["f1"] > 0.9
    assert row["f1"] >= row["cleanlab_f1"]
    assert 0.1 < row["wrong"] < 0.25


RESULTS = {
    "steps": 10,
    "method": "elr",
    "noise": {"spec": "human:worse"},
    "test": {"accuracy": 0.7},
    "wall_seconds": 12.0,
    "detection": {
        "examples": 200,
        "wrong_labels": 80,
        "precision": 0.75,
        "recall": 0.6,
        "f1": 2 / 3,
        "auc": 0.9,
    },
}


def test_runs_are_rows(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(RESULTS))
    (row,) = label_audit.run_rows([tmp_path])
    assert row["wrong"] == 0.4
    assert (row["f1"], row["auc"], row["method"]) == (2 / 3, 0.9, "elr")


@pytest.mark.parametrize("found, words", [(None, "no evidence"), ({}, "no ev")])
def test_runs_without_evidence_are_named(tmp_path, found, words):
    (tmp_path / "results.json").write_text(
        json.dumps({**RESULTS, "detection": found})
    )
    with pytest.raises(errors.UserError, match=words):
        list(label_audit.run_rows([tmp_path]))


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(errors.UserError, match="is no finished run"):
        list(label_audit.run_rows([tmp_path / "nowhere"]))
