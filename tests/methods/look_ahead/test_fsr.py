import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import golden
import toy_students
from tfnoisy import errors, randomness
from tfnoisy.augment import standard
from tfnoisy.datasets import load, pipeline
from tfnoisy.methods import base
from tfnoisy.methods.look_ahead import fsr
from tfnoisy.training import optimizer

S, MU, WD, RATE, B = 0.1, 0.9, 0.01, 0.05, 6


def linear(dtype="float64"):
    """A hidden layer with ReLU, then the classifier of three classes."""
    draws = np.random.default_rng(1)

    def dense(units, size, **kwargs):
        kernel = draws.normal(size=(size, units)) / 2
        return keras.layers.Dense(
            units,
            kernel_initializer=lambda shape, dtype=None: tf.constant(
                kernel, dtype
            ),
            dtype=dtype,
            **kwargs,
        )

    inputs = keras.Input((2, 2, 1), dtype=dtype)
    x = keras.layers.Flatten(dtype=dtype)(inputs)
    return keras.Model(inputs, dense(3, 5)(dense(5, 4, activation="relu")(x)))


def compiled(student=None, **kwargs):
    arguments = {
        "queue_capacity": 6,
        "queue_bs": 3,
        "use_mixup": False,
        "meta_start_epoch": 0,
        "weight_decay": WD,
        "meta_stepsize": S,
        "meta_momentum": MU,
        "ema_decay": 0.0,
        "num_ids": 9,
        **kwargs,
    }
    method = fsr.FSR(student or linear(), **arguments)
    method.compile(optimizer.TF1Momentum(RATE, 0.9))
    draws = np.random.default_rng(2)
    for accumulator in method.optimizer.accumulators:
        accumulator.assign(draws.normal(size=accumulator.shape) / 10)
    method.dictionary.epoch.assign(3)
    return method


def batch():
    draws = np.random.default_rng(3)
    return {
        "images": tf.constant(draws.normal(size=(B, 2, 2, 1))),
        "labels": tf.constant([0, 1, 2, 2, 1, 0]),
        "ids": tf.constant([4, 0, 8, 2, 6, 5], tf.int64),
        "probe_images": tf.constant(draws.normal(size=(3, 2, 2, 1))),
        "probe_labels": tf.constant([0, 1, 2]),
    }


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def entropy(labels, z):
    return -(labels * np.log(softmax(z))).sum(-1)


def expected_step(method, batch, clip=True, smoothing=0.0, pseudo=(1, 0.1, 2)):
    """The step in NumPy, from the equations of the paper and its code."""
    w1, b1, w2, b2 = map(base.value_of, method.student.trainable_variables)
    m2, mb = (
        base.value_of(method.optimizer.accumulator(v))
        for v in method.student.trainable_variables[2:]
    )
    x, xp = (
        batch[name].numpy().reshape(-1, 4)
        for name in ("images", "probe_images")
    )
    y, yp = (
        np.eye(3)[batch[name].numpy()] for name in ("labels", "probe_labels")
    )
    soft = (1 - smoothing) * y + smoothing / 3
    soft_p = (1 - smoothing) * yp + smoothing / 3
    h, hp = (np.maximum(v @ w1 + b1, 0) for v in (x, xp))
    z = h @ w2 + b2
    # The look-ahead of the classifier.
    d = (softmax(z) - soft) / B
    w2_ahead = w2 - S * (MU * m2 + h.T @ d + WD * w2)
    b2_ahead = b2 - S * (MU * mb + d.sum(0) + WD * b2)
    zp, ahead = hp @ w2_ahead + b2_ahead, h @ w2_ahead + b2_ahead
    meta = entropy(soft_p, zp).mean()
    meta += WD * (np.sum(w2_ahead**2) + np.sum(b2_ahead**2)) / 2
    dp = (softmax(zp) - soft_p) / len(zp)
    v, vb = hp.T @ dp + WD * w2_ahead, dp.sum(0) + WD * b2_ahead
    # dM/dw_i = -s <v, dc_i/dK>
    slope = -S * ((softmax(z) - soft) * (h @ v + vb)).sum(-1)
    if clip:
        u = np.maximum(-slope, 0)
    else:
        raw = 1 / B - slope
        u = raw - raw.min() + 1 / B
    weights = u / (u.sum() + 1e-5)
    c = entropy(soft, z)
    loss = (weights * c).sum()
    loss += WD * sum(np.sum(a**2) for a in (w1, b1, w2, b2)) / 2
    ids = batch["ids"].numpy()
    e = base.value_of(method.dictionary.mean_logits)[ids].astype(float)
    temperature, gamma, factor = pseudo
    n = e / np.sqrt(np.mean(e**2) + 1e-8)
    g = softmax(n / temperature)
    pseudo_loss = factor * entropy(g, z).mean()
    return {
        "loss": loss + pseudo_loss,
        "meta_loss": meta,
        "weights": weights,
        "margins": c - entropy(y, ahead),
        "mean_logits": gamma * n + (1 - gamma) * z,
        "pseudo_loss": pseudo_loss,
        # Of the classifier's kernel.
        "gradient": h.T
        @ (
            weights[:, None] * (softmax(z) - soft)
            + factor * (softmax(z) - g) / B
        )
        + WD * w2,
        "velocity": m2,
        "kernel": w2,
    }


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip_meta_weight": False},
        {"label_smoothing": 0.1},
        {"meta_gradient": "reverse"},
        {"use_pseudo_loss": "all_0.5_0.3_1"},
    ],
)
def test_a_step_is_that_of_numpy(options):
    method = compiled(**options)
    draws = np.random.default_rng(5)
    method.dictionary.mean_logits.assign(draws.normal(size=(9, 3)))
    method.dictionary.scores.assign(np.stack([np.arange(9.0), np.ones(9)], 1))
    text = options.get("use_pseudo_loss", "all_1_0.1_2")
    expected = expected_step(
        method,
        batch(),
        options.get("clip_meta_weight", True),
        options.get("label_smoothing", 0.0),
        [float(word) for word in text.split("_")[1:]],
    )
    logs = method.train_step(batch())
    for name in ("loss", "meta_loss", "pseudo_loss"):
        assert float(logs[name]) == pytest.approx(expected[name], rel=1e-6)
    assert float(logs["weight_sum"]) == pytest.approx(
        expected["weights"].sum(), rel=1e-9
    )
    assert float(logs["zero_weights"]) == pytest.approx(
        np.mean(expected["weights"] == 0)
    )
    kept = method.mean_weights.means()
    order = np.argsort(batch()["ids"].numpy())
    np.testing.assert_allclose(
        kept["mean_weight"], B * expected["weights"][order], rtol=1e-5
    )
    np.testing.assert_allclose(
        kept["margin"], expected["margins"][order], rtol=1e-4, atol=1e-6
    )
    # beta rho - (1 - beta) margin, of the examples of the batch alone.
    ids, scores = batch()["ids"].numpy(), np.arange(9.0)
    scores[ids] = 0.9 * scores[ids] - 0.1 * expected["margins"]
    found = base.value_of(method.dictionary.scores)
    np.testing.assert_allclose(found[:, 0], scores, rtol=1e-5)
    assert found[ids, 1].tolist() == [2] * B
    np.testing.assert_allclose(
        base.value_of(method.dictionary.mean_logits)[ids],
        expected["mean_logits"],
        rtol=1e-5,
    )
    velocity = 0.9 * expected["velocity"] + expected["gradient"]
    np.testing.assert_allclose(
        base.value_of(method.student.trainable_variables[2]),
        expected["kernel"] - RATE * velocity,
        rtol=1e-6,
    )


@pytest.mark.parametrize("level", [0, -1])
def test_forward_mode_is_reverse_mode(level):
    results = []
    for mode in ("forward", "reverse"):
        method = fsr.FSR(
            toy_students.toy_student("float64"),
            queue_capacity=8,
            queue_bs=4,
            meta_gradient=mode,
            meta_partial_level=level,
            meta_start_epoch=0,
            num_ids=8,
        )
        method.compile(optimizer.TF1Momentum(0.1, 0.9))
        method.dictionary.epoch.assign(0)

        def images(seed, count):
            return tf.random.stateless_normal(
                [count, 8, 8, 1], [seed, 6], dtype=tf.float64
            )

        logs = method.train_step(
            {
                "images": images(1, 8),
                "labels": tf.range(8) % 4,
                "ids": tf.range(8, dtype=tf.int64),
                "probe_images": images(2, 4),
                "probe_labels": tf.range(4),
            }
        )
        results.append([float(value) for value in logs.values()])
        results[-1] += [
            float(np.abs(base.value_of(v)).sum()) for v in method.variables
        ]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_until_its_epoch_weights_are_equal_but_scores_move():
    method = compiled(meta_start_epoch=4)
    expected = expected_step(method, batch())
    logs = method.train_step(batch())
    assert float(logs["zero_weights"]) == 0
    assert float(logs["pseudo_loss"]) == 0
    assert float(logs["weight_sum"]) == pytest.approx(1)
    ids = batch()["ids"].numpy()
    np.testing.assert_allclose(
        base.value_of(method.dictionary.scores)[ids, 0],
        -0.1 * expected["margins"],
        rtol=1e-5,
    )


def test_weights_for_unbalanced_classes():
    # At w = 1/2: raw (0.4, 0.8), u (0.5, 0.9).
    found = fsr.balanced_weights(tf.constant([0.1, -0.3], tf.float64))
    np.testing.assert_allclose(found, np.array([0.5, 0.9]) / 1.40001)


def test_the_means_of_classes_take_the_last_example():
    means = tf.constant([0.5, 0.25, 0.125])
    found = fsr.class_means(
        means, tf.constant([2, 0, 2]), tf.constant([0.1, 0.2, 0.3]), 0.9
    )
    np.testing.assert_allclose(found, [0.47, 0.25, 0.1425], rtol=1e-6)


def test_the_means_of_classes_are_the_weights_until_they_stay():
    method = compiled(moving_weight_gamma=0.5, meta_moving_end_epoch=4)
    expected = expected_step(method, batch())
    last = [expected["weights"][[0, 1, 2, 2, 1, 0].index(c)] for c in range(3)]
    last = [expected["weights"][k] for k in (5, 4, 3)]
    means = [0.5 / B + 0.5 * weight for weight in last]
    logs = method.train_step(batch())
    assert float(logs["weight_sum"]) == pytest.approx(2 * sum(means), rel=1e-5)
    method.dictionary.epoch.assign(4)
    again = method.train_step(batch())
    assert float(again["weight_sum"]) == pytest.approx(2 * sum(means), rel=1e-5)


def test_of_each_class_the_lowest_scores_are_chosen():
    scores = np.array([3.0, 1, 2, np.inf, 0, 1])
    labels = np.array([0, 0, 0, 1, 2, 2])
    rows = fsr.lowest_of_classes(scores, labels, 3, 2)
    assert rows.tolist() == [1, 2, 3, 4, 5]


@pytest.fixture
def data():
    digits = load.load("digits", "train[:200]")
    view = standard.get("standard", (8, 8, 1), mirror=False)
    return pipeline.TrainingData(digits, view, 20, seed=1)


def of_digits(**kwargs):
    student = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    method = fsr.FSR(
        student, queue_capacity=50, queue_bs=20, num_ids=200, **kwargs
    )
    method.compile(optimizer.TF1Momentum(0.05))
    return method


def test_the_buffer_is_chosen_between_epochs(data):
    method = of_digits()
    stage = method.stage(0, data, 100)
    assert (stage.first_step, stage.last_step) == (0, 10)
    labels = data.dataset.given_labels
    first = base.value_of(method.dictionary.buffer)
    # The first five of each class.
    expected = [k for c in range(10) for k in np.flatnonzero(labels == c)[:5]]
    assert first.tolist() == expected
    batches = iter(stage.batches(0, None))
    one, two = next(batches), next(batches)
    assert np.bincount(one["probe_labels"]).tolist() == [2] * 10
    assert np.any(one["probe_images"] != two["probe_images"])
    # A resumed run sees the same ones.
    again = next(iter(stage.batches(1, None)))
    for name in ("images", "probe_images", "probe_labels", "ids"):
        np.testing.assert_array_equal(again[name], two[name])
    # Within the epoch scores move, the buffer does not.
    scores = np.zeros([200, 2])
    scores[50:150] = [-1, 1]
    method.dictionary.scores.assign(scores)
    method.stage(7, data, 100)
    np.testing.assert_array_equal(
        base.value_of(method.dictionary.buffer), first
    )
    method.stage(10, data, 100)
    second = base.value_of(method.dictionary.buffer)
    assert np.all((second >= 50) & (second < 150))
    assert np.bincount(labels[second]).tolist() == [5] * 10
    assert method.stage(100, data, 100) is None


def test_a_class_may_have_few_images_but_not_none(data):
    labels = data.dataset.given_labels
    few = np.concatenate([np.flatnonzero(labels)[:150], [0]])
    assert np.count_nonzero(labels[few] == 0) == 1
    part = pipeline.TrainingData(
        data.dataset.take(np.sort(few)), data.augmentation, 20, seed=1
    )
    batch = next(iter(of_digits().stage(0, part, 9).batches(0, None)))
    assert np.bincount(batch["probe_labels"]).tolist() == [2] * 10
    none = pipeline.TrainingData(
        data.dataset.take(labels != 0), data.augmentation, 20, seed=1
    )
    with pytest.raises(errors.UserError, match="there are none of 0"):
        of_digits().stage(0, none, 9)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"queue_capacity": 55}, "--queue_capacity=55"),
        ({"queue_bs": 5}, "--queue_bs=5"),
        ({"queue_bs": 60}, "the buffer has fewer"),
        ({"meta_partial_level": 2}, "--meta_partial_level=2"),
        ({"use_pseudo_loss": "partial_1_0.1_2"}, "all_TEMPERATURE"),
        ({"use_pseudo_loss": "all_0_0.1_2"}, "all_TEMPERATURE"),
        ({"use_pseudo_loss": "all_1"}, "all_TEMPERATURE"),
    ],
)
def test_mistakes(wrong, words):
    arguments = {"queue_capacity": 50, "queue_bs": 20, **wrong}
    with pytest.raises(errors.UserError, match=words):
        fsr.FSR(
            keras.Sequential(
                [
                    keras.Input((8, 8, 1)),
                    keras.layers.Flatten(),
                    keras.layers.Dense(10),
                ]
            ),
            num_ids=200,
            **arguments,
        )


class Watched(fsr.FSR):
    """Keeps the weights that it gives to the examples of each step."""

    def weigh(self, meta_gradient, labels):
        found = super().weigh(meta_gradient, labels)
        self.found.append(found.numpy())
        return found


GOLDEN_CASES = {
    "noise": {"use_pseudo_loss": "all_0.7_0.3_1.5"},
    "imbalance": {
        "use_mixup": False,
        "clip_meta_weight": False,
        "label_smoothing": 0.1,
        "use_pseudo_loss": "",
    },
    "moving": {
        "use_mixup": False,
        "meta_partial_level": -1,
        "moving_weight_gamma": 0.6,
        "meta_moving_end_epoch": 2,
        "queue_beta": 1.0,
    },
}


@pytest.mark.parametrize("case", GOLDEN_CASES)
def test_three_epochs_are_the_originals(case, monkeypatch):
    numbers = golden.read("fsr_steps")
    expected, given = numbers[case], np.array(numbers["labels"])
    size = len(given)
    # Of one pattern for each class; the labels of some are wrong.
    classes = np.where(np.arange(size) % 5, given, (given + 1) % 4)
    patterns = 1.5 * golden.images(4, 0.4, 1.0)[classes]
    images = golden.images(size, 0.1, 1.0) + patterns
    method = golden.compiled(
        Watched(
            golden.network(),
            queue_capacity=8,
            queue_bs=4,
            meta_start_epoch=1,
            weight_decay=0.02,
            ema_decay=0.0,
            num_ids=size,
            **GOLDEN_CASES[case],
        )
    )
    method.found = []
    draws, partners = (iter(numbers[n]) for n in ("uniforms", "partners"))
    for name, values in (("uniform", draws), ("permutation", partners)):
        monkeypatch.setattr(
            randomness,
            name,
            lambda *_, values=values: tf.constant(next(values)),
        )
    dataset = types.SimpleNamespace(
        ids=np.arange(size), given_labels=given, num_classes=4
    )
    losses, margins = [], []
    for step, rows in enumerate(numbers["rows"]):
        if step % 4 == 0:
            buffer = method.dictionary.fill(step // 4, dataset)
            if step:
                assert buffer.tolist() == expected["buffers"][step // 4 - 1]
        probe = expected["probe_rows"][step]
        batch = golden.batch(rows, images=images, labels=given)
        # The original's first step sees empty images of class 0.
        batch["probe_images"] = tf.zeros([4, 3, 3, 1])
        batch["probe_labels"] = tf.zeros([4], tf.int32)
        if probe:
            batch["probe_images"] = tf.constant(images[probe])
            batch["probe_labels"] = tf.constant(given[probe])
        logs = method.train_step(batch)
        losses.append(float(logs["loss"]))
        margins.append(float(logs["margin"]))
    buffer = method.dictionary.fill(3, dataset)
    assert buffer.tolist() == expected["buffers"][2]
    golden.assert_near(losses, expected["losses"], name="losses")
    # Small differences of large numbers.
    golden.assert_near(margins, expected["margins"], 1e-5, "margins")
    golden.assert_near(
        method.found[4:], expected["example_weights"][4:], name="weights"
    )
    kept = method.dictionary
    scores = kept.scores.numpy()[:, 0]
    golden.assert_near(scores, expected["scores"], name="scores")
    if "mean_logits" in expected:
        golden.assert_near(kept.mean_logits, expected["mean_logits"])
    if "class_means" in expected:
        # They are kept as what differs from 1/B.
        means = kept.class_means.numpy() + 1 / 6
        golden.assert_near(means, expected["class_means"])
    golden.assert_weights(method.student, expected["weights"])
