"""PES (semi): numbers of the authors' code, and what is trained when."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
import tiny_methods
import tiny_runs
from tfnoisy import errors
from tfnoisy.methods import base, last_layer
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.methods.pes import division, pes_semi

COUNT, BATCH = 40, 20


@pytest.mark.parametrize(
    "counts, largest, expected",
    [
        ([100, 50, 10, 0], None, [0.533333, 1.066667, 5.333333, 0]),
        ([100, 50, 10, 0], 3.0, [0.533333, 1.066667, 3, 0]),
        ([10, 20, 30, 40], 3.0, [2.5, 1.25, 0.833333, 0.625]),
        ([0, 0], 3.0, [0, 0]),
    ],
)
def test_class_weights(counts, largest, expected):
    np.testing.assert_allclose(
        division.class_weights(counts, largest), expected, atol=1e-6
    )


@pytest.mark.parametrize(
    "confident, others, expected",
    [
        (40000, 10000, (103, 25)),
        (25000, 25000, (64, 64)),
        (20000, 30000, (64, 64)),
        (45495, 4505, (117, 11)),
        (49900, 100, (128, 0)),
        (50000, 0, (128, 0)),
    ],
)
def test_batch_sizes(confident, others, expected):
    assert pes_semi.batch_sizes(confident, others, 128) == expected


@pytest.mark.parametrize(
    "weights, expected", [([1, 0.5, 2], 1.128678), ([1, 1, 1], 0.860645)]
)
def test_the_loss_of_confident_examples(weights, expected):
    logits = tf.constant([[2.0, 0, -1], [0, 1, 0]])
    targets = tf.constant([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]])
    w = tf.constant(weights, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = pes_semi.confident_loss(logits, targets, w)
    assert float(found) == pytest.approx(expected, abs=2e-6)
    # Of -sum_c w_c Y_c ln p_c: p sum_c w_c Y_c - w Y, over the rows.
    terms = (w * targets).numpy()
    p = tf.nn.softmax(logits).numpy()
    np.testing.assert_allclose(
        tape.gradient(found, logits),
        (p * terms.sum(1, keepdims=True) - terms) / 2,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "warm_up, lambda_u, epoch, expected",
    [
        *((20, 5, e, w) for e, w in ((20, 0), (24, 1.25), (28, 2.5), (36, 5))),
        *((35, 75, e, w) for e, w in ((43, 37.5), (51, 75))),
    ],
)
def test_the_ramp(warm_up, lambda_u, epoch, expected):
    found = dividemix.ramp_up(float(epoch), warm_up, lambda_u)
    assert float(found) == pytest.approx(expected)


@pytest.mark.parametrize(
    "epoch, expected",
    [
        (0, 0.02),
        (20, 0.019784),
        (35, 0.019342),
        (150, 0.0101),
        (299, 0.000201),
    ],
)
def test_the_learning_rate(epoch, expected):
    assert pes_semi.cosine_rate(0.02, epoch, 300) == pytest.approx(
        expected, abs=6e-7
    )


def staged(step=0, num_steps=1000, **kwargs):
    method = tiny_methods.compiled("pes_semi", num_ids=COUNT, **kwargs)
    data = tiny_runs.make_data(batch_size=BATCH)
    return method, data, method.stage(step, data, num_steps)


def name_of(step):
    return getattr(step, "func", step).__name__


def test_what_each_epoch_trains():
    # 40 examples: 2 full batches of 15 in each pass and each epoch.
    method = tiny_methods.compiled(
        "pes_semi", num_ids=COUNT, T1=2, T2=3, num_epochs=4, lr=0.1
    )
    data = tiny_runs.make_data(batch_size=15)
    kinds = []
    for step in range(20):
        stage = method.stage(step, data, 1000)
        if stage is None:
            break
        method.step.assign(step)
        epoch = int(base.value_of(method.epoch))
        kinds.append(
            (
                name_of(stage.train_step),
                *(stage.first_step, stage.last_step, epoch),
                (stage.evaluate, stage.ends_epoch),
            )
        )
        assert float(method.optimizer.learning_rate) == pytest.approx(
            pes_semi.cosine_rate(0.1, epoch, 4)
        )
        if name_of(stage.train_step) == "divided_step":
            now = epoch + (step - stage.first_step) / 2
            assert float(method.epoch_now()) == now
    ends, goes_on = (True, True), (False, False)
    assert kinds == [
        *[("plain_step", 0, 2, 0, ends)] * 2,
        *[("plain_step", 2, 4, 1, ends)] * 2,
        *[("refine_step", 4, 6, 2, goes_on)] * 2,
        *[("refine_step", 6, 8, 2, goes_on)] * 2,
        *[("refine_step", 8, 10, 2, goes_on)] * 2,
        *[("divided_step", 10, 12, 2, ends)] * 2,
        *[("divided_step", 12, 14, 3, ends)] * 2,
    ]
    found = method.steps_of_run(4, COUNT, 15, {"T1": 2, "T2": 3})
    assert found == len(kinds)
    assert method.steps_of_run(2, COUNT, 15, {"T1": 2, "T2": 3}) == 4


def test_short_batches_are_left_out():
    method = tiny_methods.compiled("pes_semi", num_ids=COUNT, T1=1, T2=1)
    data = tiny_runs.make_data(batch_size=15)
    for step in (0, 2):
        stage = method.stage(step, data, 1000)
        batches = list(stage.batches(0).take(4))
        assert [len(b["ids"]) for b in batches] == [15] * 4
        first = np.concatenate([b["ids"] for b in batches[:2]])
        assert len(set(first.tolist())) == 30
        later = next(iter(stage.batches(3)))
        np.testing.assert_array_equal(later["images"], batches[3]["images"])


def test_epochs_follow_from_the_steps_where_nothing_says_them():
    method, data, _ = staged(T1=1, T2=1, num_epochs=0)
    assert method.stage(9, data, 10) is not None
    assert method.stage(10, data, 10) is None


def test_confident_are_labels_that_two_views_predict_on_the_mean():
    method, data, _ = staged(4, T1=1, T2=1)
    views = []
    for view in (0, 1):
        batches = data.training_view_batches(COUNT, (1, division.DIVIDE, view))
        images = next(iter(batches))["images"]
        views.append(tf.nn.softmax(method.student(images)).numpy())
    assert np.abs(views[0] - views[1]).max() > 0.01
    p, labels = np.mean(views, 0), data.dataset.given_labels
    judged = base.value_of(method.judged)[data.dataset.ids]
    np.testing.assert_allclose(
        judged[:, 0], p[np.arange(COUNT), labels], rtol=1e-5
    )
    np.testing.assert_array_equal(judged[:, 1], p.argmax(1))
    right = p.argmax(1) == labels
    np.testing.assert_array_equal(judged[:, 2], right)
    np.testing.assert_allclose(
        base.value_of(method.class_weights),
        division.class_weights(np.bincount(labels[right], minlength=10)),
    )
    evidence = method.evidence()
    np.testing.assert_array_equal(evidence["is_label_issue"], ~right)


def test_batches_have_only_full_parts_of_both_kinds():
    method, data, _ = staged(4, T1=1, T2=1)
    stage = method.stage(4, data, 1000)
    judged = base.value_of(method.judged)[data.dataset.ids]
    right = judged[:, 2] > 0
    sizes = pes_semi.batch_sizes(right.sum(), (~right).sum(), BATCH)
    parts = dict(zip(("labelled", "unlabelled"), sizes, strict=True))
    wanted = {"labelled": right, "unlabelled": ~right}
    ids = data.dataset.ids
    batches = list(stage.batches(0).take(8))
    for batch in batches:
        for name, part in batch.items():
            subset = set(ids[wanted[name]].tolist())
            assert len(part["ids"]) == min(parts[name], len(subset))
            assert set(part["ids"].numpy().tolist()) <= subset
            assert part["images"].shape[1] == 2
    # A stream that is begun later goes on as it would have.
    later = next(iter(stage.batches(5)))
    for name, part in later.items():
        for key, value in part.items():
            np.testing.assert_array_equal(value, batches[5][name][key])


def deep():
    """A student of two layers."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(tiny_runs.SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(6, "relu"),
            keras.layers.Dense(10),
        ]
    )


def normalised():
    """A student whose features are normalised by batches."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input(tiny_runs.SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dense(6),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(10),
        ]
    )


@pytest.mark.parametrize(
    "train_new_layers", slow_cases.but([False], [False, True])
)
def test_the_new_layer_is_trained_in_the_refinement_alone(train_new_layers):
    method = pes_semi.PESSemi(
        normalised(), num_ids=COUNT, T1=1, T2=1, weight_decay=0.01,
        train_new_layers=train_new_layers,
    )  # fmt: skip
    method.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    data = tiny_runs.make_data(batch_size=BATCH)
    layers = method.student.layers
    new, first = layers[-1].variables, layers[1].variables
    statistics = layers[2].non_trainable_variables

    def run(step, num_steps):
        before = [
            [base.value_of(v) for v in group]
            for group in (new, first, statistics)
        ]
        stage = method.stage(step, data, 1000)
        drawn = [base.value_of(v) for v in new]
        batches = stage.batches(0, None).take(num_steps)
        for batch in batches:
            stage.train_step(batch)
        same = [
            all(
                np.array_equal(a, base.value_of(v))
                for a, v in zip(values, group, strict=True)
            )
            for values, group in zip(
                before, (new, first, statistics), strict=True
            )
        ]
        return drawn, before[0], same

    assert run(0, 2)[2] == [False, False, False]
    drawn, before, same = run(2, 2)
    # Drawn anew as PyTorch does, then moved by Adam, 1e-4 a step at most.
    assert same == [False, True, False]
    assert np.abs(drawn[0]).max() <= 1 / np.sqrt(6)
    assert np.abs(drawn[0]).max() > 0.3 and np.abs(drawn[1]).max() > 0.1
    assert not np.allclose(drawn[0], before[0])
    for a, v in zip(drawn, new, strict=True):
        assert 1e-6 < np.abs(a - base.value_of(v)).max() < 2.1e-4
    assert run(4, 2)[2] == [not train_new_layers, False, False]


def test_the_refinement_is_adam_as_pytorch_has_it():
    method, _, stage = staged(4, T1=2, T2=2)
    method.step.assign(4)
    assert stage.train_step.args == (0,)
    twin = keras.models.clone_model(method.student)
    twin.set_weights(method.student.get_weights())
    head = twin.layers[-1].trainable_variables
    values = [base.value_of(v).astype(np.float64) for v in head]
    mean, square = ([np.zeros_like(v) for v in values] for _ in range(2))
    for t, batch in enumerate(stage.batches(0, None).take(3), 1):
        with tf.GradientTape() as tape:
            z = twin(batch["images"], training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    batch["labels"], z
                )
            )
        for n, g in enumerate(tape.gradient(loss, head)):
            g = g.numpy().astype(np.float64)
            mean[n] = 0.9 * mean[n] + 0.1 * g
            square[n] = 0.999 * square[n] + 0.001 * g**2
            root = np.sqrt(square[n]) / np.sqrt(1 - 0.999**t) + 1e-8
            values[n] -= 1e-4 / (1 - 0.9**t) * mean[n] / root
            head[n].assign(values[n])
        logs = stage.train_step(batch)
        assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert method.steps_made() == 7
    for own, value in zip(method.new_variables, values, strict=True):
        np.testing.assert_allclose(base.value_of(own), value, atol=1e-7)


@pytest.mark.slow
def test_two_replicas_refine_as_one_device_does(two_replicas):
    found = []
    for strategy in (tf.distribute.OneDeviceStrategy("/cpu:0"), two_replicas):
        with strategy.scope():
            method = pes_semi.PESSemi(normalised(), num_ids=COUNT, T1=1, T2=1)
            method.compile(keras.optimizers.SGD(0.1))
        data = tiny_runs.make_data(batch_size=BATCH)
        # After the plain epoch.
        begin = COUNT // (BATCH * strategy.num_replicas_in_sync)
        method.step.assign(begin)
        stage = method.stage(begin, data, 1000)
        batch = next(iter(stage.batches(0, None)))
        step = tf.function(
            lambda s=strategy, t=stage, b=batch: s.run(t.train_step, (b,)),
            autograph=False,
        )
        for _ in range(3):
            step()
        assert method.steps_made() == begin + 3
        found.append([base.value_of(v) for v in method.new_variables])
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-6)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("epoch", [25, 160])
def test_a_step_of_mixmatch(epoch):
    """The step once more, in NumPy from the formulas of its module."""
    method = pes_semi.PESSemi(
        deep(), num_ids=COUNT, T1=20, weight_decay=0.0, lambda_u=5.0
    )
    method.compile(keras.optimizers.SGD(0.1))
    rng = np.random.default_rng(0)
    x, u = (rng.normal(size=(n, 2, 8, 8, 1)).astype("f4") for n in (5, 3))
    labels = np.array([0, 3, 3, 9, 1])
    w = rng.uniform(0, 3, 10).astype("f4")
    method.begin_epoch(epoch, 300)
    method.first_step.assign(0)
    method.last_step.assign(4)
    method.class_weights.assign(w)
    batch = {
        "labelled": {"images": tf.constant(x), "labels": tf.constant(labels)},
        "unlabelled": {"images": tf.constant(u)},
    }
    draw = float(method.draw_beta(batch))
    partners = method.draw_partners(16).numpy()
    before = [base.value_of(v) for v in method.student.trainable_variables]

    def logits(images):
        return method.student(images).numpy().astype(np.float64)

    guess = np.mean([softmax(logits(u[:, v])) for v in (0, 1)], 0) ** 2
    guess /= guess.sum(1, keepdims=True)
    targets = np.concatenate([np.eye(10)[labels]] * 2 + [guess] * 2)
    images = np.concatenate([x[:, 0], x[:, 1], u[:, 0], u[:, 1]])
    share = max(draw, 1 - draw)
    images = share * images + (1 - share) * images[partners]
    targets = share * targets + (1 - share) * targets[partners]
    p = softmax(logits(images.astype("f4")))
    of_x = -(w * (targets * np.log(p))[:10]).sum(1).mean()
    of_u = ((p - targets)[10:] ** 2).mean()
    factor = 5.0 * min((epoch - 20) / 16, 1)
    logs = {k: float(v) for k, v in method.divided_step(batch).items()}
    assert logs["confident_loss"] == pytest.approx(of_x, rel=1e-5)
    assert logs["other_loss"] == pytest.approx(of_u, rel=1e-5)
    assert logs["lambda_u"] == pytest.approx(factor)
    assert logs["loss"] == pytest.approx(of_x + factor * of_u, rel=1e-5)
    after = [base.value_of(v) for v in method.student.trainable_variables]
    new = {id(v) for v in method.new_variables}
    for v, a, b in zip(
        method.student.trainable_variables, before, after, strict=True
    ):
        assert np.array_equal(a, b) == (id(v) in new)


@pytest.mark.parametrize(
    "epoch, num_epochs, expected",
    # E[max(l, 1 - l)] of Beta(4, 4) and of Beta(0.75, 0.75).
    [
        (20, 300, 0.636719),
        (149, 300, 0.636719),
        (150, 300, 0.778209),
        (44, 90, 0.636719),
        (45, 90, 0.778209),
    ],
)
def test_alpha_falls_in_the_middle(epoch, num_epochs, expected):
    method, _, _ = staged()
    method.begin_epoch(epoch, num_epochs)
    draw = tf.function(lambda: method.draw_beta({"labelled": {}}))
    draws = []
    for step in range(2000):
        method.step.assign(step)
        draws.append(float(draw()))
    larger = np.maximum(draws, 1 - np.array(draws))
    assert larger.mean() == pytest.approx(expected, abs=0.011)


def test_where_all_labels_are_predicted_there_is_no_second_part():
    method, data, _ = staged(4, T1=1, T2=1)
    judged = base.value_of(method.judged)
    judged[data.dataset.ids, 2] = 1
    method.judged.assign(judged)
    batch = next(iter(method.stage(5, data, 1000).batches(0)))
    assert set(batch) == {"labelled"}
    logs = method.divided_step(batch)
    assert float(logs["other_loss"]) == 0
    assert np.isfinite(float(logs["loss"]))


def test_no_confident_label_is_a_warning():
    method, data, _ = staged(T1=1, T2=1)
    kernel, bias = method.new_variables
    absent = np.setdiff1d(np.arange(10), data.dataset.given_labels)
    labels = data.dataset.given_labels
    if not len(absent):
        object.__setattr__(data.dataset, "given_labels", np.minimum(labels, 8))
        absent = [9]
    kernel.assign(tf.zeros(kernel.shape))
    bias.assign(tf.one_hot(absent[0], 10))
    with pytest.warns(UserWarning, match="no label is what"):
        method.divide(data, 1)
    assert not method.evidence()["is_label_issue"].any()


@pytest.mark.parametrize(
    "wrong", [{"T1": -1}, {"T2": float("nan")}, {"lambda_u": -1}, {"lr": -1}]
)
def test_values_out_of_range(wrong):
    with pytest.raises(errors.UserError, match=f"--{next(iter(wrong))}="):
        tiny_methods.make("pes_semi", **wrong)


def test_a_network_without_a_dense_layer_at_its_end():
    student = keras.Sequential(
        [
            keras.Input(tiny_runs.SHAPE),
            keras.layers.Conv2D(10, 8),
            keras.layers.Flatten(),
        ]
    )
    with pytest.raises(errors.ArgumentError, match="keras.layers.Dense"):
        last_layer.of(student)


def test_a_network_of_one_layer_goes_on_to_be_trained():
    method, data, _ = staged(T1=1, T2=1)
    assert len(method.student.trainable_variables) == len(method.new_variables)
    before = [base.value_of(v) for v in method.new_variables]
    method.step.assign(4)
    stage = method.stage(4, data, 1000)
    stage.train_step(next(iter(stage.batches(0))))
    assert method.steps_made() == 5
    for v, a in zip(method.new_variables, before, strict=True):
        assert not np.array_equal(base.value_of(v), a)


def test_without_a_refinement_no_layer_is_new():
    method = pes_semi.PESSemi(normalised(), num_ids=COUNT, T1=1, T2=0)
    method.compile(keras.optimizers.SGD(0.1))
    method.step.assign(2)
    before = [base.value_of(v) for v in method.student.trainable_variables]
    data = tiny_runs.make_data(batch_size=BATCH)
    stage = method.stage(2, data, 1000)
    for v, a in zip(method.student.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(base.value_of(v), a)
    assert stage.train_step == method.divided_step
    stage.train_step(next(iter(stage.batches(0))))
    moved = [
        not np.array_equal(base.value_of(v), a)
        for v, a in zip(method.student.trainable_variables, before, strict=True)
    ]
    # The bias before the normalisation has no gradient but for rounding.
    assert moved[0] and all(moved[2:])


def test_mixing_nothing_is_weighted_training_on_both_views(monkeypatch):
    """l = 1 and lambda_u = 0 leave weighted cross-entropy."""
    method = pes_semi.PESSemi(
        deep(), num_ids=COUNT, T1=1, lambda_u=0.0, weight_decay=0.0
    )
    method.compile(keras.optimizers.SGD(0.1))
    monkeypatch.setattr(method, "beta_draws", lambda batch: tf.constant(1.0))
    method.begin_epoch(20, 300)
    method.last_step.assign(2)
    images = tf.random.stateless_normal([5, 2, 8, 8, 1], [1, 2])
    labels = tf.constant([0, 3, 3, 9, 1])
    z = method.student(tf.concat(tf.unstack(images, axis=1), 0))
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.tile(labels, [2]), z
    )
    batch = {
        "labelled": {"images": images, "labels": labels},
        "unlabelled": {"images": images[:3]},
    }
    logs = method.divided_step(batch)
    assert float(logs["loss"]) == pytest.approx(
        float(tf.reduce_mean(expected)), rel=1e-6
    )
