"""PES: its epochs, its loss, and which layers are trained when."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
import tiny_runs
from tfnoisy import errors
from tfnoisy.methods import base, baseline
from tfnoisy.methods.pes import pes
from tfnoisy.nets import registry
from tfnoisy.nets import weight_decay as decay
from tfnoisy.training import optimizer

COUNT, BATCH = 40, 15


def made(**kwargs):
    arguments = {"T1": 1, "T2": 1, "T3": 1, "num_ids": COUNT, **kwargs}
    method = pes.PES(
        registry.build("small_cnn", 10, tiny_runs.SHAPE), **arguments
    )
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    return method


def test_the_loss():
    logits = np.array([[2.0, 0, -1], [0, 1, 0], [1, 1, 0]])
    labels, weights = np.array([0, 2, 1]), np.array([1, 0.5, 2])
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    losses, w = -log_p[range(3), labels], weights[labels]
    found = pes.weighted_loss(
        tf.constant(logits, tf.float32),
        tf.one_hot(labels, 3),
        tf.constant(weights, tf.float32),
    )
    assert float(found) == pytest.approx((w * losses).sum() / w.sum(), 1e-6)
    equal = pes.weighted_loss(
        tf.constant(logits, tf.float32), tf.one_hot(labels, 3), tf.ones(3)
    )
    assert float(equal) == pytest.approx(losses.mean(), 1e-6)


def name_of(step):
    words = [getattr(step, "func", step).__name__]
    return tuple(words + list(getattr(step, "args", ())))


def test_what_each_epoch_trains():
    # 40 examples: 2 full batches of 15 in a pass.
    method = made(T1=2, T2=2, num_epochs=6, lr=0.1, lr_drop_epochs=(1, 4))
    data = tiny_runs.make_data(batch_size=BATCH)
    kinds, rates, counts, step = [], [], [], 0
    while stage := method.stage(step, data, 1000):
        method.step.assign(step)
        epoch = int(base.value_of(method.epoch))
        ends = stage.evaluate
        assert ends == stage.ends_epoch
        assert stage.first_step == step
        kinds.append((*name_of(stage.train_step), epoch, ends))
        rates.append(float(method.optimizer.learning_rate))
        counts.append(stage.last_step - stage.first_step)
        if name_of(stage.train_step) == ("divided_step",):
            confident, others = method.divided(data)
            assert len(confident) + len(others) == COUNT
            assert counts[-1] == max(len(confident) // BATCH, 1)
        # In its middle it is the same stage.
        again = method.stage(stage.last_step - 1, data, 1000)
        assert (again.first_step, again.last_step) == (
            stage.first_step,
            stage.last_step,
        )
        step = stage.last_step
    assert kinds == [
        ("plain_step", 0, True),
        ("plain_step", 1, True),
        ("refine_step", 1, 2, False),
        ("refine_step", 1, 2, False),
        ("refine_step", 0, 2, True),
        ("divided_step", 3, True),
        ("divided_step", 4, True),
        ("divided_step", 5, True),
    ]
    assert counts[:5] == [2] * 5
    np.testing.assert_allclose(rates, [0.1] + [0.01] * 5 + [0.001] * 2)
    arguments = {"T1": 2, "T2": 2, "T3": 1}
    assert method.steps_of_run(6, COUNT, BATCH, arguments) == 2 * (6 + 2)
    assert method.steps_of_run(2, COUNT, BATCH, arguments) == 2 * 2
    assert step <= 2 * (6 + 2)


@pytest.mark.parametrize("classes, epochs", [(10, 25), (11, 30)])
def test_the_usual_number_of_plain_epochs(classes, epochs):
    network = registry.build("small_cnn", classes, tiny_runs.SHAPE)
    method = pes.PES(network, num_ids=COUNT)
    assert method.plain_epochs == epochs
    assert pes.PES(network, T1=3).plain_epochs == 3
    arguments = {"T1": 0, "T2": 7, "T3": 5}
    assert method.steps_of_run(25, 300, 100, arguments) == 3 * 25
    assert method.steps_of_run(26, 300, 100, arguments) == 3 * (26 + 11)


def test_without_refinement_epoch_t1_is_left_out():
    method = made(T2=0, T3=0)
    data = tiny_runs.make_data(batch_size=BATCH)
    before = [base.value_of(v) for v in method.student.variables]
    stage = method.stage(2, data, 1000)
    assert int(base.value_of(method.epoch)) == 1
    assert name_of(stage.train_step) == ("divided_step",)
    assert method.new_variables == []
    assert method.still_trained() == method.student.trainable_variables
    for v, value in zip(method.student.variables, before, strict=True):
        np.testing.assert_array_equal(base.value_of(v), value)


def test_epochs_have_full_batches_of_confident_examples():
    method = made()
    data = tiny_runs.make_data(batch_size=4)
    assert name_of(method.stage(30, data, 1000).train_step) == ("divided_step",)
    ids = data.dataset.ids
    judged = base.value_of(method.judged)
    judged[ids, 2] = np.arange(COUNT) < 11
    method.judged.assign(judged)
    batches = list(method.divided_batches(data, 2)(0).take(5))
    assert [len(b["ids"]) for b in batches] == [4] * 5
    seen = np.concatenate([b["ids"] for b in batches])
    assert set(seen.tolist()) <= set(ids[:11].tolist())
    assert len(set(seen[:8].tolist())) == 8
    assert method.divided_steps(data, 4) == 2
    # Fewer than a batch are one.
    data = tiny_runs.make_data(batch_size=20)
    assert method.divided_steps(data, 20) == 1
    [batch] = method.divided_batches(data, 2)(0).take(1)
    assert sorted(batch["ids"].numpy().tolist()) == sorted(ids[:11].tolist())


@pytest.mark.parametrize(
    "train_new_layers", slow_cases.but([True], [False, True])
)
def test_new_layers_are_trained_in_the_refinement_alone(train_new_layers):
    method = made(train_new_layers=train_new_layers, T2=1, T3=1)
    data = tiny_runs.make_data(batch_size=BATCH)
    groups = {
        name: method.student.get_layer(name).variables
        for name in ("conv1", "conv3", "bn3", "logits")
    }
    statistics = method.student.get_layer("bn1").non_trainable_variables

    def values():
        return [
            [base.value_of(v) for v in group]
            for group in (*groups.values(), statistics)
        ]

    def run(step):
        """Returns whether each group stayed as it was, and whether it began
        anew when the stage was asked for."""
        before = values()
        stage = method.stage(step, data, 1000)
        begun = values()
        for batch in stage.batches(0, None).take(2):
            stage.train_step(batch)
        after = values()

        def same(a, b):
            return [
                all(np.array_equal(x, y) for x, y in zip(g, h, strict=True))
                for g, h in zip(a, b, strict=True)
            ]

        return same(before, begun), same(begun, after)

    # conv1, conv3, bn3, logits, statistics of bn1.
    begun, stayed = run(0)
    assert all(begun) and not any(stayed)
    assert method.steps_made() == 2
    momentum = base.value_of(method.optimizer.accumulators[0])
    begun, stayed = run(2)
    assert begun == [True, False, False, False, True]
    assert stayed == [True, False, False, False, False]
    begun, stayed = run(4)
    # The statistics of bn3 are moved by each pass.
    assert begun == [True, True, True, False, True]
    assert stayed == [True, True, False, False, False]
    np.testing.assert_array_equal(
        base.value_of(method.optimizer.accumulators[0]), momentum
    )
    assert momentum.any()
    new = [base.value_of(v) for v in method.new_variables]
    assert len(new) == 5
    begun, stayed = run(6)
    assert all(begun)
    frozen = not train_new_layers
    assert stayed == [False, frozen, False, frozen, False]
    moved = [
        not np.array_equal(base.value_of(v), value)
        for v, value in zip(method.new_variables, new, strict=True)
    ]
    assert moved == [train_new_layers] * 5
    if train_new_layers:
        return
    # What the optimiser remembers of the layers before goes on.
    assert base.value_of(method.optimizer.accumulators[-1]).any()


def test_new_layers_that_go_on_have_no_momentum_of_the_old_ones():
    method = made(train_new_layers=True)
    data = tiny_runs.make_data(batch_size=BATCH)
    stage = method.stage(0, data, 1000)
    stage.train_step(next(iter(stage.batches(0, None))))
    method.step.assign(2)
    method.stage(2, data, 1000)
    new = {id(v) for v in method.new_variables}
    for v in method.student.trainable_variables:
        moves = base.value_of(method.optimizer.accumulator(v)).any()
        assert moves == (id(v) not in new), v.path


def test_before_t1_it_is_plain_training():
    method = made(T1=9, num_epochs=2, weight_decay=0.01)
    plain = baseline.Baseline(
        registry.build("small_cnn", 10, tiny_runs.SHAPE),
        weight_decay=0.01,
        decayed=decay.all_trainable,
        num_ids=COUNT,
    )
    plain.compile(optimizer.TF1Momentum(0.1, 0.9))
    data = tiny_runs.make_data(batch_size=BATCH)
    step = 0
    while stage := method.stage(step, data, 1000):
        for batch in stage.batches(0, None).take(2):
            stage.train_step(batch)
            plain.train_step(batch)
            step += 1
    assert step == 4
    for a, b in zip(
        method.student.variables, plain.student.variables, strict=True
    ):
        np.testing.assert_array_equal(base.value_of(a), base.value_of(b))
    assert method.evidence() is None


def test_a_step_on_confident_examples():
    """The step once more: weighted loss, decay, momentum, of the old layers."""
    method = made(weight_decay=0.01)
    weights = np.linspace(0.5, 2, 10).astype("f4")
    method.class_weights.assign(weights)
    data = tiny_runs.make_data(batch_size=BATCH)
    batch = next(iter(data.full_batches((0, 0))(0)))
    twin = keras.models.clone_model(method.student)
    twin.set_weights(method.student.get_weights())
    with tf.GradientTape() as tape:
        z = twin(batch["images"], training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["labels"], z
        )
        w = tf.gather(weights, batch["labels"])
        loss = tf.reduce_sum(w * losses) / tf.reduce_sum(w)
    old = [
        v
        for name in ("conv1", "bn1", "conv2", "bn2")
        for v in twin.get_layer(name).trainable_variables
    ]
    gradients = tape.gradient(loss, old)
    expected = [
        base.value_of(v) - 0.1 * (g + 0.01 * base.value_of(v))
        for v, g in zip(old, gradients, strict=True)
    ]
    penalty = 0.005 * sum(float((base.value_of(v) ** 2).sum()) for v in old)
    logs = method.divided_step(batch)
    assert float(logs["loss"]) == pytest.approx(float(loss) + penalty, rel=1e-5)
    trained = method.still_trained()
    assert len(trained) == len(old)
    for v, value in zip(trained, expected, strict=True):
        np.testing.assert_allclose(base.value_of(v), value, atol=1e-6)


def test_two_replicas_refine_a_stage_as_one_device_does(two_replicas):
    found = []
    for strategy in (tf.distribute.OneDeviceStrategy("/cpu:0"), two_replicas):
        with strategy.scope():
            method = made()
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
        found.append([base.value_of(v) for v in method.new_variables])
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-6)


def test_averages_begin_anew_with_their_variables():
    method = made(ema_decay=0.9)
    data = tiny_runs.make_data(batch_size=BATCH)
    method.step.assign(2)
    method.stage(2, data, 1000)
    for v in method.new_variables:
        np.testing.assert_array_equal(
            base.value_of(method.average_of(v)), base.value_of(v)
        )
        assert method.average_of(v) is not v


@pytest.mark.parametrize(
    "wrong", [{"T3": -1}, {"T2": -2}, {"lr_drop_epochs": (3, -1)}]
)
def test_values_out_of_range(wrong):
    with pytest.raises(errors.UserError, match=f"--{next(iter(wrong))}="):
        made(**wrong)
