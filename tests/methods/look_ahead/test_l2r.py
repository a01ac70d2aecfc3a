import numpy as np
import pytest
import tensorflow as tf

import toy_students
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.look_ahead import l2r
from tfnoisy.training import optimizer


def batch_of(size=8, dtype=tf.float32):
    def images(seed, n):
        return tf.random.stateless_normal([n, 8, 8, 1], [seed, 6], dtype=dtype)

    return {
        "images": images(1, size),
        "labels": tf.range(size) % 4,
        "probe_images": images(2, 6),
        "probe_labels": tf.constant([0, 1, 2, 3, 0, 1]),
    }


def compiled(dtype="float32", learning_rate=0.1, **kwargs):
    method = l2r.L2R(toy_students.toy_student(dtype), **kwargs)
    method.compile(optimizer.TF1Momentum(learning_rate, 0.9))
    return method


def weight_gradient(method, batch):
    """dM/dw as a step would compute it, without updating anything."""
    seen = {}
    original = method.meta_gradients

    def spy(*args, **kwargs):
        seen["result"] = original(*args, **kwargs)
        return seen["result"]

    method.meta_gradients = spy
    method.minimize = lambda loss, tape: None
    method.train_step(batch)
    (gradient,), meta_loss, _ = seen["result"]
    return gradient.numpy(), float(meta_loss)


def test_forward_mode_is_reverse_mode():
    # The accumulators take part if meta_momentum does.
    for momentum in (0.0, 0.9):
        batch = batch_of(dtype=tf.float64)
        results = []
        for mode in ("forward", "reverse"):
            method = compiled(
                "float64",
                meta_gradient=mode,
                meta_momentum=momentum,
                weight_decay=0.01,
                ema_decay=0.0,
            )
            for k, a in enumerate(method.optimizer.accumulators):
                a.assign(
                    0.1
                    * tf.random.stateless_normal(a.shape, [k, 1], dtype=a.dtype)
                )
            results.append(weight_gradient(method, batch))
        np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-9)
        assert results[0][1] == pytest.approx(results[1][1], rel=1e-12)
        assert np.abs(results[0][0]).max() > 1e-4


def test_the_look_ahead_is_the_weight_decay_alone():
    method = compiled(weight_decay=0.02, meta_weight_decay=0.0)
    for a in method.optimizer.accumulators:
        a.assign(tf.ones_like(a))
    batch = batch_of()
    _, meta_loss = weight_gradient(method, batch)
    shrunk = [
        (1 - 0.1 * 0.02) * tf.convert_to_tensor(v)
        for v in method.student.trainable_variables
    ]
    expected, _ = method.meta_loss(shrunk, *method.unpack_probe(batch))
    assert meta_loss == pytest.approx(float(expected), rel=1e-5)


def test_central_differences():
    batch = batch_of(4, tf.float64)
    method = compiled("float64", weight_decay=0.01, ema_decay=0.0)
    student = method.student
    gradient, _ = weight_gradient(method, batch)
    labels = tf.one_hot(batch["labels"], 4, dtype=tf.float64)

    def meta_loss(weights):
        with tf.GradientTape() as tape:
            losses = losses_lib.cross_entropy(
                labels, method.forward_untracked(batch["images"])
            )
            loss = tf.reduce_sum(weights * losses)
        gradients = tape.gradient(loss, student.trainable_variables)
        ahead = [
            v - 0.1 * (g + 0.01 * v)
            for v, g in zip(student.trainable_variables, gradients)
        ]
        return float(method.meta_loss(ahead, *method.unpack_probe(batch))[0])

    for i in range(4):
        step = 1e-6 * np.eye(4)[i]
        slope = (meta_loss(step) - meta_loss(-step)) / 2e-6
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_one_step_is_descent_on_the_weighted_loss():
    method, reference = compiled(weight_decay=0.01), compiled().student
    batch = batch_of()
    gradient, _ = weight_gradient(compiled(weight_decay=0.01), batch)
    u = np.maximum(-gradient, 0)
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["labels"], reference(batch["images"], training=True)
        )
        loss = tf.reduce_sum(u / (u.sum() + 1e-5) * losses)
        loss += 0.005 * sum(
            tf.reduce_sum(v * v) for v in reference.trainable_variables
        )
    gradients = tape.gradient(loss, reference.trainable_variables)
    logs = method.train_step(batch)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-4)
    assert float(logs["zero_weights"]) == pytest.approx((u == 0).mean())
    assert 0.9 < float(logs["weight_sum"]) < 1.0
    for v, average, w, g in zip(
        method.student.trainable_variables,
        method.averages,
        reference.trainable_variables,
        gradients,
    ):
        new = w - 0.1 * g
        np.testing.assert_allclose(v, new, atol=1e-5)
        # It takes the weights before the update: at first nothing moves it.
        np.testing.assert_allclose(average, w, atol=1e-6)
    for v, w in zip(
        method.student.non_trainable_variables,
        reference.non_trainable_variables,
    ):
        np.testing.assert_allclose(v, w, atol=1e-6)


def test_the_evidence_is_which_weights_are_positive():
    batch = {**batch_of(), "ids": tf.constant([9, 8, 0, 1, 2, 3, 4, 5])}
    method = compiled(num_ids=10)
    gradients = [weight_gradient(compiled(), batch)[0]]
    method.train_step(batch)
    after_one = method.evidence()
    u = np.maximum(-gradients[0], 0)
    order = np.argsort(batch["ids"])
    np.testing.assert_array_equal(after_one["ids"], np.sort(batch["ids"]))
    np.testing.assert_allclose(
        after_one["mean_weight"],
        (8 * u / (u.sum() + 1e-5))[order],
        rtol=1e-3,
        atol=1e-6,
    )
    positive = (u > 0)[order]
    assert 0 < positive.sum() < 8
    np.testing.assert_array_equal(after_one["label_score"], positive)
    np.testing.assert_array_equal(after_one["is_label_issue"], ~positive)
    assert compiled().evidence() is None


def test_wrong_labels_are_weighed_down():
    # Trusted images of the same kind, half of the given labels wrong.
    method = compiled(learning_rate=0.05, weight_decay=0.0, num_ids=16)
    classes = tf.range(16) % 4
    patterns = tf.random.stateless_normal([4, 8, 8, 1], [7, 7])
    noise = tf.random.stateless_normal([32, 8, 8, 1], [8, 8])
    images = tf.gather(patterns, classes)
    given = tf.where(tf.range(16) < 8, classes, (classes + 1) % 4)
    batch = {
        "images": images + 0.3 * noise[:16],
        "labels": given,
        "probe_images": images + 0.3 * noise[16:],
        "probe_labels": classes,
        "ids": tf.range(16, dtype=tf.int64),
    }
    step = tf.function(method.train_step, autograph=False)
    for _ in range(30):
        logs = step(batch)
    assert float(logs["accuracy"]) == 0.5
    hits = tf.equal(
        tf.argmax(method.evaluation_logits(batch["probe_images"]), -1),
        tf.cast(classes, tf.int64),
    )
    assert np.mean(hits) == 1.0
    score = method.evidence()["label_score"]
    assert score[:8].min() > score[8:].max()


def test_replicas_weigh_their_own_examples(two_replicas):
    with two_replicas.scope():
        method = compiled()
    batch = batch_of()
    values = two_replicas.experimental_distribute_values_from_function(
        lambda context: batch
    )
    step = tf.function(
        lambda b: two_replicas.run(method.train_step, (b,)), autograph=False
    )
    logs = two_replicas.experimental_local_results(step(values)["loss"])
    alone = compiled()
    expected = alone.train_step(batch)["loss"]
    np.testing.assert_allclose(
        [float(value) for value in logs], [float(expected)] * 2, rtol=1e-4
    )
    for v, w in zip(
        method.student.trainable_variables, alone.student.trainable_variables
    ):
        np.testing.assert_allclose(v, w, atol=1e-5)
