"""PES (semi): the numbers of its sheet, its epochs, what is trained when."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
import tiny_runs
from tfnoisy import errors
from tfnoisy.methods import base, last_layer
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.methods.pes import epochs, pes_semi

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
        epochs.class_weights(counts, largest), expected, atol=1e-6
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
    assert epochs.batch_sizes(confident, others, 128) == expected


@pytest.mark.parametrize(
    "weights, expected", [([1, 0.5, 2], 1.128678), ([1, 1, 1], 0.860645)]
)
def test_the_loss_of_confident_examples(weights, expected):
    logits = tf.constant([[2.0, 0, -1], [0, 1, 0]])
    targets = tf.constant([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]])
    if expected == 0.860645:
        # The sheet's number for equal weights is of the given labels.
        targets = tf.constant([[1.0, 0, 0], [0, 0, 1.0]])
    found = pes_semi.confident_loss(
        logits, targets, tf.constant(weights, tf.float32)
    )
    assert float(found) == pytest.approx(expected, abs=2e-6)


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
    assert epochs.cosine_rate(0.02, epoch, 300) == pytest.approx(
        expected, abs=6e-7
    )


def staged(step=0, num_steps=1000, **kwargs):
    method = tiny_methods.compiled("pes_semi", num_ids=COUNT, **kwargs)
    data = tiny_runs.make_data(batch_size=BATCH)
    return method, data, method.stage(step, data, num_steps)


def test_what_each_epoch_trains():
    # 40 examples: 3 batches of 15 in a pass, 2 full ones in an epoch.
    method = tiny_methods.compiled(
        "pes_semi", num_ids=COUNT, T1=2, T2=1, num_epochs=4, lr=0.1
    )
    data = tiny_runs.make_data(batch_size=15)
    kinds = []
    for step in range(20):
        stage = method.stage(step, data, 1000)
        if stage is None:
            break
        kinds.append(
            (
                stage.train_step.__name__,
                stage.first_step,
                stage.last_step,
                int(base.value_of(method.epoch)),
            )
        )
        assert float(method.optimizer.learning_rate) == pytest.approx(
            epochs.cosine_rate(0.1, kinds[-1][-1], 4)
        )
    assert kinds == [
        *[("plain_step", 0, 3, 0)] * 3,
        *[("plain_step", 3, 6, 1)] * 3,
        *[("refine_step", 6, 9, 2)] * 3,
        *[("mixmatch_step", 9, 11, 2)] * 2,
        *[("mixmatch_step", 11, 13, 3)] * 2,
    ]
    found = method.steps_of_run(4, COUNT, 15, {"T1": 2, "T2": 1})
    assert found == len(kinds)
    assert method.steps_of_run(2, COUNT, 15, {"T1": 2, "T2": 1}) == 6


def test_epochs_follow_from_the_steps_where_nothing_says_them():
    method, data, _ = staged(T1=1, T2=1, num_epochs=0)
    assert method.stage(9, data, 10) is not None
    assert method.stage(10, data, 10) is None


def test_confident_are_labels_that_two_views_predict_on_the_mean():
    method, data, _ = staged(4, T1=1, T2=1)
    views = []
    for view in (0, 1):
        batches = data.training_view_batches(COUNT, (1, epochs.DIVIDE, view))
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
        epochs.class_weights(np.bincount(labels[right], minlength=10)),
    )
    evidence = method.evidence()
    np.testing.assert_array_equal(evidence["is_label_issue"], ~right)


def test_batches_have_only_full_parts_of_both_kinds():
    method, data, _ = staged(4, T1=1, T2=1)
    stage = method.stage(4, data, 1000)
    judged = base.value_of(method.judged)[data.dataset.ids]
    right = judged[:, 2] > 0
    sizes = epochs.batch_sizes(right.sum(), (~right).sum(), BATCH)
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


@pytest.mark.parametrize("train_new_layers", [False, True])
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


def test_adam_is_keras_s():
    method, _, stage = staged(4, T1=2, T2=2)
    assert stage.train_step == method.refine_step
    method.step.assign(4)
    twin = keras.models.clone_model(method.student)
    twin.set_weights(method.student.get_weights())
    head = twin.layers[-1].trainable_variables
    adam = keras.optimizers.Adam(1e-4, epsilon=1e-8)
    for batch in stage.batches(0, None):
        with tf.GradientTape() as tape:
            z = twin(batch["images"], training=True)
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    batch["labels"], z
                )
            )
        adam.apply(tape.gradient(loss, head), head)
        logs = method.refine_step(batch)
        assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert method.steps_made() == 6
    for own, v in zip(method.new_layer, head, strict=True):
        np.testing.assert_allclose(
            base.value_of(own), base.value_of(v), atol=1e-7
        )


def test_two_replicas_refine_as_one_device_does(two_replicas):
    found = []
    for strategy in (tf.distribute.OneDeviceStrategy("/cpu:0"), two_replicas):
        with strategy.scope():
            method = pes_semi.PESSemi(normalised(), num_ids=COUNT, T1=0, T2=1)
            method.compile(keras.optimizers.SGD(0.1))
        data = tiny_runs.make_data(batch_size=BATCH)
        stage = method.stage(0, data, 1000)
        assert stage.train_step == method.refine_step
        batch = next(iter(stage.batches(0, None)))
        step = tf.function(
            lambda s=strategy, m=method, b=batch: s.run(m.refine_step, (b,))
        )
        for _ in range(3):
            step()
        assert method.steps_made() == 3
        found.append([base.value_of(v) for v in method.new_layer])
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-6)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("epoch", [25, 160])
def test_a_step_of_mixmatch(epoch):
    """The step once more, in NumPy from the sheet."""
    method = pes_semi.PESSemi(
        deep(), num_ids=COUNT, T1=20, weight_decay=0.0, lambda_u=5.0
    )
    method.compile(keras.optimizers.SGD(0.1))
    rng = np.random.default_rng(0)
    x, u = (rng.normal(size=(n, 2, 8, 8, 1)).astype("f4") for n in (5, 3))
    labels = np.array([0, 3, 3, 9, 1])
    w = rng.uniform(0, 3, 10).astype("f4")
    method.epoch.assign(epoch)
    method.epoch_steps.assign(4)
    method.first_step.assign(0)
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
    logs = {k: float(v) for k, v in method.mixmatch_step(batch).items()}
    assert logs["confident_loss"] == pytest.approx(of_x, rel=1e-5)
    assert logs["other_loss"] == pytest.approx(of_u, rel=1e-5)
    assert logs["lambda_u"] == pytest.approx(factor)
    assert logs["loss"] == pytest.approx(of_x + factor * of_u, rel=1e-5)
    after = [base.value_of(v) for v in method.student.trainable_variables]
    new = {id(v) for v in method.new_layer}
    for v, a, b in zip(
        method.student.trainable_variables, before, after, strict=True
    ):
        assert np.array_equal(a, b) == (id(v) in new)


def test_alpha_falls_in_the_middle():
    method, _, _ = staged()
    for epoch, expected in ((20, None), (149, None), (150, 0.778209)):
        method.epoch.assign(epoch)
        draws = []
        for step in range(2000):
            method.step.assign(step)
            draw = float(method.draw_beta({"labelled": {}}))
            draws.append(max(draw, 1 - draw))
        if expected is not None:
            assert np.mean(draws) == pytest.approx(expected, abs=0.012)
        else:
            # E[max(l, 1 - l)] of Beta(4, 4).
            assert np.mean(draws) == pytest.approx(0.636719, abs=0.01)


def test_where_all_labels_are_predicted_there_is_no_second_part():
    method, data, _ = staged(4, T1=1, T2=1)
    judged = base.value_of(method.judged)
    judged[data.dataset.ids, 2] = 1
    method.judged.assign(judged)
    batch = next(iter(method.stage(5, data, 1000).batches(0)))
    assert set(batch) == {"labelled"}
    logs = method.mixmatch_step(batch)
    assert float(logs["other_loss"]) == 0
    assert np.isfinite(float(logs["loss"]))


def test_no_confident_label_is_a_warning():
    method, data, _ = staged(T1=1, T2=1)
    kernel, bias = method.new_layer
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
    method, data, _ = staged(T1=0, T2=0)
    assert len(method.student.trainable_variables) == len(method.new_layer)
    before = [base.value_of(v) for v in method.new_layer]
    batch = next(iter(method.stage(0, data, 1000).batches(0)))
    method.mixmatch_step(batch)
    assert method.steps_made() == 1
    for v, a in zip(method.new_layer, before, strict=True):
        assert not np.array_equal(base.value_of(v), a)
