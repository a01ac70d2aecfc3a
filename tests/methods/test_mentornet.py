import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.mentor import network as mentornet_net
from tfnoisy.methods import mentornet
from tfnoisy.nets import registry
from tfnoisy.training import optimizer


def compiled(mentor, **kwargs):
    student = registry.build("small_cnn", 10, (8, 8, 1), seed=3)
    method = mentornet.MentorNet(student, mentor, num_steps=100, **kwargs)
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    return method


def batch_of(size=16):
    images = tf.random.stateless_normal([size, 8, 8, 1], [5, 6])
    return {"images": images, "labels": tf.range(size) % 10}


def test_a_step_weighs_losses_and_decay_by_constants():
    weights = tf.constant(np.linspace(0, 1, 16), tf.float32)
    method = compiled(
        lambda *_: weights,
        weight_decay=0.01,
        example_dropout_rates="0.0, 100",
    )
    reference = registry.build("small_cnn", 10, (8, 8, 1), seed=3)
    batch = batch_of()
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["labels"], reference(batch["images"], training=True)
        )
        decay = 0.01 * sum(
            tf.reduce_sum(v * v) / 2
            for v in reference.trainable_variables
            if len(v.shape) > 1
        )
        loss = tf.reduce_sum(weights * losses) / 16 + decay * 0.5
    gradients = tape.gradient(loss, reference.trainable_variables)
    logs = method.train_step(batch)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    for v, w, g in zip(
        method.student.trainable_variables,
        reference.trainable_variables,
        gradients,
    ):
        np.testing.assert_allclose(v, w - 0.1 * g, atol=1e-5)


def test_the_shipped_mentor_is_never_trained():
    mentor = mentornet_net.default()
    before = [v.numpy() for v in mentor.variables]
    method = compiled(mentor)
    for _ in range(3):
        logs = method.train_step(batch_of())
    assert 0.0 <= float(logs["data_util"]) <= 1.0
    for old, v in zip(before, mentor.variables):
        np.testing.assert_array_equal(old, v.numpy())
    paths = {v.path for v in method.trainable_variables}
    assert paths == {v.path for v in method.student.trainable_variables}


def test_all_weights_dropped_moves_by_momentum_alone():
    method = compiled(
        lambda losses, *_: tf.ones_like(losses),
        example_dropout_rates="0.0, 1, 1.0, 99",
        weight_decay=0.1,
    )
    for _ in range(2):
        before = [v.numpy() for v in method.student.trainable_variables]
        logs = method.train_step(batch_of())
    assert float(logs["loss"]) == 0.0
    for old, v in zip(before, method.student.trainable_variables):
        accumulator = method.optimizer.accumulator(v)
        np.testing.assert_allclose(v, old - 0.1 * accumulator, atol=1e-6)


def test_the_evidence_is_the_mentors_own_word():
    weights = np.linspace(0, 1, 16).astype(np.float32)
    # The last steps of the published schedule drop all examples.
    method = compiled(
        lambda *_: tf.constant(weights),
        burn_in_epoch=2,
        example_dropout_rates="0.0, 1, 1.0, 99",
        num_ids=16,
    )
    batch = {**batch_of(), "ids": tf.range(16, dtype=tf.int64)}
    sums = [float(method.train_step(batch)["weight_sum"]) for _ in range(3)]
    assert sums == [16.0, 0.0, 0.0]
    found = method.evidence()
    np.testing.assert_allclose(found["mean_weight"], weights, atol=1e-6)
    np.testing.assert_array_equal(found["is_label_issue"], weights < 0.5)
    # Images and labels alone are trained on as well, without a trace.
    method.train_step((batch["images"], batch["labels"]))
    np.testing.assert_array_equal(
        method.evidence()["mean_weight"], found["mean_weight"]
    )
