import itertools
import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.datasets import dataset, pipeline
from tfnoisy.methods.dividemix import dividemix, mixture
from tfnoisy.nets import layers, pair
from tfnoisy.training import optimizer


def network(seed):
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(
        8,
        3,
        padding="same",
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed),
    )(inputs)
    x = keras.layers.ReLU()(layers.BatchNorm()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    initializer = keras.initializers.GlorotUniform(seed)
    outputs = keras.layers.Dense(5, kernel_initializer=initializer)(x)
    return keras.Model(inputs, outputs)


COUNT = 45


def data_of(count=COUNT, wrong=0.3):
    """Coloured squares; every third id, in no order."""
    rng = np.random.default_rng(1)
    clean = np.arange(count) % 5
    colours = 40 + 170 * np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]]
    )
    images = colours[clean][:, None, None] + rng.normal(0, 12, (count, 4, 4, 3))
    given = np.where(rng.random(count) < wrong, (clean + 1) % 5, clean)
    return pipeline.TrainingData(
        dataset.ImageDataset(
            name="squares",
            images=np.clip(images, 0, 255).astype(np.uint8),
            given_labels=given,
            clean_labels=clean,
            ids=3 * rng.permutation(count) + 1,
            class_names=tuple("abcde"),
        ),
        standard.get("standard", (4, 4, 3)),
        batch_size=16,
        seed=5,
    )


def compiled(cls=dividemix.DivideMix, **kwargs):
    kwargs = {
        "num_ids": 3 * COUNT + 1,
        "batch_size": 8,
        "warm_up": 2,
        "num_epochs": 3,
        "seed": 5,
        **kwargs,
    }
    method = cls(pair.Pair(network(1), network(2)), **kwargs)
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    return method


def run(method, data, until=10**6, compile_step=lambda step: step):
    """Trains stage by stage to a step; returns stages and logs.

    A short run is faster without tracing.
    """
    step, stages, logs, functions = int(method.step), [], [], {}
    while stage := method.stage(step, data, until):
        stages.append(stage)
        if stage.train_step not in functions:
            functions[stage.train_step] = compile_step(stage.train_step)
        batches = iter(stage.batches(step - stage.first_step, None))
        while step < min(stage.last_step, until):
            logs.append(functions[stage.train_step](next(batches)))
            step += 1
            assert int(method.step) == step
    return stages, logs


class Scripted(dividemix.DivideMix):
    """Its examples' losses are given."""

    def __init__(self, *args, losses, **kwargs):
        super().__init__(*args, **kwargs)
        self.scripted = losses
        self.asked = []

    def example_losses(self, k, data, rows):
        self.asked.append((k, int(self.step)))
        number = sum(asked == k for asked, _ in self.asked) - 1
        return np.asarray(self.scripted(k, number), np.float32)[rows]


def stages_of(method, data, until=10**6):
    """Yields the stages, without training."""
    while stage := method.stage(int(method.step), data, until):
        yield stage
        method.step.assign(min(stage.last_step, until))


def stage_of(method, data, epoch, k):
    """Returns the stage of that epoch and network, without training."""
    return next(itertools.islice(stages_of(method, data), 2 * epoch + k, None))


def two_heaps(k, number):
    """About two thirds small; other ones for each network and epoch."""
    rng = np.random.default_rng([k, number])
    large = rng.random(COUNT) < 0.35
    return np.where(large, 2 + 0.2 * rng.random(COUNT), 0.1 * rng.random(COUNT))


def test_the_order_of_epochs():
    method, data = compiled(Scripted, losses=two_heaps), data_of()
    stages = list(stages_of(method, data))
    # Epochs 0 and 1 of either network: 45 examples by 16.
    assert [(s.first_step, s.last_step) for s in stages[:4]] == [
        (0, 3),
        (3, 6),
        (6, 9),
        (9, 12),
    ]
    assert [s.evaluate for s in stages] == [False, True] * 4
    assert [s.train_step for s in stages[:4]] == 2 * method._warm_up_steps
    assert [s.train_step for s in stages[4:]] == 2 * method._train_steps
    assert [step.args for step in method._train_steps] == [(0,), (1,)]
    for before, after in itertools.pairwise(stages):
        assert before.last_step == after.first_step
    # Both are asked before either is trained, and only then.
    first, second = stages[4].first_step, stages[6].first_step
    assert method.asked == [(0, first), (1, first), (0, second), (1, second)]
    assert method.stage(stages[-1].last_step, data, 10**6) is None
    assert int(method.stage_index) == 7
    # An epoch is as long as the other network's labelled part.
    w = method.clean_probability.numpy()
    for k in (0, 1):
        labelled = np.sum(w[1 - k] > 0.5)
        assert 20 < labelled < 40
        stage = stages[6 + k]
        assert stage.last_step - stage.first_step == -(-labelled // 8)


def test_training_may_end_in_an_epoch():
    method, data = compiled(Scripted, losses=two_heaps), data_of()
    stages = list(stages_of(method, data, 4))
    assert stages[-1].last_step == 6
    assert method.stage(4, data, 4) is None
    # More steps go on in the middle of the same epoch.
    again = method.stage(4, data, 5)
    assert (again.first_step, again.last_step) == (3, 6)


def test_the_learning_rate_drops():
    method = compiled(Scripted, losses=two_heaps, lr=0.3, lr_drop_epochs=[1, 2])
    rates = [
        float(method.optimizer.learning_rate)
        for _ in itertools.islice(stages_of(method, data_of()), 6)
    ]
    expected = [0.3, 0.3, 0.03, 0.03, 0.003, 0.003]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def collected(batches, count):
    return [
        tf.nest.map_structure(lambda x: x.numpy(), batch)
        for batch in batches.take(count)
    ]


def test_warm_up_batches():
    method, data = compiled(Scripted, losses=two_heaps), data_of()
    stage = stage_of(method, data, 0, 0)
    batches = collected(stage.batches(0, None), 3)
    assert [len(batch["ids"]) for batch in batches] == [16, 16, 13]
    assert batches[0]["images"].shape == (16, 4, 4, 3)
    ids = np.concatenate([batch["ids"] for batch in batches])
    np.testing.assert_array_equal(np.sort(ids), np.sort(data.dataset.ids))
    # The other network sees them in another order.
    stage = stage_of(compiled(), data, 0, 1)
    other = collected(stage.batches(0, None), 1)[0]["ids"]
    assert np.any(other != ids[:16])


@pytest.mark.parametrize("k", slow_cases.but([0], [0, 1]))
def test_training_batches(k):
    method, data = compiled(Scripted, losses=two_heaps), data_of()
    stage = stage_of(method, data, 2, k)
    w = method.clean_probability.numpy()[1 - k]
    ids = data.dataset.ids
    labelled, unlabelled = ids[w[ids] > 0.5], ids[w[ids] <= 0.5]
    length = stage.last_step - stage.first_step
    batches = collected(stage.batches(0, None), length)
    x = [batch["labelled"] for batch in batches]
    u = [batch["unlabelled"] for batch in batches]
    assert x[0]["images"].shape == (8, 2, 4, 4, 3)
    assert np.any(x[0]["images"][:, 0] != x[0]["images"][:, 1])
    seen = np.concatenate([part["ids"] for part in x])
    np.testing.assert_array_equal(np.sort(seen), np.sort(labelled))
    assert len(x[-1]["ids"]) == len(labelled) - 8 * (length - 1)
    given = dict(zip(ids, data.dataset.given_labels))
    for part in x:
        np.testing.assert_array_equal(part["clean_probability"], w[part["ids"]])
        assert [given[i] for i in part["ids"]] == part["labels"].tolist()
    # The unlabelled part is begun anew, its short batch used as it is.
    each = -(-len(unlabelled) // 8)
    assert 1 < each < length
    passes = [
        np.concatenate([part["ids"] for part in u[start : start + each]])
        for start in range(0, length, each)
    ]
    np.testing.assert_array_equal(np.sort(passes[0]), np.sort(unlabelled))
    assert np.any(passes[0][:8] != passes[1][:8])
    # Enter in the middle.
    later = collected(stage.batches(2, None), 1)[0]
    tf.nest.map_structure(np.testing.assert_array_equal, later, batches[2])


def test_the_epoch_with_its_fraction():
    method, data = compiled(Scripted, losses=two_heaps), data_of()
    stage = stage_of(method, data, 2, 1)
    labelled = int(method.num_labelled)
    for it in (0, 2):
        method.step.assign(stage.first_step + it)
        expected = 2 + it / (labelled // 8 + 1)
        assert float(method.epoch_now()) == pytest.approx(expected, rel=1e-6)
    # Where B divides n, the original counts one iteration too many.
    method.num_labelled.assign(24)
    assert float(method.epoch_now()) == pytest.approx(2 + 2 / 4)


@pytest.mark.parametrize("average_last", [1, 5])
def test_the_mixture_is_fitted_to_the_last_losses(average_last, monkeypatch):
    judge, given = mixture.clean_probability, []

    def spy(losses, *args):
        given.append((losses, judge(losses, *args)))
        return given[-1][1]

    monkeypatch.setattr(mixture, "clean_probability", spy)
    method = compiled(
        Scripted,
        losses=two_heaps,
        average_last=average_last,
        warm_up=1,
        num_epochs=8,
    )
    data = data_of()
    stage_of(method, data, 8, 1)
    assert len(given) == 16
    seen = [
        mixture.normalise_losses(two_heaps(k, number))
        for number in range(8)
        for k in (0, 1)
    ]
    for index, (losses, _) in enumerate(given):
        last = seen[index % 2 : index + 1 : 2][-average_last:]
        np.testing.assert_allclose(losses, np.mean(last, axis=0), atol=1e-6)
    ids = data.dataset.ids
    w = method.clean_probability.numpy()
    np.testing.assert_array_equal(w[:, ids], [w for _, w in given[-2:]])
    others = np.setdiff1d(np.arange(3 * COUNT + 1), ids)
    assert np.all(w[:, others] == -1)
    history = method.loss_history.numpy()
    assert history.shape == (2, average_last, 3 * COUNT + 1)
    place = 7 % average_last
    np.testing.assert_allclose(history[:, place, ids], seen[-2:], atol=1e-6)


# Where the original stops.


def overlapping(k, number):
    """For network 2 nothing is far from anything."""
    if k == 0:
        return two_heaps(k, number)
    return np.linspace(0, 1, COUNT)


def equal(k, number):
    return two_heaps(k, number) if k == 0 else np.full(COUNT, 0.7)


@pytest.mark.parametrize(
    "losses, p_threshold, message, num_labelled",
    [
        (
            overlapping,
            0.999999,
            "epoch 0, network 2: no label is clean .* 8",
            8,
        ),
        (overlapping, 0.0, "network 2: all labels .* nothing is unl", COUNT),
        (equal, 0.5, "network 2: all losses are equal: every", COUNT),
    ],
)
def test_a_fall_back_warns_once(losses, p_threshold, message, num_labelled):
    method = compiled(
        Scripted,
        losses=losses,
        p_threshold=p_threshold,
        warm_up=0,
        num_epochs=0,
    )
    data = data_of()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        stage = method.stage(0, data, 10**6)
        # A second look decides nothing.
        method.stage(0, data, 10**6)
    assert len(caught) == 1
    assert re.search(message, str(caught[0].message))
    assert stage.last_step - stage.first_step == -(-num_labelled // 8)
    assert int(method.num_labelled) == num_labelled
    # Training goes on to the end.
    _, logs = run(method, data)
    assert int(method.stage_index) == 1
    assert all(np.isfinite(float(log["loss"])) for log in logs)
    assert (float(logs[0]["unlabelled_loss"]) == 0.0) == (num_labelled == COUNT)


def test_losses_that_are_no_numbers_stop_training():
    def losses(k, number):
        return np.where(np.arange(COUNT) == 7, np.nan, two_heaps(k, number))

    method = compiled(Scripted, losses=losses)
    with pytest.raises(errors.TrainingError, match="network 1 .* at step 12"):
        list(stages_of(method, data_of()))


# Runs.


def state_of(method):
    return [*method.variables, *method.optimizer.variables]


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bytes(tmp_path):
    kwargs = {"warm_up": 1, "num_epochs": 2, "average_last": 5, "lr": 0.1}
    data = data_of()
    whole = compiled(**kwargs)
    stages, _ = run(whole, data)
    borders = [stage.first_step for stage in stages]
    previous = None
    # In the epoch of the first network after a division, and to the end.
    for cut in (borders[2] + 2, 10**6):
        part = compiled(**kwargs)
        if previous:
            part.checkpoint().restore(previous).assert_consumed()
        run(part, data, cut)
        previous = part.checkpoint().save(str(tmp_path / str(cut)))
    assert int(part.step) == int(whole.step) > borders[5]
    for value, again in zip(state_of(whole), state_of(part), strict=True):
        np.testing.assert_array_equal(value, again, err_msg=value.path)


def test_a_run_resumed_in_the_warm_up():
    data = data_of()
    whole, parts = compiled(), compiled()
    run(whole, data, 5)
    run(parts, data, 4)
    run(parts, data, 5)
    for value, again in zip(state_of(whole), state_of(parts), strict=True):
        np.testing.assert_array_equal(value, again, err_msg=value.path)


@pytest.mark.slow
def test_wrong_labels_are_found():
    training = data_of(225)
    method = compiled(num_ids=3 * 225 + 1, lr=0.1, warm_up=4, num_epochs=5)
    assert method.evidence() is None
    run(method, training, compile_step=tf.function)
    found, data = method.evidence(), training.dataset
    np.testing.assert_array_equal(found["ids"], np.sort(data.ids))
    order = np.argsort(data.ids)
    wrong = (data.given_labels != data.clean_labels)[order]
    assert 50 < wrong.sum() < 90
    assert np.mean(found["is_label_issue"] == wrong) > 0.9
    w = method.clean_probability.numpy()[:, found["ids"]].mean(0)
    np.testing.assert_allclose(found["clean_probability"], w, rtol=1e-6)


def test_an_epoch_of_two_replicas_is_half_as_long(two_replicas):
    data = data_of()
    with two_replicas.scope():
        method = compiled(warm_up=1, num_epochs=1)
    stages, step = [], 0
    while stage := method.stage(step, data, 10**6):
        stages.append(stage)
        step = stage.last_step
    # 45 by 2 * 16 is two steps; both parts' ends are filled by a new pass.
    w = tf.convert_to_tensor(method.clean_probability.value).numpy()
    lengths = [2, 2]
    lengths += [-(-np.sum(w[1 - k] > 0.5) // 16) for k in (0, 1)]
    assert [s.last_step - s.first_step for s in stages] == lengths
    batches = collected(stages[0].batches(0, None), 4)
    assert [len(batch["ids"]) for batch in batches] == [16, 16, 13, 16]


@pytest.mark.slow
def test_class_balanced_samples():
    kwargs = {"num_batches": 2, "batch_size": 5, "warm_up": 1, "num_epochs": 2}
    method, data = compiled(**kwargs, mix_unlabelled=False), data_of()
    stages, _ = run(method, data, 8)
    # Two batches of 10, then the division of 10 images of each network.
    assert [s.last_step for s in stages[:2]] == [2, 4]
    first, second = (
        {i for b in collected(s.batches(0, None), 2) for i in b["ids"]}
        for s in stages[:2]
    )
    assert len(first) == len(second) == 20
    assert first != second
    w = method.clean_probability.numpy()
    samples = [np.flatnonzero(row >= 0) for row in w]
    assert set(samples[0]) != set(samples[1])
    label_of = dict(zip(data.dataset.ids, data.dataset.given_labels))
    for sample in samples:
        labels = [label_of[i] for i in sample]
        np.testing.assert_array_equal(np.bincount(labels, minlength=5), [2] * 5)
    # Network 1 trains on the sample of network 2.
    stage = method.stage(int(method.step), data, 10**6)
    batch = collected(stage.batches(0, None), 1)[0]
    k = int(method.stage_index) % 2
    assert set(batch["labelled"]["ids"]) <= set(samples[1 - k])
    assert set(batch["unlabelled"]["ids"]) <= set(samples[1 - k])
    np.testing.assert_array_equal(
        method.evidence()["ids"], np.union1d(*samples)
    )


def test_each_epoch_divides_new_samples_for_the_other_network():
    """Clothing1M: a sample of each network, for the other's next epoch."""
    method, data = (
        compiled(
            Scripted,
            losses=two_heaps,
            num_batches=4,
            batch_size=5,
            warm_up=1,
            num_epochs=2,
            mix_unlabelled=False,
        ),
        data_of(),
    )
    label_of = dict(zip(data.dataset.ids, data.dataset.given_labels))
    samples = []
    for stage in stages_of(method, data):
        epoch, k = divmod(int(method.stage_index), 2)
        if epoch == 0:
            # Batches of twice 5, of 4 times that many images: 8 a class.
            assert stage.last_step - stage.first_step == 4
            batches = collected(stage.batches(0, None), 4)
            ids = np.concatenate([batch["ids"] for batch in batches])
            labels = [label_of[i] for i in ids]
            assert np.bincount(labels).max() == 8
            assert len(set(ids)) == len(ids) <= 40
            samples.append(frozenset(ids))
            continue
        w = method.clean_probability.numpy()
        own, others = (np.flatnonzero(w[j] >= 0) for j in (k, 1 - k))
        samples.append(frozenset(own))
        labels = [label_of[i] for i in own]
        np.testing.assert_array_equal(np.bincount(labels, minlength=5), [4] * 5)
        length = stage.last_step - stage.first_step
        batches = collected(stage.batches(0, None), length)
        for part, inside in (
            ("labelled", w[1 - k] > 0.5),
            ("unlabelled", (w[1 - k] >= 0) & (w[1 - k] <= 0.5)),
        ):
            ids = np.concatenate([batch[part]["ids"] for batch in batches])
            assert set(ids) <= set(np.flatnonzero(inside)) <= set(others)
            if part == "labelled":
                np.testing.assert_array_equal(
                    np.sort(ids), np.flatnonzero(inside)
                )
    # Two networks in each of three epochs: never twice the same sample.
    assert len(samples) == len(set(samples)) == 6
    # Both networks judge at each epoch's first step.
    judges = {at: [] for _, at in method.asked}
    for k, at in method.asked:
        judges[at].append(k)
    assert list(judges.values()) == [[0, 1]] * 2
    assert min(judges) == 8


def test_example_losses():
    method, data = compiled(), data_of()
    network = method.student.networks[1]
    images = data.augmentation.evaluate(tf.constant(data.dataset.images))
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(
        data.dataset.given_labels, network(images, training=False)
    ).numpy()
    rows = np.arange(COUNT)
    found = method.example_losses(1, data, rows)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    rows = np.array([3, 17, 44])
    found = method.example_losses(1, data, rows)
    np.testing.assert_allclose(found, expected[rows], rtol=1e-5, atol=1e-5)


def test_replicas_share_a_pass_over_the_examples(two_replicas):
    data, alone = data_of(), compiled()
    with two_replicas.scope():
        method = compiled()
    # Two batches of 32 for one step of both; and one for both.
    for rows in (np.arange(COUNT), np.array([3, 17, 44])):
        np.testing.assert_allclose(
            method.example_losses(1, data, rows),
            alone.example_losses(1, data, rows),
            rtol=1e-5,
            atol=1e-5,
        )


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"p_threshold": 1.0}, "--p_threshold=1.0 must be at least 0"),
        ({"batch_size": 0}, "--batch_size=0 must be at least 1"),
        ({"average_last": 0}, "--average_last=0 must be at least 1"),
        ({"average_last": 5, "num_batches": 2}, "must be 1 with --num_batches"),
    ],
)
def test_values_out_of_range(kwargs, message):
    with pytest.raises(errors.UserError, match=message):
        compiled(**kwargs)
