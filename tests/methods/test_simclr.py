"""SimCLR: its loss by NumPy, its step, its views, and what it never reads."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_runs
from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.methods import base, simclr
from tfnoisy.nets import precision, registry
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import evaluation, loop, optimizer

STEPS = 7


def by_numpy(z, temperature):
    """l(i, j) of each view, equation 1 as it is written, in float64."""
    count = len(z)
    losses = []
    for i in range(count):
        j = (i + count // 2) % count
        others = [k for k in range(count) if k != i]
        weights = [np.exp(z[i] @ z[k] / temperature) for k in others]
        losses.append(-np.log(np.exp(z[i] @ z[j] / temperature) / sum(weights)))
    return np.array(losses)


def unit_vectors(count, seed=0):
    z = np.random.default_rng(seed).normal(size=(count, 5))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.07, 0.5, 1.0])
@pytest.mark.parametrize("pairs", [1, 2, 7])
def test_nt_xent_is_equation_1(pairs, temperature):
    z = unit_vectors(2 * pairs)
    losses, found = simclr.nt_xent(tf.constant(z), temperature)
    np.testing.assert_allclose(losses, by_numpy(z, temperature), rtol=1e-12)
    similar = z @ z.T
    np.fill_diagonal(similar, -np.inf)
    right = similar.argmax(1) == np.roll(np.arange(2 * pairs), -pairs)
    np.testing.assert_array_equal(found, right)


def test_its_gradient_is_finite_and_the_central_difference():
    z, direction = unit_vectors(6), unit_vectors(6, seed=1)

    def loss(x):
        return tf.reduce_mean(simclr.nt_xent(x, 0.5)[0])

    x = tf.constant(z)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x)
    slope = np.sum(tape.gradient(value, x) * direction)
    step = 1e-6
    difference = (loss(z + step * direction) - loss(z - step * direction)) / (
        2 * step
    )
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_the_probe_is_ridge_regression_with_an_intercept():
    rng = np.random.default_rng(0)
    features = rng.normal(3.0, [0.1, 1.0, 5.0], size=(200, 3))
    targets = np.eye(4)[rng.integers(0, 4, 200)]
    kernel, bias = simclr.ridge(features, targets, penalty=1e-9)
    design = np.hstack([features, np.ones((200, 1))])
    expected = np.linalg.lstsq(design, targets, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([kernel, bias]), expected, rtol=1e-4)
    # A penalty draws all predictions towards the mean of the targets.
    kernel, bias = simclr.ridge(features, targets, penalty=1e9)
    np.testing.assert_allclose(
        features @ kernel + bias,
        np.broadcast_to(targets.mean(0), (200, 4)),
        atol=1e-6,
    )


def make(network=None, **kwargs):
    method = simclr.SimCLR(network or tiny_runs.student(1), **kwargs)
    method.compile(optimizer.TF1Momentum(0.05))
    return method


def views(count=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (count, 2, 8, 8, 1)).astype(np.float32)


@pytest.mark.parametrize("scaled", [True, False])
def test_a_step_is_the_algorithm(scaled):
    method = make(scaled_loss=scaled, temp=0.3, weight_decay=0.01)
    images = views()
    weights = [base.value_of(v) for v in method.projection.variables]
    body = keras.Model(method.student.input, method.student.layers[-1].input)
    stacked = np.concatenate([images[:, 0], images[:, 1]])
    # In training mode: by the moments of all 2 B views.
    h = body(stacked, training=True).numpy().astype(np.float64)
    w1, b1, w2, b2 = weights
    z = np.maximum(h @ w1 + b1, 0) @ w2 + b2
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    kernels = [v for v in method.trained_variables if len(v.shape) > 1]
    assert len(kernels) == 3
    decay = 0.01 * sum(np.sum(np.square(v)) for v in kernels) / 2
    factor = 0.3 / 0.07 if scaled else 1.0
    head = method.student.layers[-1].get_weights()
    logs = method.train_step({"images": images})
    expected = factor * by_numpy(z, 0.3).mean() + decay
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)
    assert 0 <= logs["accuracy"] <= 1 and int(method.step) == 1
    # All but the last layer of the student has moved, and the projection.
    for before, now in zip(head, method.student.layers[-1].get_weights()):
        np.testing.assert_array_equal(before, now)
    for before, now in zip(weights, method.projection.variables):
        assert np.abs(before - now).max() > 0


def test_it_learns_to_find_the_other_view():
    method = make()
    images = views(8)
    images[:, 1] = images[:, 0] + 0.1 * images[:, 1]
    logs = [method.train_step({"images": images}) for _ in range(30)]
    assert logs[-1]["loss"] < logs[0]["loss"] - 0.5
    assert logs[-1]["accuracy"] == 1


def test_half_precision_keeps_the_loss_in_float32():
    network = registry.build(
        "small_cnn", 10, (8, 8, 1), dtype=precision.policy("bfloat16")
    )
    method = make(network)
    logs = method.train_step({"images": views()})
    assert logs["loss"].dtype == tf.float32
    assert method.evaluation_features(views()[:, 0]).dtype == tf.float32


def batches_of(method, data, first=0, count=1, context=None):
    stage = method.stage(0, data, STEPS)
    return list(stage.batches(first, context).take(count))


def test_views_are_a_function_of_seed_epoch_and_id():
    data = tiny_runs.make_data()
    method = make()
    each = len(data.dataset) // data.batch_size

    def seen(found):
        return {
            (epoch, int(i)): image
            for epoch, batch in enumerate(found)
            for i, image in zip(batch["ids"].numpy(), batch["images"].numpy())
        }

    whole = batches_of(method, data, count=2 * each)
    assert {b["images"].shape for b in whole} == {(20, 2, 8, 8, 1)}
    np.testing.assert_array_equal(
        batches_of(method, data, first=each + 1)[0]["images"],
        whole[each + 1]["images"],
    )
    # A part of the data, in other batches: the same views of each image.
    some = data.dataset.take(np.arange(5, 15))
    part = dataclasses.replace(data, dataset=some, batch_size=10)
    by_epoch = [
        {
            k: v
            for batch in whole[s : s + each]
            for k, v in seen([batch]).items()
        }
        for s in (0, each)
    ]
    for epoch, batch in enumerate(batches_of(method, part, count=2)):
        for (_, i), image in seen([batch]).items():
            np.testing.assert_array_equal(image, by_epoch[epoch][0, i])
    first, second = by_epoch
    assert first.keys() == second.keys() and len(first) == 40
    assert all(np.any(first[key] != second[key]) for key in first)
    assert all(np.any(image[0] != image[1]) for image in first.values())
    other = dataclasses.replace(data, seed=4)
    assert np.any(batches_of(method, other)[0]["images"] != whole[0]["images"])


def test_views_are_normalised_as_those_of_the_run_are():
    data = tiny_runs.make_data()
    method = make(least_area=1.0)

    def batch(name):
        view = standard.get(name, (8, 8, 1), mirror=False)
        named = dataclasses.replace(data, augmentation=view)
        return batches_of(method, named)[0]["images"]

    mean = sum((0.4914, 0.4822, 0.4465)) / 3
    deviation = sum((0.2023, 0.1994, 0.2010)) / 3
    np.testing.assert_allclose(
        deviation * batch("dividemix_cifar10") + mean,
        0.5 * batch("standard") + 0.5,
        atol=1e-6,
    )
    view = standard.get("mentornet", (8, 8, 1), mirror=False)
    with pytest.raises(errors.UserError, match="--augment=mentornet"):
        method.check_data(dataclasses.replace(data, augmentation=view))


class Runner(tiny_runs.Runner):
    """Runs of SimCLR, as `tiny_runs` makes those of methods."""

    def __init__(self, data=None):
        self.strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
        with self.strategy.scope():
            self.method = make()
        self.data = data or tiny_runs.make_data()
        self.eval_every = 3
        self.evaluator = evaluation.Evaluator(
            self.method,
            self.data.dataset,
            self.data.augmentation,
            tiny_runs.COUNT,
            self.strategy,
        )
        self._variables = [
            *self.method.variables,
            *self.method.optimizer.variables,
        ]
        self._initial = self.state()
        self._compiled = {}


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_killed_run_ends_with_the_same_bits(tmp_path):
    runner = Runner()
    whole = runner.loop(tmp_path / "whole", num_steps=STEPS)
    whole.run()
    bits, rows = runner.state(), tiny_runs.rows_of(whole)
    assert len(rows) == 3

    judged = []

    def evaluate():
        judged.append(int(runner.method.step))
        if len(judged) == 2:
            raise Killed
        return runner.evaluator()

    often = {"num_steps": STEPS, "save_interval_secs": 0}
    with pytest.raises(Killed):
        runner.loop(tmp_path / "run", evaluate, **often).run()
    again = runner.loop(tmp_path / "run", evaluate, **often)
    again.run()
    assert judged == [3, 6, 6, 7]
    assert tiny_runs.rows_of(again) == rows
    tiny_runs.assert_same_bits(runner.state(), bits)


def test_no_label_is_read_for_the_encoder(tmp_path):
    found = []
    for shift in (0, 1):
        data = tiny_runs.make_data()
        labels = (data.dataset.given_labels + shift) % 10
        object.__setattr__(data.dataset, "given_labels", labels)
        runner = Runner(data)
        runner.loop(tmp_path / str(shift), num_steps=STEPS).run()
        found.append(runner.method)
    one, other = (m.student.get_weights() for m in found)
    tiny_runs.assert_same_bits(one[:-2], other[:-2])
    # The last layer is the same, its classes one further.
    for before, after in zip(one[-2:], other[-2:]):
        np.testing.assert_allclose(np.roll(before, 1, -1), after, atol=1e-5)
        assert np.abs(before - after).max() > 1e-3
    tiny_runs.assert_same_bits(
        found[0].projection.get_weights(), found[1].projection.get_weights()
    )


def test_on_two_replicas(tmp_path, two_replicas):
    with two_replicas.scope():
        method = make()
    data = tiny_runs.make_data(batch_size=10)
    evaluator = evaluation.Evaluator(
        method, data.dataset, data.augmentation, 20, two_replicas
    )
    loop.Loop(
        method,
        data,
        run_folder.RunFolder(tmp_path),
        two_replicas,
        num_steps=3,
        eval_every=3,
        evaluators={"test": evaluator},
        progress=False,
    ).run()
    assert int(base.value_of(method.step)) == 3
    for variable in method.trained_variables:
        one, two = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"temp": 0.0}, "temp above 0"),
        ({"least_area": 1.5}, "least_area in"),
        ({"projection_dim": 0}, "projection_dim"),
        ({"ema_decay": 0.9}, "no moving average"),
    ],
)
def test_mistakes(kwargs, message):
    with pytest.raises(errors.ArgumentError, match=message):
        make(**kwargs)


def test_fit_names_the_script():
    with pytest.raises(errors.ArgumentError, match=r"bin/pretrain\.py"):
        make().fit(views(), np.zeros(4))


def test_it_is_saved_and_loaded(tmp_path):
    method = make(temp=0.2)
    images = views()
    method.train_step({"images": images})
    method.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.temp == 0.2
    np.testing.assert_array_equal(
        loaded.evaluation_features(images[:, 0]),
        method.evaluation_features(images[:, 0]),
    )
