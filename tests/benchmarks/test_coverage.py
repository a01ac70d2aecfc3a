import numpy as np

from tfnoisy.benchmarks import coverage
from tfnoisy.datasets import load


def test_intervals_hold_the_truth_and_are_narrower_than_a_random_sample_s():
    data = load.load("digits", "train[:1200]")
    pixels = data.images.reshape(1200, -1).astype(np.float32)
    found = coverage.coverage_suite(
        "digits",
        "train[:1200]",
        num_sets=12,
        size=600,
        features=pixels,
        kinds=("symmetric", "pairflip"),
    )
    assert found["sets"] == 12
    assert found["coverage"] >= 0.8
    assert found["width"] < 0.6 * found["random_width"]
    assert 0 < found["bracket_width"] < 1
