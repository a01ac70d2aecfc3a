import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods.look_ahead import derivatives, ieg, l2r, look_ahead
from tfnoisy.nets import registry, weight_decay
from tfnoisy.training import optimizer


def small_student(dtype="float64", seed=3):
    return registry.build("small_cnn", 4, (8, 8, 1), seed=seed, dtype=dtype)


def images_of(size=6, dtype=tf.float64, seed=5):
    return tf.random.stateless_normal([size, 8, 8, 1], [seed, 6], dtype=dtype)


@pytest.mark.parametrize(
    "m, ahead, v, gradient, weights",
    [
        (0.0, 0.0, -1.0, [-0.1, 0.1], [0.99990001, 0.0]),
        (1.0, -0.09, -1.09, [-0.109, 0.109], [0.99990827, 0.0]),
    ],
)
def test_a_quadratic_by_hand(m, ahead, v, gradient, weights):
    # c_i = (theta - a_i)^2 / 2 at theta = 0, of the probe (theta - 1)^2 / 2.
    theta = tf.Variable(0.0, dtype=tf.float64)
    targets = tf.constant([1.0, -1.0], tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        losses = (theta - targets) ** 2 / 2
    gradients, jvp = derivatives.vjp_and_jvp(
        tape, [losses], [tf.constant([0.5, 0.5], tf.float64)], [theta]
    )
    (there,) = look_ahead.look_ahead(
        [theta], gradients, [tf.constant(m, tf.float64)], 0.1, 0.9
    )
    assert float(there) == pytest.approx(ahead)
    direction = there - 1.0
    assert float(direction) == pytest.approx(v)
    meta = -0.1 * jvp([direction])[0]
    np.testing.assert_allclose(meta, gradient, rtol=1e-12)
    np.testing.assert_allclose(
        look_ahead.example_weights(meta), weights, atol=1e-8
    )


def test_weights_are_zero_where_nothing_helps():
    weights = look_ahead.example_weights(tf.constant([0.0, 2.0, 0.1]))
    np.testing.assert_array_equal(weights, [0.0, 0.0, 0.0])
    weights = look_ahead.example_weights(tf.constant([-3e-5, 1.0, -1e-5]))
    np.testing.assert_allclose(weights, [0.6, 0.0, 0.2], rtol=1e-5)


def test_no_gradient_flows_into_the_weights():
    meta = tf.constant([-1.0, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(meta)
        weights = look_ahead.example_weights(meta)
    assert tape.gradient(weights, meta) is None


def test_weight_decay_enters_the_look_ahead_alone_where_it_applies():
    student = small_student("float32")
    kernel = weight_decay.kernels(student)[0]
    method = l2r.L2R(student, weight_decay=0.5, decayed=[kernel])
    method.compile(optimizer.TF1Momentum(0.1))
    variables = student.trainable_variables
    ahead = method.look_ahead_weights([tf.zeros_like(v) for v in variables])
    for v, w in zip(variables, ahead):
        share = 0.95 if v.path == kernel.path else 1.0
        np.testing.assert_allclose(w, share * v.numpy(), rtol=1e-5)


def test_the_meta_loss_decays_all_weights():
    student = small_student("float32")
    images = images_of(4, tf.float32)
    labels = tf.one_hot([0, 1, 2, 3], 4)
    plain, decayed = (
        l2r.L2R(student, weight_decay=0.3, meta_weight_decay=wd)
        for wd in (0.0, 0.01)
    )
    weights = [tf.ones(v.shape) for v in student.trainable_variables]
    count = registry.parameter_count(student)
    difference = float(
        decayed.meta_loss(weights, images, labels)[0]
        - plain.meta_loss(weights, images, labels)[0]
    )
    assert difference == pytest.approx(0.005 * count, rel=1e-4)
    assert l2r.L2R(student, weight_decay=0.3).meta_weight_decay == 0.3


def test_the_probe_pass_leaves_the_student_alone():
    student = small_student("float32")
    method = l2r.L2R(student)
    before = [v.numpy() for v in student.variables]
    weights = [
        0.5 * tf.convert_to_tensor(v) for v in student.trainable_variables
    ]
    method.meta_loss(weights, images_of(4, tf.float32), tf.one_hot([0] * 4, 4))
    for old, v in zip(before, student.variables):
        np.testing.assert_array_equal(old, v)


def test_published_decay_of_resnet29():
    student = registry.build("resnet29", 10, (32, 32, 3))
    for v in student.trainable_variables:
        v.assign(tf.ones_like(v))
    kernels = sum(
        v.shape.num_elements()
        for v in student.trainable_variables
        if len(v.shape) > 1
    )
    for doubled, factor in ((True, 1e-4), (False, 0.5e-4)):
        settings = look_ahead.published_decay(student, doubled)
        method = l2r.L2R(student, **settings)
        assert float(method.decay_loss()) == pytest.approx(
            factor * kernels, rel=1e-5
        )
        assert method.meta_weight_decay == 1e-4


@pytest.mark.parametrize(
    "name, expected", [("wrn-10-1", 5e-4), ("resnet50", 4e-4)]
)
def test_published_decay_of_the_other_networks(name, expected):
    student = registry.build("wrn-10-1", 10, (8, 8, 3))
    student.name = name
    for v in student.trainable_variables:
        v.assign(tf.ones_like(v))
    everything = registry.parameter_count(student)
    for settings, factor in (
        (look_ahead.published_decay(student), expected),
        ({}, 5e-4),
    ):
        method = ieg.IEG(student, **settings)
        assert float(method.decay_loss()) == pytest.approx(
            factor / 2 * everything, rel=1e-5
        )
        assert method.meta_weight_decay == factor


def test_xla_is_refused_for_max_pooling_alone():
    with pytest.raises(errors.UserError, match="--jit_compile: small_cnn has"):
        look_ahead.check_xla(small_student())
    look_ahead.check_xla(registry.build("cifar_resnet20", 4, (8, 8, 3)))


def test_mistakes_cost_one_line():
    student = small_student("float32")
    with pytest.raises(errors.UserError, match="sideways: there are forward"):
        ieg.IEG(student, meta_gradient="sideways")
    with pytest.raises(errors.UserError, match="accumulators of TF1Momentum"):
        ieg.IEG(student, meta_momentum=0.5).compile("sgd")
    l2r.L2R(student).compile(keras.optimizers.SGD(0.1, momentum=0.9))
    method = ieg.IEG(student)
    method.compile(optimizer.TF1Momentum(0.1))
    with pytest.raises(errors.UserError, match="probe_images and probe_labels"):
        method.unpack_probe((images_of(), tf.range(6)))


def test_another_optimiser_looks_ahead_without_momentum():
    method = ieg.IEG(small_student("float32"), weight_decay=0.0)
    method.compile("adam")
    gradients = [tf.ones_like(v) for v in method.student.trainable_variables]
    ahead = method.look_ahead_weights(gradients)
    for weight, v in zip(ahead, method.student.trainable_variables):
        np.testing.assert_allclose(weight, v - 0.1, rtol=1e-6)
