import collections
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import layers

SHAPE = [6, 5, 4, 3]


def normal(shape, seed, dtype=tf.float32, mean=0.0, stddev=1.0):
    values = tf.random.stateless_normal(shape, [seed, 7], mean, stddev)
    return tf.cast(values, dtype)


def batch_norm(dtype=None, channels=3, **kwargs):
    layer = layers.BatchNorm(dtype=dtype, **kwargs)
    layer.build([None, None, None, channels])
    return layer


def one_channel(values, dtype="float32"):
    return tf.reshape(tf.constant(values, dtype), [-1, 1, 1, 1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mentor_statistics_are_tf1s(dtype):
    # Two values mean -+ sqrt(variance) have that mean and biased variance.
    layer = batch_norm(
        dtype, 1, debias_mean=True, unbiased_variance=False, epsilon=1e-3
    )
    means, variances = [], []
    for mean, variance in ((2, 4), (1, 2), (3, 3)):
        half = variance**0.5
        layer(one_channel([mean - half, mean + half], dtype), training=True)
        means.append(float(layer.moving_mean[0]))
        variances.append(float(layer.moving_variance[0]))
    np.testing.assert_allclose(means, [2, 1.473684, 2.036900], rtol=1e-5)
    np.testing.assert_allclose(variances, [1.3, 1.37, 1.533], rtol=1e-5)
    assert layer.updates.numpy() == 3


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "unbiased, variance", [(True, 16 / 15), (False, 1.025)]
)
def test_moving_variance_of_one_to_four(dtype, unbiased, variance):
    layer = batch_norm(dtype, 1, unbiased_variance=unbiased)
    layer(one_channel([1, 2, 3, 4], dtype), training=True)
    assert float(layer.moving_mean[0]) == pytest.approx(0.25)
    assert float(layer.moving_variance[0]) == pytest.approx(variance)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_single_value_has_no_variance(dtype, unbiased):
    layer = batch_norm(dtype, 1, unbiased_variance=unbiased)
    outputs = layer(one_channel([3], dtype), training=True)
    assert float(outputs[0, 0, 0, 0]) == 0
    assert float(layer.moving_variance[0]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    "policy, tolerance",
    [
        ("float64", 1e-12),
        ("float32", 1e-5),
        ("mixed_bfloat16", 2e-2),
        ("mixed_float16", 3e-3),
    ],
)
def test_outputs_are_normalised_by_the_batch_then_by_the_averages(
    policy, tolerance
):
    layer = batch_norm(policy, epsilon=1e-3)
    gamma, beta = [0.5, 1.0, 2.0], [0.1, 0.0, -0.3]
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    x = normal(SHAPE, 1, layer.compute_dtype, mean=3.0, stddev=2.0)
    exact = x.numpy().astype(np.float64)

    def expected(mean, variance):
        return (exact - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    outputs = layer(x, training=True)
    assert outputs.dtype == layer.compute_dtype
    mean, variance = exact.mean((0, 1, 2)), exact.var((0, 1, 2))
    np.testing.assert_allclose(
        tf.cast(outputs, tf.float64),
        expected(mean, variance),
        atol=5 * tolerance,
    )
    np.testing.assert_allclose(
        layer.moving_mean.value, 0.1 * mean, rtol=tolerance, atol=tolerance
    )
    unbiased = variance * 120 / 119
    np.testing.assert_allclose(
        layer.moving_variance.value, 0.9 + 0.1 * unbiased, rtol=tolerance
    )
    np.testing.assert_allclose(
        tf.cast(layer(x, training=False), tf.float64),
        expected(0.1 * mean, 0.9 + 0.1 * unbiased),
        atol=10 * tolerance,
    )
    assert layer.moving_mean.dtype == layer.variable_dtype


def jvp(layer, x, tangents):
    points = [x, layer.gamma.value, layer.beta.value]
    points = [tf.convert_to_tensor(point) for point in points]
    with tf.autodiff.ForwardAccumulator(points, tangents) as accumulator:
        outputs, _ = layer.stateless_call(
            points[1:],
            [v.value for v in layer.non_trainable_variables],
            points[0],
            training=True,
        )
    return outputs, accumulator.jvp(outputs)


def test_forward_mode_is_the_central_difference_and_the_same_when_fused():
    layer = batch_norm("float64", debias_mean=True)
    x = normal(SHAPE, 1, tf.float64, mean=1.0, stddev=2.0)
    tangents = [normal(SHAPE, 2, tf.float64), *normal([2, 3], 3, tf.float64)]
    before = [v.numpy() for v in layer.variables]
    _, exact = jvp(layer, x, tangents)
    for old, variable in zip(before, layer.variables):
        np.testing.assert_array_equal(old, variable.numpy())

    def outputs(step):
        return layer.stateless_call(
            [
                layer.gamma + step * tangents[1],
                layer.beta + step * tangents[2],
            ],
            [v.value for v in layer.non_trainable_variables],
            x + step * tangents[0],
            training=True,
        )[0]

    difference = (outputs(1e-5) - outputs(-1e-5)) / 2e-5
    np.testing.assert_allclose(exact, difference, atol=1e-8)

    fused = batch_norm(debias_mean=True)
    tangents = [tf.cast(tangent, tf.float32) for tangent in tangents]
    _, approximate = jvp(fused, tf.cast(x, tf.float32), tangents)
    np.testing.assert_allclose(approximate, exact, atol=2e-5)


def derivatives(policy, order):
    """Derivatives of sum(outputs * dy) for x, gamma, beta and dy.

    Those of a higher order are of the sum of the lower ones' products with
    random numbers.
    """
    layer = batch_norm(policy)
    layer.gamma.assign([0.5, 1.0, -2.0])
    exact = tf.bfloat16 if policy == "mixed_bfloat16" else tf.float32
    x, dy = normal(SHAPE, 1, exact, 1.0, 2.0), normal(SHAPE, 4, exact)
    x, dy = (tf.cast(t, layer.compute_dtype) for t in (x, dy))
    points = [x, layer.gamma.value + 0, layer.beta.value + 0, dy]
    moving = [v.value for v in layer.non_trainable_variables]

    def total(products):
        return tf.add_n(
            [tf.reduce_sum(tf.cast(p, tf.float64)) for p in products]
        )

    def gradients(order):
        with tf.GradientTape() as tape:
            tape.watch(points)
            if order == 1:
                outputs, _ = layer.stateless_call(
                    points[1:3], moving, x, training=True
                )
                value = total([outputs * dy])
            else:
                value = total(
                    g * normal(g.shape, 10 * order + k, g.dtype)
                    for k, g in enumerate(gradients(order - 1))
                )
        return tape.gradient(value, points, unconnected_gradients="zero")

    return [tf.cast(g, tf.float64).numpy() for g in gradients(order)]


@pytest.mark.parametrize(
    "policy, order, tolerance",
    [
        ("float32", 1, 1e-5),
        ("float32", 2, 1e-5),
        ("mixed_bfloat16", 2, 5e-2),
    ],
)
def test_derivatives_of_the_fused_form_are_exact(policy, order, tolerance):
    # Those of float64 are TensorFlow's, of single operations.
    expected = derivatives("float64", order)
    for ours, exact in zip(derivatives(policy, order), expected, strict=True):
        scale = max(np.abs(exact).max(), 1)
        np.testing.assert_allclose(ours, exact, atol=tolerance * scale)


def test_the_transposed_gradient_is_of_fused_kernels():
    layer = batch_norm()
    moving = [v.value for v in layer.non_trainable_variables]

    @tf.function
    def transposed(points, dy, tangents):
        with tf.GradientTape() as outer, tf.GradientTape() as inner:
            outer.watch(dy)
            inner.watch(points)
            outputs, _ = layer.stateless_call(
                points[1:], moving, points[0], training=True
            )
            gradients = inner.gradient(outputs, points, dy)
        return outer.gradient(gradients, dy, tangents)

    points = [normal(SHAPE, 1), layer.gamma.value + 0, layer.beta.value + 0]
    tangents = [normal(SHAPE, 2), *normal([2, 3], 5)]
    function = transposed.get_concrete_function(points, points[0], tangents)
    graph = tf.compat.v1.graph_util.extract_sub_graph(
        function.graph.as_graph_def(), [function.outputs[0].op.name]
    )
    ops = collections.Counter(node.op for node in graph.node)
    # Forward, and forward with the tangents of gamma and beta.
    assert ops["FusedBatchNormV3"] == 2
    assert ops["FusedBatchNormGradV3"] == 1
    assert not {"Mean", "Sum", "SquaredDifference", "Tile"} & set(ops)
    _, expected = jvp(layer, points[0], tangents)
    np.testing.assert_allclose(
        function(points, points[0], tangents), expected, atol=1e-5
    )


def test_a_stateless_call_returns_the_statistics_that_a_call_assigns():
    layer = batch_norm(debias_mean=True)
    x = normal(SHAPE, 1, mean=2.0)
    before = [v.numpy() for v in layer.non_trainable_variables]
    outputs, statistics = layer.stateless_call(
        [v.value for v in layer.trainable_variables],
        [v.value for v in layer.non_trainable_variables],
        x,
        training=True,
    )
    for old, variable in zip(before, layer.non_trainable_variables):
        np.testing.assert_array_equal(old, variable.numpy())
    np.testing.assert_array_equal(outputs, layer(x, training=True))
    for new, variable in zip(statistics, layer.non_trainable_variables):
        np.testing.assert_array_equal(new, variable.numpy())


@pytest.mark.parametrize("synchronized", [False, True])
def test_replicas_share_statistics(two_replicas, synchronized):
    x = normal([8, 3, 3, 3], 1, mean=30.0, stddev=2.0)
    halves = tf.split(x, 2)
    coefficients = normal(x.shape, 2)
    with two_replicas.scope():
        layer = batch_norm(synchronized=synchronized, debias_mean=True)

    @tf.function
    def step(half, weights):
        with tf.GradientTape() as tape:
            tape.watch(half)
            outputs = layer(half, training=True)
            loss = tf.reduce_sum(outputs * weights)
        return outputs, tape.gradient(loss, half)

    def value(context, whole):
        return tf.split(whole, 2)[context.replica_id_in_sync_group]

    results = two_replicas.run(
        step,
        [
            two_replicas.experimental_distribute_values_from_function(
                lambda context, whole=whole: value(context, whole)
            )
            for whole in (x, coefficients)
        ],
    )
    outputs, gradients = (
        tf.concat(two_replicas.experimental_local_results(result), 0)
        for result in results
    )

    # A layer on one device, over the whole batch or each half.
    alone = batch_norm("float64")
    parts = [x] if synchronized else halves
    weights = [coefficients] if synchronized else tf.split(coefficients, 2)
    with tf.GradientTape() as tape:
        parts = [tf.cast(part, tf.float64) for part in parts]
        tape.watch(parts)
        expected = [alone(part, training=True) for part in parts]
        loss = tf.add_n(
            [
                tf.reduce_sum(part * tf.cast(weight, tf.float64))
                for part, weight in zip(expected, weights)
            ]
        )
    np.testing.assert_allclose(outputs, tf.concat(expected, 0), atol=1e-4)
    np.testing.assert_allclose(
        gradients, tf.concat(tape.gradient(loss, parts), 0), atol=1e-4
    )

    moments = [np.moveaxis(part.numpy(), 3, 0).reshape(3, -1) for part in parts]
    mean = np.mean([part.mean(1) for part in moments], 0)
    variance = np.mean([part.var(1, ddof=1) for part in moments], 0)
    for copy in two_replicas.experimental_local_results(
        layer.moving_mean.value
    ):
        np.testing.assert_allclose(copy, mean, rtol=1e-5, atol=1e-5)
    for copy in two_replicas.experimental_local_results(
        layer.moving_variance.value
    ):
        np.testing.assert_allclose(
            copy, 0.9 + 0.1 * variance, rtol=1e-5, atol=1e-5
        )
    assert layer.updates.numpy() == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.BatchNorm(momentum=0.8, epsilon=0.1, debias_mean=True),
        lambda: layers.PoolAndPad(2, 8),
        lambda: layers.LocalResponseNorm(3, 0.1),
        lambda: layers.Dropout(0.3, 5),
    ],
)
def test_a_layer_is_rebuilt_from_its_config(make):
    layer = make()
    again = type(layer).from_config(layer.get_config())
    x = normal([2, 4, 4, 4], 1)
    for training in (True, False):
        np.testing.assert_array_equal(
            layer(x, training=training), again(x, training=training)
        )


def test_shortcut_of_a_constant_map():
    outputs = layers.PoolAndPad(2, 256)(tf.fill([1, 4, 4, 128], 3.0))
    assert outputs.shape == (1, 2, 2, 256)
    zeros = np.zeros([1, 2, 2, 64])
    np.testing.assert_array_equal(outputs[..., :64], zeros)
    np.testing.assert_array_equal(
        outputs[..., 64:192], np.full([1, 2, 2, 128], 3)
    )
    np.testing.assert_array_equal(outputs[..., 192:], zeros)


def test_shortcut_averages_windows_and_what_is_left_at_the_border():
    x = tf.reshape(tf.range(9.0), [1, 3, 3, 1])
    outputs = layers.PoolAndPad(2, 3)(x)
    np.testing.assert_array_equal(outputs[0, ..., 1], [[2, 3.5], [6.5, 8]])


def test_local_response_norm_is_tensorflows_and_has_a_forward_mode():
    x = normal([2, 3, 3, 20], 1, stddev=3.0)
    layer = layers.LocalResponseNorm(4, 0.1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        ours = layer(x)
        theirs = tf.nn.lrn(x, 4, 1.0, 0.1, 0.75)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        tape.gradient(ours, x), tape.gradient(theirs, x), atol=1e-5
    )
    tangent = normal(x.shape, 2)
    with tf.autodiff.ForwardAccumulator(x, tangent) as accumulator:
        outputs = layer(x)
    difference = (layer(x + 1e-2 * tangent) - layer(x - 1e-2 * tangent)) / 2e-2
    np.testing.assert_allclose(accumulator.jvp(outputs), difference, atol=1e-3)


def masks(layer, count, shape=(4, 50)):
    return [
        (layer(tf.ones(shape), training=True) > 0).numpy() for _ in range(count)
    ]


def test_dropout_keeps_the_expectation_and_rests_outside_training():
    layer = layers.Dropout(0.2, seed=3)
    x = tf.ones([400, 100])
    outputs = layer(x, training=True).numpy()
    assert set(np.unique(outputs)) == {np.float32(0), np.float32(1.25)}
    assert outputs.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(layer(x, training=False), x)
    assert layer.calls.numpy() == 1


def test_dropout_draws_depend_on_seed_and_pass():
    first, second = (masks(layers.Dropout(0.5, 3), 3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = masks(layers.Dropout(0.5, 4), 3)
    for one, two in itertools.combinations([*first, *other], 2):
        assert np.any(one != two)


def test_dropout_goes_on_after_a_checkpoint(tmp_path):
    def model():
        images = keras.Input([50])
        return keras.Model(images, layers.Dropout(0.5, 3, name="drop")(images))

    first, resumed = model(), model()
    masks(lambda x, training: first(x, training=training), 2)
    path = tf.train.Checkpoint(model=first).save(str(tmp_path / "ckpt"))
    expected = masks(first, 2)
    tf.train.Checkpoint(model=resumed).restore(path).assert_consumed()
    np.testing.assert_array_equal(masks(resumed, 2), expected)


def test_dropout_is_keyed_by_the_state_of_a_stateless_call():
    layer = layers.Dropout(0.5, 3)
    x = tf.ones([4, 50])
    expected = masks(layer, 3)
    for call in (0, 2):
        outputs, (calls,) = layer.stateless_call(
            [], [tf.constant(call, tf.int64)], x, training=True
        )
        np.testing.assert_array_equal(outputs > 0, expected[call])
        assert int(calls) == call + 1
    assert layer.calls.numpy() == 3


def test_replicas_drop_different_values(two_replicas):
    with two_replicas.scope():
        layer = layers.Dropout(0.5, 3)
        layer.build([None, 50])

    @tf.function
    def step():
        return two_replicas.run(lambda: layer(tf.ones([4, 50]), training=True))

    first, second = two_replicas.experimental_local_results(step())
    assert np.any(first != second)
    assert layer.calls.numpy() == 1
