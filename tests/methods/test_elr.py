import numpy as np
import pytest
import tensorflow as tf

import golden
import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import elr

# The sheet's, of the authors' function: the same batch three times, beta 0.7,
# lambda 3.
LOGITS = [[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
STEPS = [
    (
        0.288808,
        -0.190613,
        [[0.253138, 0.034259, 0.012603], [0.063582, 0.172835, 0.063582]],
        [[-0.134916, 0.097356, 0.037560], [0.128879, 0.242241, -0.371121]],
    ),
    (
        -0.197276,
        -0.352641,
        [[0.430335, 0.058240, 0.021425], [0.108090, 0.293820, 0.108090]],
        [[-0.198108, 0.142134, 0.055974], [0.149310, 0.201380, -0.350690]],
    ),
    (
        -0.599766,
        -0.486804,
        [[0.554373, 0.075026, 0.027601], [0.139246, 0.378509, 0.139246]],
        [[-0.264310, 0.189044, 0.075265], [0.166590, 0.166820, -0.333410]],
    ),
]


def three_classes(**kwargs):
    student = tf.keras.Sequential(
        [tf.keras.Input((1, 1, 3)), tf.keras.layers.Flatten()]
    )
    return elr.ELR(student, num_ids=3, **kwargs)


def loss_and_gradient(method, logits, labels, ids):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.reduce_mean(
            method.example_losses(
                {"ids": tf.constant(ids, tf.int64)},
                tf.one_hot(labels, 3),
                logits,
            )
        )
    return float(loss), tape.gradient(loss, logits)


def test_three_visits():
    method = three_classes()
    for loss, mean, targets, gradient in STEPS:
        found, slope = loss_and_gradient(method, LOGITS, [0, 2], [0, 2])
        assert found == pytest.approx(loss, abs=2e-6)
        np.testing.assert_allclose(slope, gradient, atol=2e-6)
        kept = method.targets.numpy()
        np.testing.assert_allclose(kept[[0, 2]], targets, atol=1e-6)
        assert not kept[1].any()
        assert float(
            tf.reduce_mean(elr.regulariser(kept[[0, 2]], tf.constant(LOGITS)))
        ) == pytest.approx(mean, abs=1e-6)


def test_where_all_are_held_only_cross_entropy_pulls():
    method = three_classes()
    for _ in range(40):
        loss, slope = loss_and_gradient(method, [[10.0, 0, 0]], [0], [1])
    assert loss == pytest.approx(-24.329334, abs=2e-3)
    np.testing.assert_allclose(slope, [[-91e-6, 45e-6, 45e-6]], atol=1e-6)


def test_the_lowest_value_is_finite():
    for classes, floor in ((3, -8.111928), (10, -6.908655), (100, -4.615022)):
        logits = tf.constant([[1000.0] + [0.0] * (classes - 1)])
        targets = elr.moved_targets(tf.zeros_like(logits), logits, 0.0)
        assert float(elr.regulariser(targets, logits)[0]) == pytest.approx(
            floor, abs=2e-3
        )


def test_without_the_regulariser_it_is_cross_entropy():
    found = []
    for name, options in (("elr", {"lamb": 0.0}), ("baseline", {})):
        method = tiny_methods.compiled(
            name, **{"weight_decay": 0.0, "ema_decay": 0.0, **options}
        )
        train, _, _ = tiny_methods.digits()
        method.fit(*train, **tiny_methods.fit_arguments(method))
        found.append(method.student.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_beta_one_never_moves_the_targets():
    method = three_classes(beta=1.0)
    loss, _ = loss_and_gradient(method, LOGITS, [0, 2], [0, 2])
    assert loss == pytest.approx(0.860645, abs=1e-6)
    assert not method.targets.numpy().any()


def test_the_evidence_is_the_running_mean_against_the_label():
    method = tiny_methods.compiled("elr")
    images, labels = tiny_methods.digits()[0]
    given = labels.copy()
    given[:10] = (given[:10] + 1) % 10
    method.fit(images, given, epochs=12, **tiny_methods.fit_arguments(method))
    found = method.evidence()
    t = method.targets.numpy()
    shares = t / t.sum(1, keepdims=True)
    assert found["ids"].tolist() == list(range(len(given)))
    np.testing.assert_allclose(
        found["label_score"], shares[np.arange(len(given)), given], rtol=1e-5
    )
    assert (found["is_label_issue"] == (t.argmax(1) != given)).all()
    assert found["is_label_issue"][:10].mean() >= 0.5
    assert found["is_label_issue"][10:].mean() < 0.2


def test_examples_that_cannot_be_told_apart_are_refused():
    train, _, _ = tiny_methods.digits()
    dataset = tf.data.Dataset.from_tensor_slices(train).shuffle(96).batch(8)
    with pytest.raises(errors.ArgumentError, match="shuffled and has no ids"):
        tiny_methods.compiled("elr").fit(dataset, verbose=0)


@pytest.mark.parametrize(
    "wrong", [{"beta": 1.5}, {"beta": float("nan")}, {"lamb": -1.0}]
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(errors.UserError, match="--"):
        three_classes(**wrong)


@pytest.mark.parametrize(
    "name", ["beta 0.7, lambda 3", "beta 0.9, lambda 7", "sharp"]
)
def test_nine_steps_are_the_originals(name):
    numbers = golden.read("elr_steps")
    expected = numbers[name]
    method = golden.compiled(
        elr.ELR(
            golden.network(sharpness=expected["sharpness"]),
            beta=expected["beta"],
            lamb=expected["lamb"],
            num_ids=10,
            weight_decay=0.02,
        )
    )
    golden.assert_steps(method, map(golden.batch, numbers["rows"]), expected)
    golden.assert_near(method.targets, expected["targets"], name="targets")
