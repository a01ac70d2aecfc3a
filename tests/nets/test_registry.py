import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.nets import registry, weight_decay

# name: (parameters for C = 10, for C = 100, trainable tensors, statistics)
COUNTS = {
    "resnet32": (29442378, 29488548, 95, 18048),
    "resnet101": (84627034, 84684724, 167, 40352),
    "inception": (1756426, 1773796, 10, 0),
    "preact_resnet18": (11171274, 11217444, 56, 6912),
    "wrn-28-10": (36220634, 36278324, 77, 17952),
    "resnet29": (840730, 863860, 89, 5216),
    "cifar_resnet20": (269722, 275572, 59, 1376),
    "cifar_resnet32": (464154, 470004, 95, 2272),
    "cifar_resnet56": (853018, 858868, 167, 4064),
    "resnet9": (1972490, 1995620, 20, 2304),
    "resnet9_mirror": (1972490, 1995620, 20, 2304),
    "resnet9_half": (497802, 509412, 20, 1152),
    "resnet9_half_mirror": (497802, 509412, 20, 1152),
}
# Those of large images have tests of their own.
LARGE = [
    "efficientnet_lite0",
    "frozen_efficientnet_lite0",
    "resnet50",
    "keras_resnet50",
    "keras_inception_resnet_v2",
]
SMALL = ["cifar_resnet20", "inception", "resnet29", "small_cnn", "wrn-10-2"]


def images(count=4, shape=(8, 8, 1)):
    return tf.random.stateless_uniform([count, *shape], [1, 2], -1, 1)


def spread(model, seed):
    """Moves the weights from their start, where BN's beta is 0."""
    for index, variable in enumerate(model.trainable_variables):
        noise = tf.random.stateless_normal(
            variable.shape, [seed, index], dtype=variable.dtype
        )
        variable.assign_add(0.05 * noise)


def without_values(name, num_classes):
    """Builds a network for CIFAR whose variables have shapes alone.

    Drawing 85 million weights would take seconds.
    """
    with keras.StatelessScope(initialize_variables=False):
        return registry.build(name, num_classes, (32, 32, 3))


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_the_published_networks(name):
    for_10, for_100, tensors, statistics = COUNTS[name]
    model = without_values(name, 10)
    assert registry.parameter_count(model) == for_10
    assert len(model.trainable_variables) == tensors
    assert statistics == sum(
        v.shape.num_elements() for v in registry.moving_statistics(model)
    )
    kernels = weight_decay.kernels(model)
    if name == "resnet32":
        assert sum(v.shape.num_elements() for v in kernels) == 29424320
    if name == "wrn-28-10":
        ones = [tf.ones(v.shape) for v in weight_decay.all_trainable(model)]
        assert 5e-4 * float(weight_decay.l2(ones)) == pytest.approx(9055.16)
    features = model.get_layer("logits").kernel.shape[0]
    assert for_10 + 90 * (features + 1) == for_100


def test_100_classes():
    model = without_values("preact_resnet18", 100)
    assert registry.parameter_count(model) == 11217444
    assert model.output.shape == (None, 100)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (10, 13, 3)])
@pytest.mark.parametrize("name", [*SMALL, "preact_resnet18"])
def test_other_images(name, shape):
    model = registry.build(name, 7, shape)
    assert model.name == name
    assert model.inputs[0].shape == (None, *shape)
    assert model(images(2, shape), training=False).shape == (2, 7)
    assert registry.features(model)(images(2, shape)).shape[0] == 2


@pytest.mark.parametrize("name", SMALL)
def test_seed_settles_the_weights(name):
    def weights(seed):
        model = registry.build(name, 10, (8, 8, 3), seed)
        return [v.numpy() for v in model.trainable_variables]

    first = weights(5)
    keras.layers.Dense(3)  # Moves Keras's automatic names and seeds.
    keras.utils.set_random_seed(1)
    for one, same, other in zip(first, weights(5), weights(6)):
        np.testing.assert_array_equal(one, same)
        if one.ndim > 1:
            assert np.mean(one == other) < 0.01
    kernels = [weight for weight in first if weight.ndim > 1]
    starts = {weight.ravel()[:4].tobytes() for weight in kernels}
    assert len(starts) == len(kernels)


def test_names_can_all_be_built_and_wide_ones_be_spelt_two_ways():
    assert registry.names() == sorted([*COUNTS, *LARGE, "small_cnn"])
    one = registry.build("wrn-10-1", 10, (8, 8, 3))
    two = registry.build("wrn10-1", 10, (8, 8, 3))
    assert registry.parameter_count(one) == registry.parameter_count(two)


@pytest.mark.parametrize(
    "name, near",
    [
        ("resnet_32", "resnet32"),
        ("preact_resnet", "preact_resnet18"),
        ("qqq", "wrn-D-K"),
    ],
)
def test_an_unknown_name_names_the_nearest(name, near):
    with pytest.raises(errors.UserError, match=near) as caught:
        registry.build(name, 10, (32, 32, 3))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["wrn-28-0", "wrn-27-10", "wrn-4-2"])
def test_a_wide_network_that_cannot_be(name):
    with pytest.raises(errors.UserError, match="6n"):
        registry.build(name, 10, (32, 32, 3))


@pytest.mark.parametrize(
    "name, shape, message",
    [
        ("preact_resnet18", (7, 8, 1), "7x8 pixels.*at least 8"),
        ("inception", (3, 8, 1), "3x8 pixels.*at least 4"),
        ("wrn-10-1", (2, 2, 1), "at least 4"),
        ("resnet50", (40, 31, 3), "at least 32"),
        ("keras_resnet50", (31, 40, 3), "at least 32"),
        ("keras_inception_resnet_v2", (74, 90, 3), "at least 75"),
        ("small_cnn", (8, 8), "height, width"),
        ("small_cnn", (8, 8, 0), "height, width"),
    ],
)
def test_images_that_do_not_fit(name, shape, message):
    with pytest.raises(errors.UserError, match=message):
        registry.build(name, 10, shape)


def test_one_class_is_refused():
    with pytest.raises(errors.UserError, match="at least 2"):
        registry.build("small_cnn", 1, (8, 8, 1))


@pytest.mark.parametrize("name", [*SMALL, "preact_resnet18"])
def test_mixed_precision_ends_in_float32(name):
    model = registry.build(name, 10, (8, 8, 1), dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.layers[1].compute_dtype == "bfloat16"
    exact = registry.build(name, 10, (8, 8, 1))
    with tf.GradientTape() as tape:
        logits = model(images(), training=True)
        loss = tf.reduce_mean(logits[:, 0])
    assert logits.dtype == tf.float32
    if name != "inception":  # whose dropout is under training, too
        scale = np.abs(exact(images(), training=True)).max()
        error = np.abs(logits - exact(images(), training=True)).max()
        assert error < 0.1 * scale
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert np.isfinite(gradient).all()


def test_a_failed_build_leaves_the_policy_alone():
    with pytest.raises(ValueError):
        registry.build("small_cnn", 10, (8, 8, 1), seed="x", dtype="float64")
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("name", ["small_cnn", "inception", "wrn-10-2"])
def test_forward_mode_in_float64_is_the_central_difference(name):
    model = registry.build(name, 10, (8, 8, 1), 1, dtype="float64")
    assert model.output.dtype == "float64"
    spread(model, 3)
    x = tf.cast(images(), tf.float64)
    weights = [v.value + 0 for v in model.trainable_variables]
    state = [v.value + 0 for v in model.non_trainable_variables]
    tangents = [
        tf.random.stateless_normal(v.shape, [4, i], dtype=tf.float64)
        for i, v in enumerate(weights)
    ]

    @tf.function
    def logits(step):
        moved = [w + step * t for w, t in zip(weights, tangents)]
        return model.stateless_call(moved, state, x, training=True)[0]

    @tf.function
    def jvp():
        with tf.autodiff.ForwardAccumulator(weights, tangents) as accumulator:
            outputs, _ = model.stateless_call(weights, state, x, training=True)
        return outputs, accumulator.jvp(outputs)

    outputs, exact = jvp()
    step = tf.constant(1e-8, tf.float64)
    difference = (logits(step) - logits(-step)) / (2 * step)
    np.testing.assert_allclose(
        exact, difference, atol=1e-5 * np.abs(exact).max()
    )
    for old, variable in zip(state, model.non_trainable_variables):
        np.testing.assert_array_equal(old, variable.numpy())
    np.testing.assert_allclose(outputs, model(x, training=True), atol=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_a_checkpoint_holds_all_that_a_network_is(name, tmp_path):
    saved, restored = (
        registry.build(name, 10, (8, 8, 1), seed) for seed in (1, 1)
    )
    spread(saved, 3)
    saved(images(), training=True)
    path = tf.train.Checkpoint(model=saved).save(str(tmp_path / "ckpt"))
    tf.train.Checkpoint(model=restored).restore(path).assert_consumed()
    for one, two in zip(saved.variables, restored.variables):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    np.testing.assert_array_equal(
        saved(images(), training=True), restored(images(), training=True)
    )


def test_features_are_what_the_last_layer_sees():
    for name in SMALL:
        model = registry.build(name, 10, (8, 8, 1))
        features = registry.features(model)(images(), training=False)
        np.testing.assert_allclose(
            model.get_layer("logits")(features),
            model(images(), training=False),
            atol=1e-6,
        )


def test_a_mentor_resnet_keeps_its_count_of_passes_apart():
    model = registry.build("resnet32", 10, (4, 4, 1))
    model(images(2, (4, 4, 1)), training=True)
    counters = [v for v in model.non_trainable_variables if v.name == "updates"]
    assert [int(v.value) for v in counters] == [1] * 31
    statistics = registry.moving_statistics(model)
    assert len(statistics) + 31 == len(model.non_trainable_variables)
    assert {v.name for v in statistics} == {"moving_mean", "moving_variance"}


def test_training_under_two_replicas(two_replicas):
    with two_replicas.scope():
        model = registry.build("wrn-10-1", 10, (8, 8, 1))

    @tf.function
    def step():
        def replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            x = images() + tf.cast(index, tf.float32)
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(model(x, training=True)[:, 0])
            tape.gradient(loss, model.trainable_variables)
            return loss

        return two_replicas.run(replica)

    step()
    for variable in registry.moving_statistics(model):
        one, two = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(one, two)
    stem = model.get_layer("block_1_0_bn1").moving_mean.numpy()
    batches = tf.concat([images(), images() + 1], 0)
    alone = registry.build("wrn-10-1", 10, (8, 8, 1))
    alone(batches, training=True)
    np.testing.assert_allclose(
        stem, alone.get_layer("block_1_0_bn1").moving_mean.numpy(), atol=1e-6
    )
