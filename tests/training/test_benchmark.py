import pytest

from tfnoisy.training import benchmark


@pytest.mark.parametrize("method", sorted(benchmark.STEPS))
def test_a_step_is_compared_with_its_passes(method):
    result = benchmark.step_suite(
        method,
        "small_cnn",
        batch_size=32,
        repeats=5,
        image_shape=(8, 8, 1),
    )
    _, forwards, updates = benchmark.STEPS[method]
    unavoidable = (
        forwards * result["forward_seconds"]
        + updates * result["update_seconds"]
    )
    assert result["unavoidable_seconds"] == pytest.approx(unavoidable, abs=3e-5)
    assert result["ratio"] == pytest.approx(
        result["step_seconds"] / unavoidable, rel=0.05
    )
    # A tiny network on a busy machine: a bound that only a mistake breaks.
    assert 0.3 < result["ratio"] < 5


def test_the_pipeline_is_timed():
    result = benchmark.input_suite(
        "standard", num_examples=2000, num_batches=20
    )
    assert result["images_per_second"] > 1000
    assert result["images_per_second_per_core"] > 1000
