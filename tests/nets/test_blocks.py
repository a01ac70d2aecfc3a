import keras
import numpy as np
import pytest

from tfnoisy.nets import blocks


def test_layer_seeds_differ_by_seed_and_name():
    seeds = {
        blocks.layer_seed(seed, name)
        for seed in range(50)
        for name in ("stem", "conv1", "conv2", "logits")
    }
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert blocks.layer_seed(3, "stem") == blocks.layer_seed(3, "stem")


def test_fan_out_normal_has_its_deviation_and_tails():
    kernel = np.array(blocks.fan_out_normal(1)([3, 3, 64, 128]))
    stddev = (2 / (3 * 3 * 128)) ** 0.5
    assert kernel.std() == pytest.approx(stddev, rel=0.01)
    assert kernel.mean() == pytest.approx(0, abs=stddev / 100)
    # Of a normal distribution 4.55 % lie beyond two deviations.
    assert np.mean(np.abs(kernel) > 2 * stddev) == pytest.approx(
        0.0455, abs=0.003
    )


def test_torch_uniform_fills_its_interval():
    kernel = np.array(blocks.torch_uniform(1)([3, 3, 64, 32]))
    bound = (3 * 3 * 64) ** -0.5
    assert np.abs(kernel).max() <= bound
    assert np.abs(kernel).max() > 0.999 * bound
    assert kernel.std() == pytest.approx(bound / 3**0.5, rel=0.01)


def test_conv_and_logits_are_drawn_by_seed_and_name():
    def kernel(seed, name):
        layer = blocks.conv(4, 3, 1, blocks.fan_out_normal, seed, name)
        layer.build([None, 8, 8, 2])
        assert not layer.use_bias
        return layer.kernel.numpy()

    np.testing.assert_array_equal(kernel(1, "a"), kernel(1, "a"))
    assert np.all(kernel(1, "a") != kernel(1, "b"))
    assert np.all(kernel(1, "a") != kernel(2, "a"))
    dense = blocks.logits(4, blocks.torch_uniform, 1)
    dense.build([None, 8])
    assert np.all(dense.bias.numpy() == 0)


@pytest.mark.parametrize(
    "policy, dtype",
    [("mixed_bfloat16", "float32"), ("float64", "float64")],
)
def test_ends_of_a_network_are_not_computed_in_less_than_float32(policy, dtype):
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        images = blocks.image_input((4, 4, 3))
        pooled = blocks.global_average()(images)
        logits = blocks.logits(2, blocks.torch_uniform, 0)(pooled)
    finally:
        keras.config.set_dtype_policy(former)
    assert {images.dtype, pooled.dtype, logits.dtype} == {dtype}
