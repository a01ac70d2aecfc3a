import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

import golden
from tfnoisy import errors, metrics
from tfnoisy.augment import standard
from tfnoisy.datasets import dataset, pipeline
from tfnoisy.methods import base
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.bkd import bkd, trust
from tfnoisy.nets import layers, pair
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import evaluation, loop, optimizer

# The equations.  The numbers were worked out from lines 57 to 95 of
# blind_knowledge_dist_training.py.

Z_T = [[2.0, 0, -1], [0, 1, 0]]
Z_S = [[0.0, 1, 0], [0.5, 0, -0.5]]
LABELS = [0, 2]


def one_hot(labels, num_classes=3):
    return tf.one_hot(labels, num_classes)


def test_agreement():
    p_t, p_s = tf.constant([[0.5, 0.3, 0.2]]), tf.constant([[0.2, 0.5, 0.3]])
    np.testing.assert_allclose(
        bkd.agreement(tf.math.log(p_t), tf.math.log(p_s)),
        [[0.322581, 0.483871, 0.193548]],
        atol=1e-6,
    )
    z = tf.constant([[1.0, 2, 0]]), tf.constant([[0.5, -1, 2]])
    np.testing.assert_allclose(
        bkd.agreement(*z), [[0.3072, 0.1863, 0.5065]], atol=5e-5
    )
    # Where the product of the two softmaxes is 0 everywhere.
    z = tf.constant([[300.0, 0, 0]]), tf.constant([[0.0, 300, 0]])
    np.testing.assert_allclose(bkd.agreement(*z), [[0.5, 0.5, 0]], atol=1e-6)


def test_complementary_loss():
    z_t, z_s = tf.constant([[1.0, 2, 3], [0, 1, 0]]), tf.zeros([2, 3])
    with tf.GradientTape() as tape:
        tape.watch([z_t, z_s])
        loss = bkd.complementary_loss(z_t, z_s, one_hot([2, 1]))
    assert float(loss) == 1.0
    teacher, student = (g.numpy() for g in tape.gradient(loss, [z_t, z_s]))
    np.testing.assert_array_equal(teacher, -student)
    np.testing.assert_allclose(teacher, [[0.4, 0.8, 0], [0, 0, 0]], atol=1e-6)


@pytest.mark.parametrize(
    "alphas, naive, total, teacher, student",
    [
        (
            [0.0, 0.0],
            0.860645,
            1.510645,
            [
                [-0.078103, -0.342902, -0.378995],
                [-0.094029, 0.688058, -0.394029],
            ],
            [[0, 0.4, 0.4], [0.2, -0.4, 0]],
        ),
        (
            [0.3, 0.7],
            0.957211,
            1.607211,
            [
                [-0.000240, -0.404090, -0.395671],
                [-0.271458, 0.612223, -0.140764],
            ],
            [
                [-0.052520, 0.431725, 0.420796],
                [0.268207, -0.495746, 0.027539],
            ],
        ),
    ],
)
def test_losses_and_gradients(alphas, naive, total, teacher, student):
    z_t, z_s, labels = tf.constant(Z_T), tf.constant(Z_S), one_hot(LABELS)
    with tf.GradientTape() as tape:
        tape.watch([z_t, z_s])
        targets = bkd.robust_targets(
            labels, tf.nn.softmax(z_s), tf.constant(alphas)
        )
        ce = tf.reduce_mean(losses_lib.cross_entropy(targets, z_t))
        complementary = bkd.complementary_loss(z_t, z_s, labels)
        loss = ce + complementary
    assert float(ce) == pytest.approx(naive, abs=1e-6)
    assert float(complementary) == pytest.approx(0.65, abs=1e-6)
    assert float(loss) == pytest.approx(total, abs=2e-6)
    found = tape.gradient(loss, [z_t, z_s])
    np.testing.assert_allclose(found[0], teacher, atol=2e-6)
    np.testing.assert_allclose(found[1], student, atol=2e-6)


def test_targets_of_phase_2():
    np.testing.assert_allclose(
        bkd.robust_targets(
            one_hot(LABELS),
            tf.nn.softmax(tf.constant(Z_S)),
            tf.constant([0.3, 0.7]),
        ),
        [[0.844274, 0.122375, 0.033351], [0.354858, 0.151672, 0.493470]],
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "p_s, alpha, expected",
    [
        ([0.2, 0.5, 0.3], 0.30, [0.844781, 0.102472, 0.052747]),
        ([0.2, 0.5, 0.3], 0.45, [0.755085, 0.165844, 0.079071]),
        ([0.2, 0.5, 0.3], 0.55, [0.674509, 0.224007, 0.101484]),
        ([0.2, 0.5, 0.3], 0.70, [0.509659, 0.345403, 0.144938]),
        ([0.2, 0.5, 0.3], 0.00, [1.0, 0.0, 0.0]),
        ([0.02, 0.95, 0.03], 0.30, [0.762806]),
        ([0.02, 0.95, 0.03], 0.45, [0.594412]),
        ([0.02, 0.95, 0.03], 0.55, [0.450460, 0.546957]),
        ([0.02, 0.95, 0.03], 0.70, [0.217809, 0.779997]),
    ],
)
def test_robust_targets(p_s, alpha, expected):
    targets = bkd.robust_targets(
        one_hot([0]), tf.constant([p_s]), tf.constant([alpha])
    )[0]
    np.testing.assert_allclose(targets[: len(expected)], expected, atol=1e-6)
    keeps = alpha < 0.5 or p_s[0] == 0.2
    assert int(tf.argmax(targets)) == (0 if keeps else 1)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_targets_have_gradients_where_the_student_is_sure(alpha):
    p_s = tf.constant([[0.0, 1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(p_s)
        targets = bkd.robust_targets(one_hot([0]), p_s, tf.constant([alpha]))
        first = targets[0, 0]
    gradient = tape.gradient(first, p_s).numpy()
    assert np.isfinite(gradient).all()
    assert (np.abs(gradient).max() > 0) == (alpha > 0)


# The step.


def constant_network(logits):
    """One row of logits for each example of the batch [len(logits)]."""
    inputs = keras.Input([len(logits)])
    dense = keras.layers.Dense(
        len(logits[0]),
        use_bias=False,
        kernel_initializer=keras.initializers.Constant(np.array(logits)),
    )
    return keras.Model(inputs, dense(inputs))


def method_on_logits(**kwargs):
    """Teacher and student give Z_T and Z_S; their kernels are the logits."""
    student = pair.Pair(constant_network(Z_T), constant_network(Z_S))
    method = bkd.BKD(student, num_ids=8, weight_decay=0.0, **kwargs)
    method.compile(optimizer.TF1Momentum(1.0, 0.0))
    return method, {
        "images": tf.eye(2),
        "labels": tf.constant(LABELS),
        "ids": tf.constant([5, 3], tf.int64),
    }


def test_what_a_step_records():
    method, batch = method_on_logits()
    logs = method.train_step(batch)
    assert float(logs["loss"]) == pytest.approx(1.510645, abs=2e-6)
    assert float(logs["confidence"]) == pytest.approx(0.541299, abs=1e-6)
    recorded = base.value_of(method.tipping_point.recorded)
    np.testing.assert_allclose(
        recorded[[5, 3]], [[0.705385, 1], [0.121952, 1]], atol=1e-6
    )
    assert np.count_nonzero(recorded) == 4
    assert float(method.tipping_point.confidence) == pytest.approx(
        2 * 0.541299, abs=2e-6
    )


@pytest.mark.parametrize("detached", [False, True])
@pytest.mark.parametrize("phase", [1, 2])
def test_who_learns_from_whom(phase, detached):
    method, batch = method_on_logits(detached=detached)
    if phase == 2:
        groups = np.zeros(8)
        groups[[5, 3]] = 1, 4
        method.tipping_point.groups.assign(groups)
    logs = method.train_step(batch)
    assert float(logs["loss"]) == pytest.approx(
        1.510645 if phase == 1 else 1.607211, abs=2e-6
    )
    teacher, student = (
        logits - network.trainable_variables[0].numpy()
        for logits, network in zip((Z_T, Z_S), method.student.networks)
    )
    blind = np.array([[0, 0.4, 0.4], [0.2, -0.4, 0]])
    if phase == 1:
        gradient = [
            [-0.078103, -0.342902, -0.378995],
            [-0.094029, 0.688058, -0.394029],
        ]
    else:
        gradient = [
            [-0.000240, -0.404090, -0.395671],
            [-0.271458, 0.612223, -0.140764],
        ]
    # Detached, the teacher's gradient is that of the cross-entropy alone.
    np.testing.assert_allclose(teacher, gradient + detached * blind, atol=2e-6)
    if phase == 2 and not detached:
        blind = [
            [-0.052520, 0.431725, 0.420796],
            [0.268207, -0.495746, 0.027539],
        ]
    np.testing.assert_allclose(student, blind, atol=2e-6)


def test_a_step_of_each_phase_is_the_originals():
    numbers = golden.read("bkd_step")
    method = golden.compiled(
        bkd.BKD(
            pair.Pair(golden.network(0), golden.network(1)),
            num_ids=10,
            weight_decay=0.02,
        )
    )
    step = tf.function(method.train_step, autograph=False)

    def step_on(rows, expected):
        logs = step(golden.batch(rows))
        naive, complementary = logs["naive_loss"], logs["complementary_loss"]
        np.testing.assert_allclose(
            [naive + complementary, naive, complementary],
            expected["losses"],
            atol=1e-5,
        )
        for name, network in zip(
            ("teacher", "student"), method.student.networks
        ):
            variables = golden.weights(network)
            for v, value in zip(variables, expected[name], strict=True):
                np.testing.assert_allclose(np.ravel(v), value, atol=3e-6)

    step_on(np.arange(6), numbers["phase1"])
    recorded = base.value_of(method.tipping_point.recorded)
    np.testing.assert_allclose(
        recorded[:6, 0], numbers["phase1"]["agreement"], atol=1e-6
    )
    assert float(method.tipping_point.confidence) / 6 == pytest.approx(
        numbers["phase1"]["confidence"], abs=1e-6
    )
    groups = [0] * 6 + [1, 2, 3, 4]
    method.tipping_point.groups.assign(groups)
    step_on(np.arange(6, 10), numbers["phase2"])
    np.testing.assert_allclose(
        method._judged_agreements(golden.batch(np.arange(10))),
        numbers["judged"],
        atol=2e-6,
    )


def test_weight_decay_is_of_all_trainables():
    method, batch = method_on_logits()
    method.weight_decay = 0.5
    logs = method.train_step(batch)
    squares = np.sum(np.square(Z_T)) + np.sum(np.square(Z_S))
    assert float(logs["loss"]) == pytest.approx(
        1.510645 + 0.25 * squares, abs=1e-5
    )


def test_batches_need_ids():
    method, batch = method_on_logits()
    with pytest.raises(errors.UserError, match="ids"):
        method.train_step((batch["images"], batch["labels"]))


# The epochs.


class Scripted(bkd.BKD):
    """Its student's mean confidence follows a script."""

    script = ()

    def stage(self, step, data, num_steps):
        point = self.tipping_point
        count = int(base.value_of(point.recorded)[:, 1].sum())
        if self.script and count == self.tipping_every * len(data.dataset):
            point.confidence.assign(self.script[int(point.epochs)] * count)
        return super().stage(step, data, num_steps)


PEAK_AT_3 = (0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.1, 0.1)


def data_of(count=22, batch_size=12, same=False):
    """Examples with every other id, in a mixed order."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, [count, 8, 8, 1], np.uint8)
    if same:
        images[:] = images[0]
    labels = np.zeros(count, int) if same else np.arange(count) % 3
    return pipeline.TrainingData(
        dataset.ImageDataset(
            "few",
            images,
            labels,
            None,
            2 * rng.permutation(count),
            ("a", "b", "c"),
        ),
        standard.get("none" if same else "standard", (8, 8, 1)),
        batch_size,
        seed=4,
    )


def small_network(seed):
    inputs = keras.Input([8, 8, 1])
    kernel = keras.initializers.HeNormal(seed)
    x = keras.layers.Conv2D(
        8, 3, strides=2, use_bias=False, kernel_initializer=kernel
    )(inputs)
    x = keras.layers.ReLU()(layers.BatchNorm()(x))
    x = keras.layers.Flatten()(x)
    kernel = keras.initializers.GlorotUniform(seed)
    dense = keras.layers.Dense(3, kernel_initializer=kernel)
    return keras.Model(inputs, dense(x))


def compiled(cls=Scripted, script=PEAK_AT_3, n_epoch=8, num_ids=43, **kwargs):
    student = pair.Pair(small_network(1), small_network(2))
    method = cls(student, num_ids=num_ids, n_epoch=n_epoch, **kwargs)
    method.script = script
    method.compile(optimizer.TF1Momentum(0.02, 0.9))
    return method


def train(method, data, num_steps=10**6, on_epoch=lambda _: None):
    """The loop, without its files."""
    step = tf.function(method.train_step, autograph=False)
    while stage := method.stage(int(method.step), data, num_steps):
        on_epoch(stage)
        first = int(method.step) - stage.first_step
        for batch in stage.batches(first, None):
            step(batch)
            if int(method.step) == num_steps:
                break
    return method


def test_an_epoch_is_a_pass_with_a_short_last_batch():
    data = data_of(batch_size=6)
    method = compiled(n_epoch=2)
    stage = method.stage(0, data, 100)
    assert (stage.first_step, stage.last_step) == (0, 4)
    batches = list(stage.batches(0, None))
    assert [len(batch["ids"]) for batch in batches] == [6, 6, 6, 4]
    ids = np.concatenate([batch["ids"] for batch in batches])
    assert sorted(ids) == sorted(data.dataset.ids)
    (last,) = stage.batches(3, None)
    np.testing.assert_array_equal(last["images"], batches[3]["images"])
    again = method.stage(2, data, 100)
    assert (again.first_step, again.last_step) == (0, 4)


def test_rate_and_evaluations():
    seen = []
    method = compiled(
        n_epoch=5, lr_drop_epochs=[2], lr_drop_factor=0.5, clean_test_freq=3
    )

    def on_epoch(stage):
        rate = float(method.optimizer.learning_rate)
        seen.append((rate, stage.evaluate))

    with pytest.warns(UserWarning, match="no tipping point"):
        train(method, data_of(), on_epoch=on_epoch)
    rates, evaluated = zip(*seen)
    np.testing.assert_allclose(rates, [0.02, 0.02, 0.01, 0.01, 0.01])
    assert evaluated == (True, False, False, True, True)


def test_the_published_rate():
    method = compiled(n_epoch=300)
    data = data_of(4, 4)
    for epoch, rate in [(0, 0.02), (149, 0.02), (150, 0.002), (299, 0.002)]:
        method.tipping_point.epochs.assign(epoch)
        method.stage(epoch, data, 10**6)
        assert float(method.optimizer.learning_rate) == pytest.approx(rate)


class Remembering(Scripted):
    """Keeps what each epoch recorded and judged, and its groups."""

    def stage(self, step, data, num_steps):
        if not hasattr(self, "past"):
            self.past, self.judgements, self.grouped = [], {}, []
        recorded = base.value_of(self.tipping_point.recorded)
        if recorded.any():
            self.past.append(recorded)
        stage = super().stage(step, data, num_steps)
        self.grouped.append(base.value_of(self.tipping_point.groups))
        return stage

    def _judge_all(self, data, epoch):
        self.judgements[epoch] = super()._judge_all(data, epoch)
        return self.judgements[epoch]


def test_the_tipping_epoch_decides():
    data = data_of()
    method = train(compiled(Remembering, n_epoch=7), data)
    point = method.tipping_point
    assert int(point.epoch) == int(point.evidence_epoch) == 3
    np.testing.assert_allclose(point.curve(), PEAK_AT_3[:7], rtol=1e-5)
    # A pass after every undecided epoch, none later; groups from then on.
    assert list(method.judgements) == [0, 1, 2, 3, 4]
    assert [groups.any() for groups in method.grouped] == 6 * [False] + 2 * [
        True
    ]
    ids = data.dataset.ids
    q, count = method.past[3].T
    np.testing.assert_array_equal(count[ids], 1)
    np.testing.assert_array_equal(
        method.grouped[-1][ids],
        trust.trust_groups(q[ids], trust.otsu_split(q[ids])),
    )
    evidence = method.evidence()
    np.testing.assert_array_equal(evidence["ids"], np.sort(ids))
    np.testing.assert_array_equal(
        evidence["agreement"], method.judgements[3][np.argsort(ids)]
    )


@pytest.mark.slow
def test_an_epoch_of_the_curve_may_be_several_passes():
    data = data_of()
    kwargs = {"n_epoch": 15, "tipping_every": 2, "clean_test_freq": 100}
    method = compiled(Remembering, **kwargs)
    seen = []

    def on_epoch(stage):
        point = method.tipping_point
        seen.append((base.value_of(point.recorded), bool(np.any(point.groups))))

    train(method, data, on_epoch=on_epoch)
    # Decided after the sixth pair of passes; the last pass is without a pair.
    np.testing.assert_allclose(
        method.tipping_point.curve(), PEAK_AT_3[:7], rtol=1e-5
    )
    assert [grouped for _, grouped in seen] == 12 * [False] + 3 * [True]
    ids = data.dataset.ids
    counts = [set(recorded[ids, 1]) for recorded, _ in seen]
    assert counts == 7 * [{0.0}, {1.0}] + [{0.0}]
    assert sorted(method.judgements) == [1, 3, 5, 7, 9]
    assert int(method.tipping_point.epoch) == 3
    assert method.method_metrics()["tipping"]["every"] == 2
    np.testing.assert_array_equal(
        method.evidence()["agreement"], method.judgements[7][np.argsort(ids)]
    )


def test_judging_is_in_evaluation_mode_on_a_training_view():
    data, method = data_of(), compiled()
    before = [v.numpy() for v in method.student.variables]
    q = method._judge_all(data, 3)
    assert q.shape == (22,)
    teacher, student = method.student.networks
    (batch,) = data.training_view_batches(22, (3, 1))
    z = teacher(batch["images"], training=False) + student(
        batch["images"], training=False
    )
    expected = tf.gather(tf.nn.softmax(z), batch["labels"], batch_dims=1)
    np.testing.assert_allclose(q, expected, atol=1e-6)
    (plain,) = data.evaluation_batches(22)
    assert np.abs(plain["images"] - batch["images"]).max() > 0.1
    for v, value in zip(method.student.variables, before):
        np.testing.assert_array_equal(v, value)
    # Another epoch, another view.
    assert np.abs(method._judge_all(data, 4) - q).max() > 1e-4


def test_without_the_fallback_no_label_is_judged():
    method = compiled(script=(), n_epoch=1, fallback=False)
    with pytest.warns(UserWarning, match="no label is judged"):
        train(method, data_of())
    assert method.evidence() is None


def test_equal_agreements_are_warned_of_and_flag_nothing():
    # All images and labels are one: so is q, and the Otsu split has no cut.
    with pytest.warns(UserWarning) as caught:
        method = train(compiled(script=(), n_epoch=1), data_of(same=True))
    assert [
        text in str(w.message)
        for w, text in zip(caught, ("no tipping point", "evaluation in epoch"))
    ] == [True, True]
    evidence = method.evidence()
    assert len(evidence["ids"]) == 22
    assert not evidence["is_label_issue"].any()


def test_training_that_ends_early_judges_by_whole_epochs():
    with pytest.warns(UserWarning, match="no tipping point in 2 epochs"):
        method = train(compiled(), data_of(), num_steps=5)
    assert int(method.step) == 5
    assert method.tipping_point.curve().tolist() == [0.1, 0.2]
    assert int(method.tipping_point.evidence_epoch) == 1


def test_predictions_that_are_no_numbers_stop_the_run():
    method = compiled()
    v = method.student.trainable_variables[-1]
    v.assign(v * np.nan)
    with pytest.raises(errors.TrainingError, match="epoch 2 .*--lr"):
        method._judge_all(data_of(), 2)


# In the loop.


def run_loop(path, num_steps=16):
    """Eight epochs of two steps; returns the method and the metrics."""
    data, method = data_of(), compiled()
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    rows = loop.Loop(
        method,
        data,
        run_folder.RunFolder(path),
        strategy,
        num_steps=num_steps,
        eval_every=0,
        evaluators={
            "test": evaluation.Evaluator(
                method, data.dataset, data.augmentation, 22, strategy
            )
        },
        progress=False,
    ).run()
    return method, rows


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bytes(tmp_path):
    whole, rows = run_loop(tmp_path / "whole")
    # The stages have it judged after the first epoch and the last.
    assert [row["step"] for row in rows] == [2, 16]
    assert rows[-1]["train_complementary_loss"] > 0
    # Within an undecided epoch, at the end of the one after which is decided,
    # within one of phase 2.
    for killed_at in (9, 12, 15):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run_loop(tmp_path / "parts", killed_at)
    parts, rows_again = run_loop(tmp_path / "parts")
    assert int(parts.tipping_point.epoch) == 3
    assert base.value_of(parts.tipping_point.groups).any()
    expected, found = (
        [*method.variables, *method.optimizer.variables]
        for method in (whole, parts)
    )
    assert len(expected) == len(found)
    for v, w in zip(expected, found):
        np.testing.assert_array_equal(
            base.value_of(v), base.value_of(w), err_msg=v.path
        )
    assert rows_again[-1]["test_loss"] == rows[-1]["test_loss"]


def test_replicas_share_an_epoch(two_replicas):
    data = data_of(batch_size=8)
    with two_replicas.scope():
        method = compiled(script=(), n_epoch=2)
    stage = method.stage(0, data, 100)
    # Three batches of 8, 8 and 6, for four places.
    assert (stage.first_step, stage.last_step) == (0, 2)
    batches = list(stage.batches(0, None).take(4))
    step = tf.function(
        lambda batch: two_replicas.run(stage.train_step, (batch,)),
        autograph=False,
    )
    confidences = 0.0
    for pair_of_batches in (batches[:2], batches[2:]):

        def batch_of(context, parts=pair_of_batches):
            return parts[context.replica_id_in_sync_group]

        logs = step(
            two_replicas.experimental_distribute_values_from_function(batch_of)
        )
        means = two_replicas.experimental_local_results(logs["confidence"])
        sizes = [len(batch["ids"]) for batch in pair_of_batches]
        confidences += np.dot(sizes, means)
    point = method.tipping_point
    ids = data.dataset.ids
    sums, counts = base.value_of(point.recorded).T
    seen = np.concatenate([batch["ids"] for batch in batches])
    np.testing.assert_array_equal(counts, np.bincount(seen, minlength=43))
    assert counts.sum() == 30 and counts[ids].min() == 1
    assert (sums[ids] <= counts[ids]).all() and sums[ids].min() > 0
    with pytest.warns(UserWarning, match="no tipping point"):
        assert method.stage(2, data, 2) is None
    np.testing.assert_allclose(point.curve(), [confidences / 30], rtol=1e-5)
    np.testing.assert_allclose(
        base.value_of(point.recorded_before)[0][ids],
        sums[ids] / counts[ids],
        rtol=1e-5,
        atol=1e-6,
    )
    assert len(method.evidence()["ids"]) == 22


def test_replicas_share_the_judging(two_replicas):
    data, alone = data_of(batch_size=8), compiled()
    with two_replicas.scope():
        method = compiled()
    # Three batches of 8, 8 and 6, for four places.
    np.testing.assert_allclose(
        method._judge_all(data, 3),
        alone._judge_all(data, 3),
        rtol=1e-5,
        atol=1e-6,
    )


def test_it_learns_and_flags_wrong_labels():
    rng = np.random.default_rng(0)
    clean = np.arange(160) % 3
    images = rng.integers(0, 60, [160, 8, 8, 1]).astype(np.uint8)
    for c in range(3):
        images[clean == c, 2 * c : 2 * c + 3] += 150
    given = clean.copy()
    given[:30] = (given[:30] + 1) % 3
    order = rng.permutation(160)
    data = pipeline.TrainingData(
        dataset.ImageDataset(
            "bars", images, given, None, order, ("a", "b", "c")
        ),
        standard.get("none", (8, 8, 1)),
        16,
        seed=0,
    )
    method = compiled(n_epoch=6, lr=0.1, num_ids=160)
    train(method, data)
    evidence = method.evidence()
    wrong = np.zeros(160, bool)
    wrong[order[:30]] = True
    scores = metrics.detection_scores(evidence["is_label_issue"], wrong)
    assert scores["precision"] > 0.9 and scores["recall"] > 0.4


def test_defaults_are_the_originals():
    method = bkd.BKD(compiled().student, num_ids=4)
    assert method.alphas == (0.30, 0.45, 0.55, 0.70)
    assert method.lr == 0.02 and method.n_epoch == 300
    assert method.lr_drop_epochs == (150,) and method.lr_drop_factor == 0.1
    assert method.weight_decay == 5e-4 and method.clean_test_freq == 10
    assert method.tipping_point.otsu == "released" and not method.detached
    assert method.tipping_every == 1
    assert method.evaluated_weights == "raw"


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"alpha3": 1.5}, "--alpha3=1.5 must be between 0 and 1"),
        ({"n_epoch": 0}, "--n_epoch=0 must be at least 1"),
        ({"clean_test_freq": 0}, "--clean_test_freq=0"),
        ({"tipping_every": 0}, "--tipping_every=0 must be at least 1"),
        ({"otsu": "none"}, "--otsu=none: there are released, textbook"),
    ],
)
def test_values_out_of_range(kwargs, message):
    with pytest.raises(errors.UserError, match=message):
        compiled(**kwargs)
