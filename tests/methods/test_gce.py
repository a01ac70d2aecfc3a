import itertools

import numpy as np
import pytest
import tensorflow as tf

import golden
import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import gce

# The sheet's: p_y = (.843795, .211942, .333333).
LOGITS = tf.constant([[2.0, 0, -1], [0, 1, 0], [0, 0, 0]], tf.float64)
LABELS = tf.one_hot([0, 2, 1], 3, dtype=tf.float64)


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        (0.001, [0.169832, 1.550242, 1.098009]),
        (0.5, [0.162834, 1.079258, 0.845299]),
        (0.7, [0.160138, 0.946343, 0.766481]),
        (1.0, [0.156205, 0.788058, 0.666667]),
    ],
)
def test_the_loss(q, expected):
    found = gce.generalised_cross_entropy(LABELS, LOGITS, q)
    np.testing.assert_allclose(found, expected, atol=6e-7)
    p = tf.reduce_sum(LABELS * tf.nn.softmax(LOGITS), -1)
    np.testing.assert_allclose(1 - q * found, p**q, rtol=1e-12)


def test_the_gradient_is_damped():
    with tf.GradientTape() as tape:
        tape.watch(LOGITS)
        loss = tf.reduce_mean(
            gce.generalised_cross_entropy(LABELS, LOGITS, 0.7)
        )
    assert float(loss) == pytest.approx(0.624321, abs=6e-7)
    np.testing.assert_allclose(
        tape.gradient(loss, LOGITS),
        [
            [-0.046232, 0.033798, 0.012434],
            [0.023848, 0.064825, -0.088672],
            [0.051496, -0.102992, 0.051496],
        ],
        atol=6e-7,
    )


def test_certain_contradiction_is_finite():
    far = tf.constant([[1000.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(far)
        loss = gce.generalised_cross_entropy(tf.one_hot([1], 2), far, 0.7)
    assert float(loss[0]) == pytest.approx(1 / 0.7)
    assert np.isfinite(tape.gradient(loss, far)).all()


def test_a_small_q_is_cross_entropy_in_training():
    found = []
    for name, options in (("gce", {"q": 1e-6}), ("baseline", {"ema_decay": 0})):
        method = tiny_methods.compiled(name, weight_decay=0.0, **options)
        train, _, _ = tiny_methods.digits()
        method.fit(*train, **tiny_methods.fit_arguments(method))
        found.append(method.student.get_weights())
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5, float("nan")])
def test_q_out_of_range_is_refused(q):
    with pytest.raises(errors.UserError, match="--q="):
        gce.GCE(tiny_methods.dense(), q=q)


def test_loss_and_gradient_are_those_of_the_authors_of_sce():
    logits, labels = golden.logits()
    expected = golden.read("sce_steps")["of_logits"]["gce"]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.reduce_mean(
            gce.generalised_cross_entropy(labels, logits, 0.7)
        )
    golden.assert_near(loss, expected["loss"])
    golden.assert_near(tape.gradient(loss, logits), expected["gradient"])


@pytest.mark.parametrize("q", [0.7, 0.3])
def test_nine_steps_are_the_originals(q):
    numbers = golden.read("gce_steps")
    method = golden.compiled(
        gce.GCE(golden.network(), q=q, num_ids=10, weight_decay=0.02)
    )
    rows = itertools.chain(*numbers["rows"][:3])
    golden.assert_steps(method, map(golden.batch, rows), numbers["gce"][str(q)])
