import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.methods.look_ahead import derivatives
from tfnoisy.nets import layers, registry


def small_student(dtype="float64", seed=3):
    return registry.build("small_cnn", 4, (8, 8, 1), seed=seed, dtype=dtype)


def images_of(size=6, dtype=tf.float64, seed=5):
    return tf.random.stateless_normal([size, 8, 8, 1], [seed, 6], dtype=dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_transpose_agrees_with_tensorflows_forward_mode(dtype):
    # float32 goes through the fused batch normalisation, float64 does not.
    student = small_student(dtype)
    images = images_of(dtype=tf.as_dtype(dtype))
    variables = student.trainable_variables
    direction = [
        tf.random.stateless_normal(v.shape, [k, 9], dtype=tf.as_dtype(dtype))
        for k, v in enumerate(variables)
    ]

    def forward(weights):
        logits, _ = student.stateless_call(
            weights, student.non_trainable_variables, images, training=True
        )
        return logits

    weights = [tf.convert_to_tensor(v) for v in variables]
    with tf.autodiff.ForwardAccumulator(weights, direction) as accumulator:
        expected = accumulator.jvp(forward(weights))
    with tf.GradientTape(persistent=True) as tape:
        logits = forward(variables)
    u = tf.random.stateless_normal(logits.shape, [8, 8], dtype=logits.dtype)
    gradients, jvp = derivatives.vjp_and_jvp(tape, [logits], [u], variables)
    tolerance = 1e-10 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(
        jvp(direction)[0], expected, rtol=tolerance, atol=tolerance
    )
    inner = sum(
        float(tf.reduce_sum(g * d)) for g, d in zip(gradients, direction)
    )
    assert inner == pytest.approx(
        float(tf.reduce_sum(u * expected)), rel=10 * tolerance
    )


def test_images_one_by_one_would_be_wrong():
    # Batch normalisation couples the examples.
    student = small_student()
    variables = student.trainable_variables
    direction = [tf.ones(v.shape, tf.float64) for v in variables]

    def tangents(images):
        with tf.GradientTape(persistent=True) as tape:
            logits, _ = student.stateless_call(
                variables,
                student.non_trainable_variables,
                images,
                training=True,
            )
        u = tf.zeros_like(logits)
        _, jvp = derivatives.vjp_and_jvp(tape, [logits], [u], variables)
        return jvp(direction)[0].numpy()

    images = images_of()
    together = tangents(images)
    alone = np.concatenate([tangents(images[k : k + 1]) for k in range(6)])
    assert np.abs(together - alone).max() > 0.1 * np.abs(together).max()


def test_a_variable_without_part_in_the_outputs():
    # Keras's variables have no zero gradient of their own.
    used, unused = keras.Variable(2.0), keras.Variable([1.0, 1.0])
    with tf.GradientTape(persistent=True) as tape:
        output = used**3
    gradients, jvp = derivatives.vjp_and_jvp(
        tape, [output], [tf.constant(1.0)], [used, unused]
    )
    assert float(gradients[0]) == 12.0
    np.testing.assert_array_equal(gradients[1], [0.0, 0.0])
    assert float(jvp([tf.constant(0.5), tf.ones([2])])[0]) == 6.0


def test_dropout_and_batch_norm_are_those_of_the_recorded_pass():
    inputs = keras.Input((8, 8, 1))
    x = layers.BatchNorm()(keras.layers.Conv2D(3, 3)(inputs))
    x = layers.Dropout(0.5, seed=1)(keras.layers.Flatten()(x))
    student = keras.Model(inputs, keras.layers.Dense(4)(x))
    images = images_of(5, tf.float32)
    kernel = student.trainable_variables[-2]
    direction = [tf.zeros_like(v) for v in student.trainable_variables]
    direction[-2] = tf.convert_to_tensor(kernel)
    with tf.GradientTape(persistent=True) as tape:
        logits = student(images, training=True)
    _, jvp = derivatives.vjp_and_jvp(
        tape, [logits], [tf.zeros_like(logits)], student.trainable_variables
    )
    # Linear in the last kernel: its tangent along itself is the output,
    # the bias being zero, only if the same units were dropped.
    np.testing.assert_allclose(jvp(direction)[0], logits, atol=1e-5)


def test_a_value_waits_for_tensors():
    """In a graph: eagerly all is computed in order anyway."""

    @tf.function
    def step(x):
        first = tf.identity(x, "first")
        return derivatives.after([first], tf.identity(x, "second"))

    graph = step.get_concrete_function(tf.TensorSpec([])).graph
    waiting = [
        op.name
        for op in graph.get_operations()
        if any(c.name == "first" for c in op.control_inputs)
    ]
    assert len(waiting) >= 1
    assert float(step(tf.constant(3.0))) == 3.0
