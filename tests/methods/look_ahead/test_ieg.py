import keras
import numpy as np
import pytest
import tensorflow as tf

import toy_students
from tfnoisy.methods import base, losses, mixup
from tfnoisy.methods.look_ahead import ieg, look_ahead
from tfnoisy.training import optimizer


def array(values):
    return tf.constant(values, tf.float64)


# The formulas.  The numbers were worked out by hand from those of the original,
# google-research/ieg, models/model.py.


def test_normalised_logits():
    np.testing.assert_allclose(
        ieg.normalise_logits(array([[3, 4]])), [[0.848528, 1.131371]], atol=1e-6
    )
    np.testing.assert_allclose(
        ieg.normalise_logits(array([[3, 4], [0, 0]])),
        [[1.2, 1.6], [0, 0]],
        atol=1e-6,
    )
    logits = tf.random.stateless_normal([5, 3], [1, 2], dtype=tf.float64)
    np.testing.assert_allclose(
        ieg.normalise_logits(100 * logits),
        ieg.normalise_logits(logits),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    "z, a, expected",
    [
        ([[2, 0]], [[2, 0]], [[0.944193, 0.055807]]),
        ([[2, 0]], [[0, 2]], [[0.5, 0.5]]),
        (
            [[1, 0], [0, 1]],
            [[2, 0], [0, 0]],
            [[0.966288, 0.033712], [0.221391, 0.778609]],
        ),
    ],
)
def test_pseudo_labels(z, a, expected):
    np.testing.assert_allclose(
        ieg.pseudo_labels(array(z), array(a)), expected, atol=1e-6
    )


def test_sharpening():
    np.testing.assert_allclose(
        mixup.sharpen(array([[0.8, 0.2]])), [[16 / 17, 1 / 17]]
    )
    p = array([[0.2, 0.5, 0.3]])
    np.testing.assert_allclose(mixup.sharpen(p, temperature=1.0), p)


def test_blended_labels():
    y, g = array([[1, 0], [0, 1]]), array([[0.5, 0.5], [0.2, 0.8]])
    np.testing.assert_allclose(ieg.blend_labels(array([1, 0]), y, g)[1], g[1])
    np.testing.assert_allclose(
        ieg.blend_labels(0.9, y, g), [[0.95, 0.05], [0.02, 0.98]]
    )


def test_the_label_is_kept_where_that_helps():
    chosen = ieg.chosen_labels(array([-1e-9, 0.0, 3.0]))
    np.testing.assert_array_equal(chosen, [1.0, 0.0, 0.0])


def test_composed_losses():
    z, a = array([[1, 0], [0, 1]]), array([[2, 0], [0, 0]])
    y = array([[1, 0], [1, 0]])
    first, second = ieg.net_losses(
        y, ieg.pseudo_labels(z, a), z, array([0.75, 0.25]), array([1, 0])
    )
    assert float(first) == pytest.approx(0.423957, abs=1e-6)
    assert float(second) == pytest.approx(0.546325, abs=1e-6)
    assert float(first + second) / 2 == pytest.approx(0.485141, abs=1e-6)
    assert 20 * float(losses.consistency(z, a)) == pytest.approx(
        1.935518, abs=1e-6
    )


def test_consistency():
    z, a = array([[0.0, 0.0]]), tf.math.log(array([[0.75, 0.25]]))
    assert float(losses.consistency(z, a)) == pytest.approx(0.143841, abs=1e-6)
    assert float(losses.consistency(a, a)) == 0.0


def test_mixup_coefficients():
    np.testing.assert_allclose(
        ieg.mixup_coefficients(array([0.0, 0.5, 1.0])), [1.0, 0.875, 0.5]
    )
    rho = ieg.mixup_coefficients(
        tf.random.stateless_uniform([200000], [1, 2])
    ).numpy()
    assert rho.min() >= 0.5
    assert rho.mean() == pytest.approx(5 / 6, abs=1e-3)
    assert rho.var() == pytest.approx(1 / 45, abs=2e-4)
    assert (rho > 0.9).mean() == pytest.approx(np.sqrt(0.2), abs=5e-3)


def test_mixed_losses_normalise_each_block():
    labels = tf.one_hot([0, 1, 0, 0, 1, 1], 2, dtype=tf.float64)
    logits = array([[3, 4], [0, 0], [1, 2], [5, 1], [0.1, 0], [0, 0.1]])
    l_loss, u_loss = ieg.mixed_losses(labels, logits)
    ce = tf.nn.softmax_cross_entropy_with_logits
    blocks = [
        ce(labels[k : k + 2], ieg.normalise_logits(logits[k : k + 2])).numpy()
        for k in (0, 2, 4)
    ]
    assert float(l_loss) == pytest.approx(blocks[0].mean())
    assert float(u_loss) == pytest.approx(np.mean(blocks[1:]))
    rescaled = tf.concat([logits[:4], 7 * logits[4:]], 0)
    assert float(ieg.mixed_losses(labels, rescaled)[1]) == pytest.approx(
        float(u_loss), rel=1e-4
    )


def test_each_loss_has_a_gradient_into_its_own_pass_alone():
    z = tf.random.stateless_normal([4, 3], [1, 1])
    a = tf.random.stateless_normal([4, 3], [2, 2])
    y = tf.one_hot([0, 1, 2, 0], 3)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([z, a])
        g = ieg.pseudo_labels(z, a)
        net = tf.add_n(ieg.net_losses(y, g, z, tf.fill([4], 0.2), tf.ones([4])))
        consistency = losses.consistency(z, a)
    assert tape.gradient(net, a) is None
    assert tape.gradient(consistency, z) is None
    # That of the net losses is blind to g's dependence on z.
    with tf.GradientTape() as other:
        other.watch(z)
        blind = tf.add_n(
            ieg.net_losses(
                y, tf.constant(g.numpy()), z, tf.fill([4], 0.2), tf.ones([4])
            )
        )
    np.testing.assert_allclose(
        tape.gradient(net, z), other.gradient(blind, z), atol=1e-7
    )
    assert np.abs(tape.gradient(consistency, a)).max() > 1e-3


# The coefficients.


def linear_method(kernel, momenta=0.0, **kwargs):
    """IEG on z = x W, with x the two pixels of an image."""
    inputs = keras.Input((1, 2, 1), dtype="float64")
    x = keras.layers.Flatten(dtype="float64")(inputs)
    dense = keras.layers.Dense(
        len(kernel[0]), use_bias=False, dtype="float64", name="logits"
    )
    student = keras.Model(inputs, dense(x))
    dense.kernel.assign(kernel)
    method = ieg.IEG(student, ema_decay=0.0, **kwargs)
    method.compile(optimizer.TF1Momentum(0.1))
    accumulator = method.optimizer.accumulator(dense.kernel)
    accumulator.assign(tf.fill(accumulator.shape, array(momenta)))
    return method


def pixels(rows):
    return tf.reshape(array(rows), [-1, 1, 2, 1])


def meta_gradients(method, batch):
    """(dM/domega, dM/dlambda, M) at the method's present weights."""
    images, labels = method.unpack(batch)
    passes = method.record_passes(images, batch["images_strong"])
    meta = method.coefficient_gradients(
        passes, labels, method.unpack_probe(batch)
    )
    return *(g.numpy() for g in meta.gradients), float(meta.loss)


MODES = pytest.mark.parametrize("mode", ["forward", "reverse"])


@MODES
def test_a_linear_student_by_hand(mode):
    # g is 1/2 everywhere: its derivative vanishes, and softmax(z) is 1/2.
    method = linear_method(
        [[0, 0], [0, 0]], weight_decay=0.0, meta_gradient=mode
    )
    batch = {
        "images": pixels([[1, 0], [1, 0]]),
        "images_strong": pixels([[1, 0], [1, 0]]),
        "labels": tf.constant([0, 1]),
        "probe_images": pixels([[1, 0]]),
        "probe_labels": tf.constant([0]),
    }
    omega, lam, meta_loss = meta_gradients(method, batch)
    assert meta_loss == pytest.approx(np.log(2))
    np.testing.assert_allclose(omega, [-0.045, 0.045], atol=1e-12)
    np.testing.assert_allclose(lam, [-0.025, 0.025], atol=1e-12)
    np.testing.assert_allclose(
        look_ahead.example_weights(omega), [0.99977783, 0], atol=1e-8
    )
    np.testing.assert_array_equal(ieg.chosen_labels(array(lam)), [1, 0])


@MODES
@pytest.mark.parametrize(
    "label_path, meta_loss, omega, lam, weight, chosen",
    [
        (
            True,
            1.18144204,
            [-0.00368636, 0.04366867, 0.03204499],
            [0.00091953, 0.02861980, 0.01999949],
            0.99729463,
            [0, 0, 0],
        ),
        (
            False,
            1.18201702,
            [-0.00334320, 0.04446449, 0.03260758],
            [-0.00039110, 0.02596494, 0.01823293],
            0.99701778,
            [1, 0, 0],
        ),
    ],
)
def test_the_label_path_matters(
    mode, label_path, meta_loss, omega, lam, weight, chosen
):
    # The original (model.py, `meta_optimize`) differentiates g as well.
    method = linear_method(
        [[0.5, -0.5, 0], [0.2, 0.1, -0.3]],
        momenta=0.05,
        weight_decay=0.01,
        label_path=label_path,
        meta_gradient=mode,
    )
    batch = {
        "images": pixels([[1, 0], [0, 1], [1, 1]]),
        "images_strong": pixels([[1, 0.5], [0.5, 1], [1, -1]]),
        "labels": tf.constant([0, 1, 2]),
        "probe_images": pixels([[1, 1], [1, -1]]),
        "probe_labels": tf.constant([0, 1]),
    }
    g = ieg.pseudo_labels(
        method(batch["images"]), method(batch["images_strong"])
    )
    np.testing.assert_allclose(
        g,
        [
            [0.951503, 0.005349, 0.043148],
            [0.807074, 0.159425, 0.033501],
            [0.856980, 0.004962, 0.138057],
        ],
        atol=1e-6,
    )
    got_omega, got_lam, got_loss = meta_gradients(method, batch)
    assert got_loss == pytest.approx(meta_loss, abs=1e-8)
    np.testing.assert_allclose(got_omega, omega, atol=1e-8)
    np.testing.assert_allclose(got_lam, lam, atol=1e-8)
    np.testing.assert_allclose(
        look_ahead.example_weights(got_omega), [weight, 0, 0], atol=1e-8
    )
    np.testing.assert_array_equal(ieg.chosen_labels(array(got_lam)), chosen)


def batch_of(size=8, dtype=tf.float32):
    def images(seed, n):
        return tf.random.stateless_normal([n, 8, 8, 1], [seed, 6], dtype=dtype)

    return {
        "images": images(1, size),
        "images_strong": images(2, size),
        "labels": tf.range(size) % 4,
        "probe_images": images(3, 6),
        "probe_labels": tf.constant([0, 1, 2, 3, 0, 1]),
    }


def compiled(dtype="float32", cls=ieg.IEG, **kwargs):
    """IEG on a network with batch normalisation and moving accumulators."""
    if dtype == "float64":
        kwargs = {"ema_decay": 0.0, **kwargs}
    method = cls(
        toy_students.toy_student(dtype), **{"weight_decay": 0.01, **kwargs}
    )
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    for k, a in enumerate(method.optimizer.accumulators):
        noise = tf.random.stateless_normal(a.shape, [k, 1], dtype=a.dtype)
        a.assign(0.05 * noise)
    return method


@pytest.mark.parametrize("label_path", [True, False])
def test_forward_mode_is_reverse_mode(label_path):
    batch = batch_of(dtype=tf.float64)
    forward, reverse = (
        meta_gradients(
            compiled("float64", label_path=label_path, meta_gradient=mode),
            batch,
        )
        for mode in ("forward", "reverse")
    )
    for a, b in zip(forward, reverse):
        np.testing.assert_allclose(a, b, rtol=1e-9)
    for gradient in forward[:2]:
        assert np.abs(gradient).min() > 1e-6


def test_central_differences():
    batch = batch_of(4, tf.float64)
    method = compiled("float64")
    omega, lam, _ = meta_gradients(method, batch)
    student = method.student
    labels = tf.one_hot(batch["labels"], 4, dtype=tf.float64)

    def meta_loss(weights, lam):
        """M of model.py, `meta_optimize`, written anew."""
        with tf.GradientTape() as tape:
            z = method.forward_untracked(batch["images"])
            a = method.forward_untracked(batch["images_strong"])
            p = tf.add_n(
                [
                    tf.nn.softmax(x / tf.sqrt(tf.reduce_mean(x * x) + 1e-8))
                    for x in (z, a)
                ]
            )
            g = p**2 / tf.reduce_sum(p**2, 1, keepdims=True)
            q = lam[:, None] * labels + (1 - lam[:, None]) * g
            loss = -tf.reduce_sum(weights[:, None] * q * tf.nn.log_softmax(z))
            loss += 0.005 * sum(
                tf.reduce_sum(v * v) for v in student.trainable_variables
            )
        gradients = tape.gradient(loss, student.trainable_variables)
        ahead = [
            v - 0.1 * (0.9 * method.optimizer.accumulator(v) + g)
            for v, g in zip(student.trainable_variables, gradients)
        ]
        return float(method.meta_loss(ahead, *method.unpack_probe(batch))[0])

    uniform, start = np.full(4, 0.25), np.full(4, 0.9)
    for i in range(4):
        d = 1e-6 * np.eye(4)[i]
        slope = meta_loss(uniform + d, start) - meta_loss(uniform - d, start)
        assert omega[i] == pytest.approx(slope / 2e-6, rel=1e-5, abs=1e-8)
        slope = meta_loss(uniform, start + d) - meta_loss(uniform, start - d)
        assert lam[i] == pytest.approx(slope / 2e-6, rel=1e-4)


def test_coefficients_follow_a_permutation_and_identical_examples():
    batch = batch_of(6, tf.float64)
    order = [3, 0, 5, 1, 4, 2]
    permuted = {
        name: tf.gather(value, order)
        if name in ("images", "images_strong", "labels")
        else value
        for name, value in batch.items()
    }
    twins = {
        name: tf.gather(value, [0, 1, 2, 0, 4, 5])
        if name in ("images", "images_strong", "labels")
        else value
        for name, value in batch.items()
    }
    first = meta_gradients(compiled("float64"), batch)
    second = meta_gradients(compiled("float64"), permuted)
    for a, b in zip(first[:2], second[:2]):
        np.testing.assert_allclose(a[order], b, rtol=1e-9)
    for gradient in meta_gradients(compiled("float64"), twins)[:2]:
        assert gradient[0] == pytest.approx(gradient[3], rel=1e-9)


def test_for_small_steps_the_weights_forget_the_step():
    batch = batch_of(dtype=tf.float64)
    omega = [
        meta_gradients(compiled("float64", meta_stepsize=s), batch)[0] / s
        for s in (1e-5, 1e-6)
    ]
    np.testing.assert_allclose(omega[0], omega[1], rtol=1e-2)


@pytest.mark.parametrize("label, sign", [(0, 1), (1, -1)])
def test_an_example_that_is_the_probe_helps_itself(label, sign):
    # At W = 0 with s -> 0: -dM/domega = s |grad c|^2 for its own label, and
    # for the opposite of two labels the same with the other sign.
    method = linear_method(
        [[0, 0], [0, 0]],
        weight_decay=0.0,
        meta_stepsize=1e-6,
        grad_eps_init=1.0,
        label_path=False,
    )
    batch = {
        "images": pixels([[1, 2]]),
        "images_strong": pixels([[1, 2]]),
        "labels": tf.constant([label]),
        "probe_images": pixels([[1, 2]]),
        "probe_labels": tf.constant([0]),
    }
    omega, _, _ = meta_gradients(method, batch)
    # grad c = x (p - y)^T, of which the square is 5 * 1/2.
    assert -omega[0] == pytest.approx(sign * 1e-6 * 2.5, rel=1e-4)
    weight = float(look_ahead.example_weights(1e6 * omega)[0])
    assert weight == pytest.approx(1.0 if sign > 0 else 0.0, abs=1e-4)


# The step.


class Spy(ieg.IEG):
    """Remembers the coefficients' gradients and the mixed batch."""

    def coefficient_gradients(self, *args):
        meta = super().coefficient_gradients(*args)
        self.gradients = meta.gradients
        return meta

    def mix_with_probe(self, *args):
        self.mixed = super().mix_with_probe(*args)
        return self.mixed


def test_one_step_is_the_originals():
    """As google-research/ieg, models/model.py, `train_step` has it."""
    method, reference = compiled(cls=Spy), compiled()
    batch = batch_of()
    before = [v.numpy() for v in method.student.trainable_variables]
    logs = method.train_step(batch)

    student = reference.student
    y = tf.one_hot(batch["labels"], 4)
    u = np.maximum(-method.gradients[0].numpy(), 0)
    chosen = (method.gradients[1].numpy() < 0).astype("float32")[:, None]
    ce = tf.nn.softmax_cross_entropy_with_logits
    with tf.GradientTape() as tape:
        z = student(batch["images"], training=True)
        statistics = [v.numpy() for v in student.non_trainable_variables]
        a = student(batch["images_strong"], training=True)
        m = student(method.mixed[0], training=True)
        g = tf.constant(ieg.pseudo_labels(z, a).numpy())
        net1 = tf.reduce_sum(ce(chosen * y + (1 - chosen) * g, z)) / 8
        net2 = tf.reduce_sum(u / (u.sum() + 1e-5) * ce(0.9 * y + 0.1 * g, z))
        blocks = [
            ce(
                method.mixed[1][k : k + 8],
                ieg.normalise_logits(m[k : k + 8]),
            )
            for k in (0, 8, 16)
        ]
        xe = tf.reduce_mean(blocks[0]) + 5 * tf.reduce_mean(blocks[1:])
        p = tf.constant(tf.nn.softmax(z).numpy())
        cs = 20 / 8 * tf.reduce_sum(p * (tf.math.log(p) - tf.nn.log_softmax(a)))
        decay = 0.005 * sum(
            tf.reduce_sum(v * v) for v in student.trainable_variables
        )
        loss = (net1 + net2) / 2 + xe + cs + decay
    gradients = tape.gradient(loss, student.trainable_variables)

    for name, value in {
        "loss": loss,
        "net_loss": (net1 + net2) / 2,
        "xe_loss": xe,
        "cs_loss": cs,
        "zero_weights": np.mean(u == 0),
        "mean_lambda": chosen.mean(),
    }.items():
        assert float(logs[name]) == pytest.approx(float(value), rel=1e-4), name
    for v, old, average, w, g in zip(
        method.student.trainable_variables,
        before,
        method.averages,
        student.trainable_variables,
        gradients,
    ):
        momentum = 0.9 * reference.optimizer.accumulator(w) + g
        new = old - 0.1 * momentum
        np.testing.assert_allclose(v, new, atol=2e-5)
        np.testing.assert_allclose(
            average, 2 / 11 * old + 9 / 11 * new, atol=2e-5
        )
    # Moving statistics are those of the first pass, once.
    for v, w in zip(method.student.non_trainable_variables, statistics):
        np.testing.assert_allclose(v, w, atol=1e-6)


def test_the_evidence_is_of_both_coefficients():
    batch = {**batch_of(), "ids": tf.constant([7, 6, 5, 4, 3, 2, 1, 11])}
    method, plain = compiled(cls=Spy, num_ids=12), compiled()
    rows = []
    for _ in range(3):
        method.train_step(batch)
        omega, lam = (g.numpy() for g in method.gradients)
        u = np.maximum(-omega, 0)
        rows.append([8 * u / (u.sum() + 1e-5), u > 0, lam < 0])
    # Means with the weights 0.81, 0.9 and 1.
    shares = np.array([0.81, 0.9, 1.0]) / 2.71
    weight, positive, lam = np.tensordot(shares, np.array(rows, float), 1)
    found = method.evidence()
    order = np.argsort(batch["ids"])
    np.testing.assert_array_equal(found["ids"], np.sort(batch["ids"]))
    for name, expected in {
        "mean_weight": weight,
        "positive_weight": positive,
        "mean_lambda": lam,
        "label_score": (positive + lam) / 2,
    }.items():
        np.testing.assert_allclose(
            found[name], expected[order], atol=1e-5, err_msg=name
        )
    np.testing.assert_array_equal(
        found["is_label_issue"], ((positive + lam) / 2 < 0.5)[order]
    )
    for _ in range(3):
        plain.train_step(batch)
    assert plain.evidence() is None
    for v, w in zip(method.student.variables, plain.student.variables):
        np.testing.assert_array_equal(v, w)


def test_both_modes_make_the_same_step():
    weights = []
    for mode in ("forward", "reverse"):
        method = compiled(meta_gradient=mode)
        method.train_step(batch_of())
        weights.append([v.numpy() for v in method.student.variables])
    for a, b in zip(*weights):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_mixed_batch():
    method = compiled()
    images = [tf.fill([50, 2, 2, 1], value) for value in (1.0, 2.0)]
    pseudo = tf.one_hot([1] * 50, 3)
    probe = tf.zeros([5, 2, 2, 1]), tf.one_hot([0, 0, 0, 0, 2], 3)
    mixed_images, mixed_labels = method.mix_with_probe(images, pseudo, probe)
    assert mixed_images.shape == (150, 2, 2, 1)
    np.testing.assert_allclose(tf.reduce_sum(mixed_labels, 1), 1.0, atol=1e-6)
    assert mixed_labels.numpy().min() >= 0
    # Blocks lam their order: each image is at least half itself.
    blocks = mixed_images.numpy()[:, 0, 0, 0].reshape(3, 50)
    assert (blocks[0] <= 1.0 + 1e-6).all()
    assert (blocks[1] >= 0.5 - 1e-6).all()
    assert (blocks[1] <= 1.5 + 1e-6).all()
    assert (blocks[2] >= 1.0 - 1e-6).all()
    # The coefficient is one per image, for its pixels and its label alike;
    # partners come from all blocks.
    assert len(np.unique(np.round(blocks, 5))) > 50
    own = mixed_labels.numpy()[50:, 1]
    assert own.min() >= 0.5 - 1e-6 and own.max() <= 1.0 + 1e-6
    np.testing.assert_allclose(
        mixed_images,
        mixed_images[:, :1, :1] * tf.ones([1, 2, 2, 1]),
        rtol=1e-5,
    )
    # Draws are with replacement, from all of the probe.
    probe = tf.reshape(tf.range(50.0), [50, 1, 1, 1]), tf.one_hot([0] * 50, 3)
    method.draw_seed = lambda stream: [3, len(stream)]
    views = [tf.zeros([50, 1, 1, 1])] * 2
    original = ieg.mixup_coefficients
    ieg.mixup_coefficients = tf.ones_like
    try:
        drawn, _ = method.mix_with_probe(views, pseudo, probe)
    finally:
        ieg.mixup_coefficients = original
    drawn = drawn.numpy().ravel()
    assert 20 < len(set(drawn[:50])) < 45
    np.testing.assert_array_equal(drawn[50:], 0.0)


def test_no_gradient_into_pseudo_labels_by_way_of_the_mixed_batch():
    method = compiled()
    batch = batch_of()
    pseudo = tf.fill([8, 4], 0.25)
    with tf.GradientTape() as tape:
        tape.watch(pseudo)
        _, labels = method.mix_with_probe(
            [batch["images"], batch["images_strong"]],
            pseudo,
            method.unpack_probe(batch),
        )
    assert tape.gradient(labels, pseudo) is None


def test_steps_repeat_bit_for_bit_and_differ_by_seed():
    def weights_after(seed):
        method = compiled(seed=seed)
        for _ in range(2):
            method.train_step(batch_of())
        return [v.numpy() for v in method.student.trainable_variables]

    first, again, other = weights_after(1), weights_after(1), weights_after(2)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other))


def test_factors_of_zero_leave_out_their_losses():
    logs = compiled(ce_factor=0.0, consistency_factor=0.0).train_step(
        batch_of()
    )
    full = compiled().train_step(batch_of())
    assert float(logs["cs_loss"]) == 0.0 < float(full["cs_loss"])
    assert 0.0 < float(logs["xe_loss"]) < float(full["xe_loss"])


@pytest.mark.slow
def test_replicas_look_ahead_by_themselves(two_replicas):
    batch = batch_of()
    with two_replicas.scope():
        method = compiled()
    # Both replicas see the same noisy batch, but probes of their own: their
    # coefficients differ, and are what a single device makes of each.
    probes = [batch["probe_labels"], tf.constant([3, 3, 3, 3, 3, 3])]
    batches = [{**batch, "probe_labels": labels} for labels in probes]
    expected = [float(compiled().train_step(b)["meta_loss"]) for b in batches]

    values = two_replicas.experimental_distribute_values_from_function(
        lambda context: {
            name: value
            for name, value in batches[context.replica_id_in_sync_group].items()
        }
    )
    step = tf.function(
        lambda b: two_replicas.run(method.train_step, (b,)), autograph=False
    )
    before = [v.numpy() for v in method.student.trainable_variables]
    logs = two_replicas.experimental_local_results(step(values)["meta_loss"])
    np.testing.assert_allclose([float(m) for m in logs], expected, rtol=1e-4)
    moved = [
        np.abs(v.numpy() - w).max()
        for v, w in zip(method.student.trainable_variables, before)
    ]
    assert min(moved) > 0
    for v in method.student.trainable_variables:
        first, second = two_replicas.experimental_local_results(v.value)
        np.testing.assert_array_equal(first, second)


@pytest.mark.slow
def test_fit_learns_in_spite_of_wrong_labels():
    classes = tf.range(16) % 4
    patterns = tf.random.stateless_normal([4, 8, 8, 1], [7, 7])
    noise = tf.random.stateless_normal([48, 8, 8, 1], [8, 8])
    images = tf.gather(patterns, classes)
    batch = {
        "images": images + 0.3 * noise[:16],
        "images_strong": images + 0.3 * noise[16:32],
        "labels": tf.where(tf.range(16) < 6, classes, (classes + 1) % 4),
        "probe_images": images + 0.3 * noise[32:],
        "probe_labels": classes,
    }
    method = compiled(weight_decay=1e-4)
    method.compile(optimizer.TF1Momentum(0.02))
    data = tf.data.Dataset.from_tensors(batch).repeat()
    method.fit(data, steps_per_epoch=60, verbose=0)
    clean = tf.data.Dataset.from_tensors((batch["images"], classes))
    result = method.evaluate(clean, verbose=0, return_dict=True)
    assert result["accuracy"] == 1.0


def test_defaults_are_the_originals():
    method = ieg.IEG(toy_students.toy_student())
    assert method.meta_stepsize == 0.1
    assert method.meta_momentum == 0.9
    assert method.ce_factor == 5.0
    assert method.consistency_factor == 20.0
    assert method.grad_eps_init == 0.9
    assert method.ema_decay == 0.999 and not method.ema_before_update
    assert method.label_path
    assert method.meta_gradient == "forward"
    assert isinstance(method, base.Method)
