import numpy as np

from tfnoisy.benchmarks import checking
from tfnoisy.datasets import load


def test_checks_are_worth_more_than_random_ones():
    data = load.load("digits", "train[:600]")
    pixels = data.images[:].reshape(len(data), -1).astype(np.float64)
    (found,) = checking.checking_suite(
        "digits", "train[:600]", ["symmetric:0.3"], pixels, samples=10
    )
    assert abs(found["wrong"] - 0.27) < 0.06
    assert found["found_wrongness"] > 1.5 * found["found_random"]
    assert abs(found["found_random"] - found["wrong"]) < 0.05
    assert found["coverage"] >= 0.8 and found["width"] < 0.15
    assert found["f1_after"] > 0.9
