import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import registry, weight_decay


def test_a_kernel_of_three_ones():
    kernel = tf.Variable(tf.ones([1, 1, 3, 1]))
    assert 0.0002 * float(weight_decay.l2([kernel])) == pytest.approx(0.0003)


def test_kernels_leave_out_normalisation_and_biases():
    model = registry.build("cifar_resnet20", 10, (8, 8, 1))
    kernels = weight_decay.kernels(model)
    assert len(kernels) == 20
    assert {v.name for v in kernels} == {"kernel"}
    others = [
        v
        for v in weight_decay.all_trainable(model)
        if all(v is not kernel for kernel in kernels)
    ]
    assert {v.name for v in others} == {"gamma", "beta", "bias"}
    before = float(weight_decay.l2(kernels))
    for variable in others:
        variable.assign(variable + 5)
    assert float(weight_decay.l2(kernels)) == before
    assert float(weight_decay.l2(weight_decay.all_trainable(model))) > before


def test_l2_is_float32_at_least_and_its_gradient_the_weight():
    weight = tf.Variable([300.0, 400.0])
    with tf.GradientTape() as tape:
        loss = weight_decay.l2([weight])
    assert float(loss) == 125000
    np.testing.assert_array_equal(tape.gradient(loss, weight), weight)
    half = weight_decay.l2([tf.cast(weight, tf.float16)])
    assert half.dtype == tf.float32
    assert float(half) == 125000
    assert weight_decay.l2([tf.ones([2], tf.float64)]).dtype == tf.float64
    assert float(weight_decay.l2([])) == 0
