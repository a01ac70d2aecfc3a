import copy

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.training import optimizer


def variable(value):
    return keras.Variable(np.asarray(value, np.float32))


def follow(optimiser, gradients, start=0.0):
    """The weights of one scalar after each of these gradients."""
    weight = variable(start)
    weights = []
    for gradient in gradients:
        if callable(gradient):
            gradient = gradient(weight.value)
        optimiser.apply([tf.constant(gradient, tf.float32)], [weight])
        weights.append(float(weight.numpy()))
    return weights, float(optimiser.variables[-1].numpy())


@pytest.mark.parametrize(
    "steps, buffer", [(1, 2.0), (2, 3.8), (3, 5.42)], ids=str
)
def test_oracle_of_ieg(steps, buffer):
    # TF1's momentum: m <- 0.9 m + g, w <- w - lr m.
    weights, accumulator = follow(
        optimizer.TF1Momentum(0.1, momentum=0.9), [2.0] * steps, 1.0
    )
    np.testing.assert_allclose(weights, [0.8, 0.42, -0.122][:steps], atol=1e-6)
    assert accumulator == pytest.approx(buffer, rel=1e-5)


def test_oracle_of_dividemix():
    # PyTorch's SGD on w^2/2, weight decay in the gradient.
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([2], [0.02, 0.002])
    weights, accumulator = follow(
        optimizer.TF1Momentum(rate, momentum=0.9),
        [lambda w: w + 5e-4 * w] * 4,
        1.0,
    )
    np.testing.assert_allclose(
        weights, [0.979990, 0.942371, 0.889658, 0.883133], atol=1e-6
    )
    assert accumulator == pytest.approx(3.262214, abs=1e-5)


def test_it_is_kerass_sgd_at_a_constant_rate():
    gradients = np.random.default_rng(0).normal(size=20)
    ours, _ = follow(optimizer.TF1Momentum(0.1, momentum=0.9), gradients, 1.0)
    keras_sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    theirs, _ = follow(keras_sgd, gradients, 1.0)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_it_parts_from_kerass_sgd_where_the_rate_drops():
    # Two gradients of 1, at rates 0.1 and 0.01: -0.1 - 0.01 * 1.9 against
    # -0.1 + (0.9 * -0.1 - 0.01).
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.1, 0.01])
    ours, _ = follow(optimizer.TF1Momentum(rate, momentum=0.9), [1.0, 1.0])
    theirs, _ = follow(keras.optimizers.SGD(rate, momentum=0.9), [1.0, 1.0])
    assert ours == pytest.approx([-0.1, -0.119], rel=1e-5)
    assert theirs == pytest.approx([-0.1, -0.2], rel=1e-5)


def test_the_rate_can_be_set_between_steps():
    # What DivideMix's outer loop does.
    sgd = optimizer.TF1Momentum(0.1, momentum=0.9)
    weight = variable(0.0)
    sgd.apply([tf.constant(1.0)], [weight])
    sgd.learning_rate = 0.01
    sgd.apply([tf.constant(1.0)], [weight])
    assert float(weight.numpy()) == pytest.approx(-0.119)


def test_without_momentum_it_is_gradient_descent():
    weights, _ = follow(optimizer.TF1Momentum(0.5, momentum=0.0), [1.0, -3.0])
    assert weights == pytest.approx([-0.5, 1.0])


def test_the_schedule_is_read_before_the_step_is_counted():
    rate = keras.optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
    weights, _ = follow(optimizer.TF1Momentum(rate, momentum=0.0), [1.0] * 3)
    assert weights == pytest.approx([-1.0, -1.5, -1.75])


def test_sparse_gradients_are_their_dense_form():
    # Of an embedding, such as MentorNet's.
    table = variable(np.ones((4, 2)))
    dense_table = variable(np.ones((4, 2)))
    sparse = optimizer.TF1Momentum(0.1, momentum=0.9)
    dense = optimizer.TF1Momentum(0.1, momentum=0.9)
    for rows in ([1, 1, 3], [0, 3, 3]):
        slices = tf.IndexedSlices(
            tf.constant([[1.0, 2.0]] * 3), tf.constant(rows), [4, 2]
        )
        sparse.apply([slices], [table])
        dense.apply([tf.convert_to_tensor(slices)], [dense_table])
    np.testing.assert_allclose(table.numpy(), dense_table.numpy(), atol=1e-6)
    # Row 1 got a gradient once, and moved twice.
    np.testing.assert_allclose(table.numpy()[1], [0.62, 0.24], atol=1e-6)


def test_each_variable_has_an_accumulator_of_its_own():
    weights = [variable(np.zeros(3)), variable(np.zeros((2, 2)))]
    sgd = optimizer.TF1Momentum(0.1)
    sgd.build(weights)
    names = [v.path for v in sgd.variables]
    sgd.build(weights)
    assert [v.path for v in sgd.variables] == names
    assert len(set(names)) == len(names)
    for weight in weights:
        assert sgd.accumulator(weight).shape == weight.shape
        assert not np.any(sgd.accumulator(weight).numpy())
    # The order of the gradients' variables does not mix them up.
    gradients = [tf.ones([2, 2]), tf.fill([3], 2.0)]
    sgd.apply(gradients, weights[::-1])
    np.testing.assert_array_equal(
        sgd.accumulator(weights[0]).numpy(), [2.0] * 3
    )
    np.testing.assert_array_equal(sgd.accumulator(weights[1]).numpy(), 1.0)


def test_its_configuration_makes_it_again():
    rate = keras.optimizers.schedules.ExponentialDecay(0.3, 7, 0.5)
    sgd = optimizer.TF1Momentum(rate, momentum=0.8, clipnorm=2.0, name="own")
    config = keras.optimizers.serialize(sgd)
    # Keras writes into what it is given.
    again = keras.optimizers.deserialize(copy.deepcopy(config))
    assert isinstance(again, optimizer.TF1Momentum)
    assert again.momentum == 0.8
    assert again.name == "own" and again.clipnorm == 2.0
    assert keras.optimizers.serialize(again) == config
    gradients = [1.0, 0.5, -4.0, 1.0]
    assert follow(sgd, gradients) == follow(again, gradients)


def test_a_saved_keras_model_goes_on_as_if_it_had_not_stopped(tmp_path):
    def fit(model, epochs):
        x = np.linspace(-1, 1, 16, dtype=np.float32)[:, None]
        model.fit(
            x, 3 * x, 8, epochs, shuffle=False, verbose=0, initial_epoch=0
        )
        return model.get_weights()

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer.TF1Momentum(0.05), loss="mse")
    fit(model, 1)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for weight, other in zip(fit(model, 2), fit(again, 2)):
        np.testing.assert_array_equal(weight, other)
    assert int(again.optimizer.iterations) == 6


def test_replicas_sum_their_gradients(two_replicas):
    with two_replicas.scope():
        weight = variable(1.0)
        sgd = optimizer.TF1Momentum(0.1, momentum=0.9)
        sgd.build([weight])

    @tf.function
    def step():
        def replica_step():
            replica = tf.distribute.get_replica_context()
            # 0.5 on the first replica, 1.5 on the second: 2 in all.
            first = tf.cast(replica.replica_id_in_sync_group, tf.float32)
            sgd.apply([0.5 + first], [weight])

        two_replicas.run(replica_step)

    weights = []
    for _ in range(3):
        step()
        weights.append(float(weight.numpy()))
    # TF1's momentum again.
    np.testing.assert_allclose(weights, [0.8, 0.42, -0.122], atol=1e-6)
    assert sgd.iterations.numpy() == 3
    for value, expected in ((weight, -0.122), (sgd.accumulators[0], 5.42)):
        copies = two_replicas.experimental_local_results(value.value)
        assert len(copies) == 2
        np.testing.assert_allclose(copies, [expected] * 2, atol=1e-6)
