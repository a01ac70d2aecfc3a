import pytest

import slow_cases
from tfnoisy.benchmarks import step as step_suite
from tfnoisy.benchmarks import step_passes
from tfnoisy.catalogue import methods as catalogue


@pytest.mark.parametrize(
    "method", slow_cases.but(slow_cases.METHODS, catalogue.METHODS.names())
)
def test_a_step_is_compared_with_its_passes(method, monkeypatch):
    monkeypatch.setattr(
        step_suite,
        "peak_mib",
        lambda *_, **options: 4.0 + 2 * bool(options),
    )
    result = step_suite.step_suite(
        method, "small_cnn", batch_size=32, repeats=5, image_shape=(8, 8, 1)
    )
    passes = step_passes.step_of(method).passes
    unavoidable = sum(
        count * result[f"{name}_seconds"] for name, count in passes.items()
    )
    assert result["unavoidable_seconds"] == pytest.approx(unavoidable, abs=1e-4)
    assert result["clock_ratio"] == pytest.approx(
        result["step_seconds"] / result["unavoidable_seconds"], rel=0.05
    )
    # A tiny network on a busy machine: bounds that only a mistake breaks.
    assert 0.3 < result["clock_ratio"] < 8
    assert 0.3 < result["cpu_ratio"] < 8
    assert result["ratio"] == result["cpu_ratio"]
    if method not in ("ieg", "l2r", "fsr"):
        assert not any("peak" in name for name in result)
        return
    assert result["reverse_seconds_ratio"] == pytest.approx(
        result["reverse_step_seconds"] / result["step_seconds"], rel=0.05
    )
    assert 0.3 < result["reverse_cpu_ratio"] < 8
    assert result["peak_mib"] == 4
    assert result["reverse_peak_mib"] == 6
    assert result["reverse_peak_ratio"] == 1.5


@pytest.mark.slow
def test_the_peak_of_memory_grows_with_the_batch():
    small, large = (
        step_suite.peak_mib("l2r", step_passes.Setting("small_cnn", size))
        for size in (8, 512)
    )
    # The first convolution's maps of 512 images take 64 MiB.
    assert 0 <= small < large - 64
