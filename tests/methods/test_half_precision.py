"""What the methods compute in half precision, and what they do not."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy.methods import base
from tfnoisy.methods.look_ahead import ieg, l2r
from tfnoisy.nets import precision, registry
from tfnoisy.training import optimizer

HALVES = ["float16", "bfloat16"]


def student(name="none"):
    return registry.build(
        "small_cnn", 10, (8, 8, 1), seed=3, dtype=precision.policy(name)
    )


def compiled(make, name="none", **kwargs):
    method = make(student(name), **kwargs)
    method.compile(optimizer.TF1Momentum(0.05))
    return method


def images(seed, count=16):
    return tf.random.stateless_uniform([count, 8, 8, 1], [seed, 9])


BATCH = {
    "images": images(0),
    "images_strong": images(1),
    "labels": tf.range(16) % 10,
    "probe_images": images(2, 12),
    "probe_labels": tf.range(12) % 10,
}


@pytest.mark.parametrize(
    "make, mode, name",
    slow_cases.but(
        [(ieg.IEG, "forward", "bfloat16"), (l2r.L2R, "reverse", "float16")],
        itertools.product([l2r.L2R, ieg.IEG], ["forward", "reverse"], HALVES),
        several=True,
    ),
)
def test_meta_gradients_are_float32s(make, mode, name):
    half, exact = (
        compiled(make, policy, meta_gradient=mode) for policy in (name, "none")
    )
    found, expected = (
        {k: float(v) for k, v in method.train_step(BATCH).items()}
        for method in (half, exact)
    )
    for log in ("meta_loss", "meta_accuracy", "zero_weights", "weight_sum"):
        assert found[log] == pytest.approx(expected[log], rel=1e-5), log
    # The loss of the update is not, but near.
    assert found["loss"] != expected["loss"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=0.01)
    # Of the passes in float32 come the statistics.
    for v, w in zip(
        half.student.non_trainable_variables,
        exact.student.non_trainable_variables,
    ):
        np.testing.assert_allclose(v, w, rtol=1e-5, atol=1e-6)
    for v, w in zip(
        half.student.trainable_variables, exact.student.trainable_variables
    ):
        np.testing.assert_allclose(v, w, atol=0.02)


@pytest.mark.parametrize("make", slow_cases.but([l2r.L2R], [l2r.L2R, ieg.IEG]))
def test_the_update_is_of_passes_in_half_precision(make):
    method = compiled(make, "bfloat16")
    step = tf.function(method.train_step, autograph=False)
    graph = step.get_concrete_function(BATCH).graph
    convolutions = [
        op.outputs[0].dtype
        for op in graph.get_operations()
        if op.type == "Conv2DBackpropFilter"
    ]
    # Of three layers each: L2R goes back through one pass of the student,
    # IEG through two of its views and one of the mixed images.
    halves = convolutions.count(tf.bfloat16)
    assert halves == {l2r.L2R: 3, ieg.IEG: 9}[make]
    assert convolutions.count(tf.float32) >= 3


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_networks_are_judged_in_float32(name, ema_decay):
    half, exact = (
        compiled(base.Method, policy, ema_decay=ema_decay)
        for policy in (name, "none")
    )
    np.testing.assert_array_equal(
        half.evaluation_logits(BATCH["images"]),
        exact.evaluation_logits(BATCH["images"]),
    )
    # Called as a model it computes as it is trained.
    assert np.any(half(BATCH["images"]) != exact(BATCH["images"]))
    assert all(v.dtype == "float32" for v in half.averages or [])
