import numpy as np

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
