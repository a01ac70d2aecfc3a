import io

import numpy as np
import pytest

from tfnoisy.datasets import load
from tfnoisy.noise import manifest as noise_manifest
from tfnoisy.runs import evidence as run_evidence


def make_manifest(spec="symmetric:0.5"):
    return noise_manifest.inject(load.load("digits", "train[:200]"), spec, 1)


def test_perfect_evidence():
    manifest = make_manifest()
    wrong = manifest.given_labels != manifest.clean_labels
    found = run_evidence.judge(
        {
            "ids": manifest.ids,
            "is_label_issue": wrong,
            "clean_probability": 1.0 - wrong,
        },
        manifest,
    )
    assert found == {
        "examples": 200,
        "wrong_labels": int(wrong.sum()),
        "flagged": int(wrong.sum()),
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "auc": 1.0,
    }


@pytest.mark.parametrize(
    "score", ["clean_probability", "agreement", "label_score"]
)
def test_evidence_on_a_part(score):
    manifest = make_manifest()
    wrong = manifest.given_labels != manifest.clean_labels
    rows = np.arange(0, 200, 3)
    flagged = np.arange(len(rows)) < 10
    found = run_evidence.judge(
        {
            "ids": manifest.ids[rows],
            "is_label_issue": flagged,
            score: np.where(wrong[rows], 0.9, 0.1),
            # More than there need be.
            "mean_weight": np.where(wrong[rows], 0.0, 7.0),
        },
        manifest,
    )
    assert found["examples"] == len(rows) and found["flagged"] == 10
    assert found["wrong_labels"] == wrong[rows].sum()
    assert found["precision"] == pytest.approx(wrong[rows][:10].mean())
    assert found["auc"] == 0.0


def test_nothing_to_rank():
    manifest = make_manifest("none")
    evidence = {
        "ids": manifest.ids,
        "is_label_issue": np.zeros(200, bool),
        "agreement": np.ones(200),
    }
    found = run_evidence.judge(evidence, manifest)
    assert found["auc"] is None and found["f1"] == 0.0


def test_the_file():
    arrays = {"ids": np.arange(3), "is_label_issue": np.array([True, False, 1])}
    with np.load(io.BytesIO(run_evidence.to_bytes(arrays))) as file:
        for name, value in arrays.items():
            np.testing.assert_array_equal(file[name], value)
