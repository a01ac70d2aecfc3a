import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import layers, wide_preact_resnet


@pytest.fixture(scope="module")
def model():
    return wide_preact_resnet.resnet32(10, (8, 8, 3), 1)


def images(count=2, side=8):
    return tf.random.stateless_normal([count, side, side, 3], [1, 2])


def outputs(model, name, x):
    return keras.Model(model.input, model.get_layer(name).output)(
        x, training=False
    ).numpy()


def zero(model, *names):
    for name in names:
        kernel = model.get_layer(name).kernel
        kernel.assign(tf.zeros_like(kernel))


def test_maps_and_strides(model):
    for name, shape in {
        "init_conv": (None, 8, 8, 64),
        "unit_1_4": (None, 8, 8, 128),
        "unit_2_0": (None, 4, 4, 256),
        "unit_3_4": (None, 2, 2, 512),
    }.items():
        assert model.get_layer(name).output.shape == shape
    convs = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert len(convs) == 31
    assert not any(conv.use_bias for conv in convs)
    norms = [
        layer for layer in model.layers if isinstance(layer, layers.BatchNorm)
    ]
    assert {
        (n.momentum, n.epsilon, n.debias_mean, n.unbiased_variance)
        for n in norms
    } == {(0.9, 1e-3, True, False)}


def test_the_first_unit_activates_before_it_normalises():
    model = wide_preact_resnet.build(10, (8, 8, 3), 1, 1, 64, (128,))
    zero(model, "unit_1_0_conv1", "unit_1_0_conv2")
    bn = model.get_layer("unit_1_0_init_bn")
    for variable, shift in zip(bn.weights, (0.5, -0.3, 0.2, 1.5)):
        if variable.dtype == "float32":
            variable.assign(variable + shift)
    stem = outputs(model, "init_conv", images())
    leaky = np.where(stem > 0, stem, 0.1 * stem)
    gamma, beta, mean, variance = (
        v.numpy()
        for v in (bn.gamma, bn.beta, bn.moving_mean, bn.moving_variance)
    )
    expected = (leaky - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    result = outputs(model, "unit_1_0", images())
    np.testing.assert_allclose(result[..., 32:96], expected, atol=1e-5)
    np.testing.assert_array_equal(result[..., :32], 0)
    np.testing.assert_array_equal(result[..., 96:], 0)


def test_a_unit_without_its_second_convolution_is_the_identity(model):
    former = model.get_layer("unit_2_3_conv2").kernel.numpy()
    zero(model, "unit_2_3_conv2")
    np.testing.assert_array_equal(
        outputs(model, "unit_2_3", images()),
        outputs(model, "unit_2_2", images()),
    )
    model.get_layer("unit_2_3_conv2").kernel.assign(former)


def test_the_second_stage_shortcut_is_64_zeros_128_and_64_zeros(model):
    shortcut = model.get_layer("unit_2_0_short")
    result = shortcut(tf.fill([1, 8, 8, 128], 7.0)).numpy()
    assert result.shape == (1, 4, 4, 256)
    expected = np.repeat([0.0, 7.0, 0.0], [64, 128, 64])
    np.testing.assert_array_equal(result, np.tile(expected, [1, 4, 4, 1]))


def test_initial_weights(model):
    for name, width in {"unit_1_1_conv1": 128, "unit_3_2_conv2": 512}.items():
        kernel = model.get_layer(name).kernel.numpy()
        assert kernel.std() == pytest.approx((2 / 9 / width) ** 0.5, rel=0.01)
    dense = model.get_layer("logits")
    largest = np.abs(dense.kernel.numpy()).max()
    assert 0.0760 < largest <= 0.07655
    assert not dense.bias.numpy().any()


def test_forward_mode_is_the_transpose_of_reverse_mode():
    model = wide_preact_resnet.build(10, (8, 8, 3), 1, 1, 8, (16, 32))
    weights = [v.value + 0 for v in model.trainable_variables]
    state = [v.value + 0 for v in model.non_trainable_variables]
    tangents, cotangent = (
        [tf.random.stateless_normal(v.shape, [4, i]) for i, v in enumerate(vs)]
        for vs in (weights, [tf.zeros([2, 10])])
    )

    @tf.function
    def products():
        with (
            tf.GradientTape() as tape,
            tf.autodiff.ForwardAccumulator(weights, tangents) as accumulator,
        ):
            tape.watch(weights)
            logits, _ = model.stateless_call(
                weights, state, images(), training=True
            )
        gradients = tape.gradient(logits, weights, cotangent)
        forward = tf.reduce_sum(accumulator.jvp(logits) * cotangent[0])
        reverse = [tf.reduce_sum(g * t) for g, t in zip(gradients, tangents)]
        return forward, tf.add_n(reverse)

    forward, reverse = products()
    assert abs(float(forward)) > 0.1
    assert float(forward) == pytest.approx(float(reverse), rel=1e-4)
