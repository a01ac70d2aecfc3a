import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.methods import base
from tfnoisy.training import loss_scale, optimizer


def variable(value):
    return keras.Variable(np.asarray(value, np.float32))


def made(weights, **kwargs):
    scaled = loss_scale.LossScaledMomentum(0.1, 0.9, **kwargs)
    scaled.build(weights)
    return scaled


def apply(scaled, weights, gradients):
    """One step from the gradients of a loss that is not scaled."""
    scaled.apply(
        [scaled.scale_loss(tf.constant(g, tf.float32)) for g in gradients],
        weights,
    )


def test_what_is_finite_is_plain_momentum_bit_for_bit():
    draws = np.random.default_rng(0).normal(size=[5, 4]).astype(np.float32)
    scaled_weight, weight = variable(np.ones(4)), variable(np.ones(4))
    scaled, plain = made([scaled_weight]), optimizer.TF1Momentum(0.1, 0.9)
    for gradient in draws:
        apply(scaled, [scaled_weight], [gradient])
        plain.apply([tf.constant(gradient)], [weight])
    np.testing.assert_array_equal(scaled_weight, weight)
    np.testing.assert_array_equal(scaled.accumulators[0], plain.accumulators[0])
    assert float(scaled.loss_scale) == 2.0**15
    assert int(scaled.skipped_steps) == 0


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_no_number_leaves_the_step_out(bad):
    weights = [variable([1.0, 2.0]), variable(3.0)]
    scaled = made(weights)
    apply(scaled, weights, [[0.5, 1.0], 2.0])
    variables = [*weights, *scaled.accumulators]
    before = [v.numpy() for v in variables]
    # In one of the two variables: neither moves.
    apply(scaled, weights, [[0.5, bad], 2.0])
    for v, value in zip(variables, before):
        np.testing.assert_array_equal(v, value)
    assert float(scaled.loss_scale) == 2.0**14
    assert int(scaled.skipped_steps) == 1
    # Yet it counts: the next one is another batch.
    assert int(scaled.iterations) == 2
    apply(scaled, weights, [[0.5, 1.0], 2.0])
    assert float(weights[1].numpy()) != before[1]


def test_the_scale_grows_with_patience_to_a_limit():
    weight = variable(1.0)
    scaled = made([weight], initial_scale=2.0**22, patience=3)
    scales = []
    for gradient in [1, 1, np.inf, 1, 1, 1, 1, 1, 1, 1, 1, 1]:
        apply(scaled, [weight], [gradient])
        scales.append(np.log2(scaled.loss_scale.numpy()))
    assert scales == [22, 22, 21, 21, 21, 22, 22, 22, 23, 23, 23, 24]
    for _ in range(3):
        apply(scaled, [weight], [1])
    assert float(scaled.loss_scale) == 2.0**24


def test_at_a_scale_of_one_a_bad_gradient_is_not_hidden():
    weight = variable(1.0)
    scaled = made([weight], initial_scale=2.0)
    apply(scaled, [weight], [np.nan])
    assert float(weight.numpy()) == 1.0 and float(scaled.loss_scale) == 1.0
    apply(scaled, [weight], [np.nan])
    assert np.isnan(weight.numpy())
    assert int(scaled.skipped_steps) == 1


def through_float16(optimiser):
    """One step of a loss of which the gradient is lost in float16."""
    inputs = keras.Input((1,))
    student = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    student.set_weights([np.ones((1, 1))])
    method = base.Method(student)
    method.compile(optimiser)
    [weight] = student.trainable_variables
    with tf.GradientTape() as tape:
        half = tf.cast(weight * 1.0, tf.float16)
        loss = 1e-9 * tf.reduce_sum(tf.cast(half, tf.float32))
    method.minimize(loss, tape)
    return float(method.optimizer.accumulator(weight).numpy()[0, 0])


def test_a_method_scales_its_loss_and_float16_keeps_the_gradient():
    assert through_float16(optimizer.TF1Momentum(0.1)) == 0.0
    kept = through_float16(loss_scale.LossScaledMomentum(0.1))
    assert kept == pytest.approx(1e-9, rel=1e-3)


def test_replicas_decide_together(two_replicas):
    with two_replicas.scope():
        weight = variable(1.0)
        scaled = made([weight])

    @tf.function
    def step(bad):
        def replica_step():
            replica = tf.distribute.get_replica_context()
            second = replica.replica_id_in_sync_group == 1
            gradient = tf.where(second, bad, 1.0)
            scaled.apply([scaled.scale_loss(gradient)], [weight])

        two_replicas.run(replica_step)

    def copies(v):
        return [
            float(copy)
            for copy in two_replicas.experimental_local_results(v.value)
        ]

    step(tf.constant(np.inf, tf.float32))
    assert copies(weight) == [1.0, 1.0]
    assert copies(scaled.loss_scale) == [2.0**14] * 2
    # 1 + 3, summed: 0.1 of it.
    step(tf.constant(3.0))
    np.testing.assert_allclose(copies(weight), [0.6, 0.6], atol=1e-6)
    assert copies(scaled.skipped_steps) == [1, 1]
    assert copies(scaled.steps_in_a_row) == [1, 1]


def test_its_configuration_makes_it_again():
    scaled = loss_scale.LossScaledMomentum(
        0.3, 0.8, initial_scale=4.0, patience=7
    )
    config = keras.optimizers.serialize(scaled)
    again = keras.optimizers.deserialize(copy.deepcopy(config))
    assert isinstance(again, loss_scale.LossScaledMomentum)
    assert keras.optimizers.serialize(again) == config
