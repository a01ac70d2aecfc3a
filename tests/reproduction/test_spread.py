"""Inside or outside."""

import numpy as np
import pytest

from tfnoisy.reproduction import spread


def test_three_values_have_a_prediction_interval():
    # t of two degrees of freedom is 4.3027; s = 0.1, n = 3.
    found = spread.of([0.5, 0.6, 0.7], 0.01, "tolerance")
    assert found.mean == pytest.approx(0.6)
    assert found.half_width == pytest.approx(
        4.30265 * 0.1 * (4 / 3) ** 0.5, 1e-5
    )
    assert "3 seeds" in found.because


def test_it_holds_one_more_value_nineteen_times_in_twenty():
    draws = np.random.default_rng(0).normal(0.8, 0.02, [4000, 6])
    held = [spread.of(list(d[:5]), 0.0, "").holds(d[5]) for d in draws]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize("values", [[0.6], [0.5, 0.7], [0.6, 0.6, 0.6]])
def test_few_values_or_hardly_a_spread_have_the_tolerance(values):
    found = spread.of(values, 0.01, "4 images")
    assert (found.half_width, found.because) == (0.01, "4 images")
    assert found.holds(0.61) and found.holds(0.59)
    assert not found.holds(0.6101) and not found.holds(0.5899)


def test_the_verdict_is_a_line():
    found = spread.of([0.6], 0.01, "4 images")
    assert found.judge(0.605) == "0.6050: inside 0.6000 ± 0.0100 (4 images)"
    assert found.judge(0.7) == "0.7000: OUTSIDE 0.6000 ± 0.0100 (4 images)"
