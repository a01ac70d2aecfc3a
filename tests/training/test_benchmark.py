import pytest

from tfnoisy import errors
from tfnoisy.training import benchmark

PASSES = {
    "mentornet": {"update": 1},
    "mentormix": {"forward": 1, "update": 1},
    "l2r": {"gradient": 2},
    # 3 + 3 forwards and 2 + 1 + 2 + 3 backwards, in batches of B.
    "ieg": {"gradient": 5, "forward": -2, "mixed_gradient": 1},
}


def test_every_method_is_listed():
    assert sorted(benchmark.STEPS) == sorted(PASSES)


@pytest.mark.parametrize("method", sorted(PASSES))
def test_a_step_is_compared_with_its_passes(method, monkeypatch):
    monkeypatch.setattr(
        benchmark, "peak_mib", lambda *_, **options: 4.0 + 2 * bool(options)
    )
    result = benchmark.step_suite(
        method, "small_cnn", batch_size=32, repeats=5, image_shape=(8, 8, 1)
    )
    unavoidable = sum(
        count * result[f"{name}_seconds"]
        for name, count in PASSES[method].items()
    )
    assert result["unavoidable_seconds"] == pytest.approx(unavoidable, abs=1e-4)
    assert result["ratio"] == pytest.approx(
        result["step_seconds"] / result["unavoidable_seconds"], rel=0.05
    )
    # A tiny network on a busy machine: bounds that only a mistake breaks.
    assert 0.3 < result["ratio"] < 8
    assert 0.3 < result["cpu_ratio"] < 8
    if method not in ("ieg", "l2r"):
        assert not any("peak" in name for name in result)
        return
    assert result["reverse_seconds_ratio"] == pytest.approx(
        result["reverse_step_seconds"] / result["step_seconds"], rel=0.05
    )
    assert 0.3 < result["reverse_cpu_ratio"] < 8
    assert result["peak_mib"] == 4
    assert result["reverse_peak_mib"] == 6
    assert result["reverse_peak_ratio"] == 1.5


def test_the_peak_of_memory_grows_with_the_batch():
    small, large = (
        benchmark.peak_mib("l2r", ("small_cnn", size, (32, 32, 3), 10))
        for size in (8, 512)
    )
    # The first convolution's maps of 512 images take 64 MiB.
    assert 0 <= small < large - 64


def test_the_pipeline_is_timed():
    result = benchmark.input_suite(
        "standard", num_examples=2000, num_batches=20
    )
    assert result["images_per_second"] > 1000
    assert result["images_per_second_per_core"] > 1000


def test_a_strong_view_is_timed_beside_pillows():
    result = benchmark.input_suite(
        "randaugment:1:5", num_examples=64, batch_size=16, num_batches=2
    )
    assert result["augment"] == "randaugment:1:5"
    assert result["images_per_second_per_core"] > 10
    assert result["pillow_images_per_second_per_core"] > 10
    assert result["ratio"] > 0


@pytest.mark.parametrize(
    "augment, message",
    [
        ("standrd", "neither one of standard, .*; and no policy 'standrd'"),
        ("autoaugment_imagenet", "only policies for CIFAR"),
    ],
)
def test_an_augmentation_that_cannot_be_timed(augment, message):
    with pytest.raises(errors.UserError, match=message):
        benchmark.input_suite(augment, num_examples=10)
