"""The oracle: logits of the authors' PyTorch network (DivideMix,
PreResNet.py).

Every tensor holds a sine over its elements in PyTorch's order.
"""

import keras
import numpy as np
import pytest

from tfnoisy.nets import preact_resnet, registry

ROW_0 = [
    2.50449, -2.32273, 2.40581, -2.43027, 2.20667,
    -2.26390, 2.22088, -1.96183, 1.99451, -1.88786,
]  # fmt: skip
ROW_1 = [
    2.45829, -2.27666, 2.36016, -2.38533, 2.16274,
    -2.22124, 2.17977, -1.92253, 1.95726, -1.85291,
]  # fmt: skip
STAGE_MEANS = [0.304048, 0.671421, 0.710848, 0.976228]


def with_sine_weights(num_classes):
    model = preact_resnet.preact_resnet18(num_classes, (32, 32, 3), 0)
    for variable in model.trainable_variables:
        shape = variable.shape
        sine = np.sin(np.arange(np.prod(shape)) + 1)
        if variable.name == "kernel":
            fan_in = np.prod(shape[:-1])
            # PyTorch's axes are (out, in, height, width) and (out, in).
            torch_shape = (shape[-1], shape[-2], *shape[:-2])
            value = (2**0.5 * sine / fan_in**0.5).reshape(torch_shape)
            value = np.moveaxis(value, (0, 1), (-1, -2))
        elif variable.name == "gamma":
            value = 1 + 0.1 * sine
        else:
            value = 0.1 * sine
        variable.assign(value)
    return model


@pytest.fixture(scope="module")
def images():
    values = np.cos(0.01 * np.arange(2 * 3 * 32 * 32)).reshape(2, 3, 32, 32)
    return np.moveaxis(values, 1, 3)


@pytest.fixture(scope="module")
def model():
    return with_sine_weights(10)


def test_logits_and_maps_are_those_of_the_authors_network(model, images):
    np.testing.assert_allclose(
        model(images, training=False), [ROW_0, ROW_1], atol=1e-5
    )
    stem = model.get_layer("layer1_0_bn1").input
    ends = [model.get_layer(f"layer{stage}_1").output for stage in range(1, 5)]
    means = [
        float(np.mean(value))
        for value in keras.Model(model.input, [stem, *ends])(
            images, training=False
        )
    ]
    np.testing.assert_allclose(means, [0.249867, *STAGE_MEANS], atol=2e-6)


@pytest.mark.parametrize(
    "policy, tolerance", [("float64", 1e-6), ("float32", 4e-5)]
)
def test_one_training_pass_and_its_running_statistics(
    policy, tolerance, images
):
    former = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = with_sine_weights(10)
    finally:
        keras.config.set_dtype_policy(former)
    np.testing.assert_allclose(
        model(images, training=True)[0, :3],
        [1.554458, -1.377544, 1.471447],
        atol=tolerance,
    )
    np.testing.assert_allclose(
        model(images, training=False)[0, :3],
        [2.151788, -1.971066, 2.057404],
        atol=tolerance,
    )


def test_100_classes_begin_with_the_same_logits(images):
    model = with_sine_weights(100)
    np.testing.assert_allclose(
        model(images, training=False)[:, :5], [ROW_0[:5], ROW_1[:5]], atol=1e-5
    )


def test_parameters_of_each_part(model):
    def count(*prefixes):
        return sum(
            v.shape.num_elements()
            for v in model.trainable_variables
            if v.path.startswith(prefixes)
        )

    assert count("conv1/") == 1728
    assert count("bn1/") == 128
    assert [count(f"layer{stage}_") for stage in range(1, 5)] == [
        147968, 525184, 2098944, 8392192,
    ]  # fmt: skip
    assert count("logits/") == 5130
    convs = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    sizes = [conv.kernel_size for conv in convs]
    assert (sizes.count((3, 3)), sizes.count((1, 1))) == (17, 3)


def test_initial_weights_are_pytorchs():
    model = registry.build("preact_resnet18", 10, (8, 8, 3), 1)
    for variable in model.trainable_variables:
        value = variable.numpy()
        if variable.name == "gamma":
            np.testing.assert_array_equal(value, 1)
        elif variable.name == "beta":
            np.testing.assert_array_equal(value, 0)
        else:
            fan_in = 512
            if variable.name == "kernel":
                fan_in = np.prod(value.shape[:-1])
            bound = fan_in**-0.5
            assert 0.6 < np.abs(value).max() / bound < 1 + 1e-6
            assert np.unique(value).size > 1
    norm = model.get_layer("layer3_1_bn2")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
    assert norm.unbiased_variance
