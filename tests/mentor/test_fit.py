import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.mentor import curricula
from tfnoisy.mentor import fit as mentor_fit
from tfnoisy.mentor import network as mentor_network

PUBLIC = mentor_fit.RECIPES["public"]
SHIPPED = mentor_fit.RECIPES["shipped"]
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def uncompiled():
    """For a few steps compiling costs more than it saves."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def rows(name="spcl_linear", sample_size=200):
    return curricula.generate(curricula.by_name(name), sample_size)


def test_recipes():
    assert dataclasses.asdict(PUBLIC) == {
        "label_embedding": (2, 2),
        "epoch_embedding": (100, 5),
        "hidden": 20,
        "train_epoch_embedding": False,
        "learning_rate": 0.1,
        "decay_steps": 1000,
        "steps": 30_000,
        "batch_size": 32,
    }
    assert dataclasses.asdict(SHIPPED) == {
        "label_embedding": (3, 5),
        "epoch_embedding": (100, 10),
        "hidden": 20,
        "train_epoch_embedding": True,
        "learning_rate": 0.01,
        "decay_steps": 3750,
        "steps": 75_000,
        "batch_size": 32,
    }


def test_steps_are_those_of_clipped_adam(monkeypatch):
    # 40 rows, 32 a batch: one step an epoch; the learning rate drops at 2.
    train, test = rows(sample_size=50)
    clip = 0.05
    monkeypatch.setattr(mentor_fit, "CLIP_NORM", clip)
    recipe = dataclasses.replace(SHIPPED, steps=4, decay_steps=2)
    net, _ = mentor_fit.fit(train, test, recipe, seed=1)

    weights = mentor_network.initial_weights(1, (3, 5), (100, 10), 20)
    m = {name: 0.0 for name in weights}
    v = {name: 0.0 for name in weights}
    clipped = 0
    for step in range(4):
        batch = train.take(mentor_fit.epoch_order(1, step, 40)[:32])
        reference = mentor_network.MentorNet(weights, trainable=True)
        with tf.GradientTape() as tape:
            outputs = reference(*batch[:4])
            loss = tf.reduce_mean((outputs - batch.targets) ** 2)
        grads = tape.gradient(loss, [getattr(reference, n) for n in weights])
        grads = [tf.convert_to_tensor(g).numpy() for g in grads]
        norm = np.sqrt(sum((g**2).sum() for g in grads))
        clipped += norm > clip
        rate = 0.01 * 0.9 ** (step // 2)
        rate *= np.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        for name, gradient in zip(weights, grads):
            gradient = gradient * min(1, clip / norm)
            m[name] = 0.9 * m[name] + 0.1 * gradient
            v[name] = 0.999 * v[name] + 0.001 * gradient**2
            weights[name] = np.float32(
                weights[name] - rate * m[name] / (np.sqrt(v[name]) + 1e-8)
            )
    assert clipped > 0
    for name, value in net.arrays().items():
        np.testing.assert_allclose(value, weights[name], atol=2e-5)


def test_order():
    assert mentor_fit.epoch_order(0, 0, 5).tolist() == [0, 1, 2, 3, 4]
    first = mentor_fit.epoch_order(0, 1, 100)
    assert sorted(first) == list(range(100)) != first.tolist()
    assert np.array_equal(first, mentor_fit.epoch_order(0, 1, 100))
    for other in ((1, 1), (0, 2)):
        assert not np.array_equal(first, mentor_fit.epoch_order(*other, 100))


def test_loss_follows_the_targets():
    assert (
        mentor_fit.loss_for(np.float32([0, 1, 1])) is mentor_fit.cross_entropy
    )
    for targets in ([1, 1], [0, 0], [0, 0.5, 1]):
        assert (
            mentor_fit.loss_for(np.float32(targets)) is mentor_fit.squared_error
        )
    logits, targets = tf.constant([0.0, 2.0]), tf.constant([1.0, 0.0])
    np.testing.assert_allclose(
        mentor_fit.cross_entropy(logits, targets),
        [np.log(2), 2 + np.log1p(np.exp(-2))],
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        mentor_fit.squared_error(logits, targets),
        [0.25, 1 / (1 + np.exp(-2)) ** 2],
        rtol=1e-5,
    )


def test_epochs_of_the_training(uncompiled):
    # 160 rows, 50 a batch: 3 steps an epoch and 10 rows skipped.
    train, test = rows()
    recipe = dataclasses.replace(PUBLIC, steps=7, batch_size=50)
    records = []
    net, last = mentor_fit.fit(train, test, recipe, 0, records.append)
    assert [record["step"] for record in records] == [3, 6, 7]
    assert records[-1] == last
    v = net(*test[:4]).numpy()
    mse = np.mean((v - test.targets) ** 2)
    assert last["test_mse"] == pytest.approx(mse, rel=1e-4)
    assert last["test_loss"] == last["test_mse"]


def test_frozen_epoch_embedding(uncompiled):
    train, test = rows()
    drawn = mentor_network.initial_weights(0)
    for trained in (False, True):
        recipe = dataclasses.replace(
            PUBLIC, steps=5, train_epoch_embedding=trained
        )
        net, _ = mentor_fit.fit(train, test, recipe)
        arrays = net.arrays()
        same = np.array_equal(
            arrays["epoch_embedding"], drawn["epoch_embedding"]
        )
        assert same != trained
        assert not np.array_equal(arrays["w1"], drawn["w1"])
        # What is dead stays as it was drawn.
        assert np.array_equal(arrays["fw_kernel"][2], drawn["fw_kernel"][2])
        assert not arrays["fw_bias"][2:].any()


@pytest.mark.slow
def test_the_seed_decides():
    train, test = rows()
    recipe = dataclasses.replace(PUBLIC, steps=12)
    first, again = (
        mentor_fit.fit(train, test, recipe, seed=1)[0].arrays()
        for _ in range(2)
    )
    assert all(np.array_equal(first[name], again[name]) for name in first)
    frozen = mentor_network.initial_weights(1)["epoch_embedding"]
    assert np.array_equal(first["epoch_embedding"], frozen)


def test_public_recipe_learns_a_threshold():
    # The original reaches less than 1e-11 on binary curricula.
    train, test = rows("self_paced", 100_000)
    _, record = mentor_fit.fit(train, test, PUBLIC)
    assert record["step"] == 30_000
    assert record["test_mse"] < 1e-11


def test_shipped_weights_are_what_their_recipe_says():
    folder = ROOT / "data/mentornet_pd"
    facts = json.loads((folder / "recipe.json").read_text())
    results = facts["results"]
    recipe = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(SHIPPED).items()
    }
    assert results["recipe"] == recipe
    assert results["test_mse"] <= 5e-6
    net = mentor_network.load(folder)
    target = curricula.by_name("mentornet_pd_80")
    _, test = curricula.generate(target, seed=results["seed"])
    mse = mentor_fit.evaluate(net, test, mentor_fit.squared_error)
    assert mse == pytest.approx(results["test_mse"], rel=0.02)
    grid = curricula.grid_rows(target)
    mse = mentor_fit.evaluate(net, grid, mentor_fit.squared_error)
    assert mse == pytest.approx(facts["grid_mse"], rel=0.02)
    assert mse <= 5e-6


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": -0.1}, "learning_rate is -0.1"),
        ({"batch_size": 161}, "160 rows to train on, fewer than a batch"),
    ],
)
def test_recipes_that_cannot_be(changes, match):
    train, test = rows()
    with pytest.raises(errors.UserError, match=match):
        mentor_fit.fit(train, test, dataclasses.replace(PUBLIC, **changes))


def test_rows_that_cannot_be(uncompiled):
    train, test = rows()
    recipe = dataclasses.replace(PUBLIC, steps=8)
    with pytest.raises(errors.UserError, match=r"labels must lie in \[0, 2\)"):
        mentor_fit.fit(train._replace(labels=train.labels + 2), test, recipe)
    with pytest.raises(errors.UserError, match="epochs must not be negative"):
        mentor_fit.fit(train, test._replace(epochs=test.epochs - 99), recipe)
    with pytest.raises(errors.UserError, match="no rows to test on"):
        mentor_fit.fit(train, test.take(slice(0)), recipe)
    # Row 70 is in the third batch of the first epoch.
    losses = train.losses.copy()
    losses[70] = np.nan
    with pytest.raises(errors.UserError, match="not finite at step 2:"):
        mentor_fit.fit(train._replace(losses=losses), test, recipe)


def test_folder(tmp_path, uncompiled):
    data, run = tmp_path / "data", tmp_path / "run"
    recipe = dataclasses.replace(PUBLIC, steps=7)
    with pytest.raises(errors.UserError, match="is not there"):
        mentor_fit.fit_to_folder(data, run, recipe)
    assert not run.exists()
    train, test = rows()
    curricula.save_rows(data, train, test)
    with pytest.raises(errors.UserError, match="fewer than a batch"):
        mentor_fit.fit_to_folder(
            data, run, dataclasses.replace(recipe, batch_size=999)
        )
    assert not run.exists()

    results = mentor_fit.fit_to_folder(data, run, recipe, seed=3)
    assert json.loads((run / "results.json").read_text()) == json.loads(
        json.dumps(results)
    )
    assert results["num_train"] == 160 and results["num_test"] == 39
    assert results["loss"] == "squared_error"
    # Seven steps teach this seed next to nothing.
    assert results["saturated"] is True and results["test_mse"] > 0.05
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [5, 7]
    net, record = mentor_fit.fit(train, test, recipe, seed=3)
    assert record["test_mse"] == results["test_mse"]
    saved = mentor_network.load(run).arrays()
    assert np.array_equal(saved["w1"], net.arrays()["w1"])

    before = (run / "mentornet.npz").read_bytes()
    with pytest.raises(errors.UserError, match="finished run"):
        mentor_fit.fit_to_folder(data, run, recipe, seed=4)
    assert (run / "mentornet.npz").read_bytes() == before
    mentor_fit.fit_to_folder(data, run, recipe, seed=4, overwrite=True)
    assert (run / "mentornet.npz").read_bytes() != before
