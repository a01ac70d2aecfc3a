import numpy as np
import pytest
import tensorflow as tf

import golden
import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import sce
from tfnoisy.nets import weight_decay

# The sheet's.
LOGITS = tf.constant([[2.0, 0, -1], [0, 1, 0], [0, 0, 0]], tf.float64)
LABELS = tf.one_hot([0, 2, 1], 3, dtype=tf.float64)


def test_the_reverse_loss():
    found = sce.reverse_cross_entropy(LABELS, LOGITS)
    np.testing.assert_allclose(found, [1.438704, 7.258286, 6.140227], atol=6e-7)
    p_y = np.array([0.8437947, 0.2119416, 1 / 3])
    np.testing.assert_allclose(found, sce.A * (1 - p_y), rtol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "beta", "expected", "gradient"),
    [
        (0.1, 1.0, 5.039736, [-0.409864, 0.299634, 0.110229]),
        (6.0, 0.1, 6.134380, [-0.352876, 0.257973, 0.094903]),
        (1.0, 1.0, 5.885707, None),
    ],
)
def test_the_loss_and_its_gradient(alpha, beta, expected, gradient):
    with tf.GradientTape() as tape:
        tape.watch(LOGITS)
        losses = sce.symmetric_cross_entropy(LABELS, LOGITS, alpha, beta)
        loss = tf.reduce_mean(losses)
    assert float(loss) == pytest.approx(expected, abs=6e-7)
    if gradient:
        found = tape.gradient(loss, LOGITS)[0]
        np.testing.assert_allclose(found, gradient, atol=6e-7)


def test_without_the_reverse_loss_it_is_cross_entropy():
    found = []
    for name, options in (
        ("sce", {"alpha": 1.0, "beta": 0.0}),
        ("baseline", {"ema_decay": 0}),
    ):
        method = tiny_methods.compiled(name, weight_decay=0.0, **options)
        train, _, _ = tiny_methods.digits()
        method.fit(*train, **tiny_methods.fit_arguments(method))
        found.append(method.student.get_weights())
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("factors", [(-1.0, 1.0), (0.0, 0.0), (1.0, -0.1)])
def test_factors_out_of_range_are_refused(factors):
    with pytest.raises(errors.UserError, match="--alpha="):
        sce.SCE(tiny_methods.dense(), alpha=factors[0], beta=factors[1])


@pytest.mark.parametrize("preset", [0, 1, 2])
def test_loss_and_gradient_are_the_authors(preset):
    logits, labels = golden.logits()
    expected = golden.read("sce_steps")["of_logits"]["sce"][preset]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.reduce_mean(
            sce.symmetric_cross_entropy(
                labels, logits, expected["alpha"], expected["beta"]
            )
        )
    golden.assert_near(loss, expected["loss"])
    golden.assert_near(tape.gradient(loss, logits), expected["gradient"])


@pytest.mark.parametrize("name", ["alpha 0.1, beta 1", "alpha 6, beta 0.1"])
def test_nine_steps_are_those_of_the_port(name):
    numbers = golden.read("sce_steps")
    expected = numbers[name]
    method = golden.compiled(
        sce.SCE(
            golden.network(),
            alpha=expected["alpha"],
            beta=expected["beta"],
            decayed=weight_decay.all_trainable,
            weight_decay=0.02,
        )
    )
    golden.assert_steps(method, map(golden.batch, numbers["rows"]), expected)
