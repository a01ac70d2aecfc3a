"""Several steps a call, and steps compiled by XLA, beside plain ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.benchmarks import step_passes
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.datasets import load, pipeline
from tfnoisy.mentor import network as mentornet_net
from tfnoisy.methods import base, baseline, execution, mentormix
from tfnoisy.methods.bkd import bkd
from tfnoisy.nets import blocks, layers, pair, precision, registry
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import (
    distribution,
    evaluation,
    loop,
    loss_scale,
    optimizer,
)

SHAPE = (8, 8, 1)


def student(seed=1, dtype="none"):
    return registry.build(
        "small_cnn", 10, SHAPE, seed=seed, dtype=precision.policy(dtype)
    )


def make_mentormix():
    return mentormix.MentorMix(
        student(), mentornet_net.default(), num_steps=12, ema_decay=0.9
    )


def make_bkd():
    return bkd.BKD(pair.Pair(student(1), student(2)), num_ids=150, n_epoch=3)


class Epochs(baseline.Baseline):
    """In stages of four steps."""

    def stage(self, step, data, num_steps):
        if step >= num_steps:
            return None
        first = step - step % 4
        return base.Stage(first, first + 4, data.batches, self.train_step)


def train(path, make, momentum=optimizer.TF1Momentum, **kwargs):
    """Runs a loop on a few digits; returns the loop and its evaluations."""
    digits = load.load("digits", "train[:150]")
    augmentation = standard.get("standard", SHAPE, mirror=False)
    strategy = kwargs.pop("strategy", distribution.make_strategy("one_device"))
    with strategy.scope():
        method = make()
        method.compile(momentum(0.05))
    training = loop.Loop(
        method,
        pipeline.TrainingData(digits, augmentation, 16, seed=5),
        run_folder.RunFolder(path),
        strategy,
        num_steps=kwargs.pop("num_steps", 12),
        eval_every=kwargs.pop("eval_every", 5),
        eval_steps=[8],
        evaluators={
            "test": evaluation.Evaluator(
                method, digits, augmentation, 50, strategy
            )
        },
        progress=False,
        **kwargs,
    )
    rows = [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in training.run()
    ]
    return training, rows


def values_of(method):
    variables = [*method.variables, *method.optimizer.variables]
    return [base.value_of(v) for v in variables]


def assert_same_bits(first, second):
    for v, w in zip(values_of(first.method), values_of(second.method)):
        np.testing.assert_array_equal(v, w)


def make_epochs():
    return Epochs(student(), ema_decay=0.9)


@pytest.mark.parametrize(
    "make",
    slow_cases.but([make_epochs], [make_mentormix, make_bkd, make_epochs]),
)
def test_several_steps_a_call_change_nothing(make, tmp_path):
    one, rows = train(tmp_path / "one", make)
    several, rows_of_several = train(
        tmp_path / "four", make, steps_per_execution=4
    )
    assert [row["step"] for row in rows][:3] == [5, 8, 10]
    assert rows_of_several == rows
    assert_same_bits(several, one)
    assert_saved_at(several, rows)


def assert_saved_at(training, rows):
    assert training.checkpoints.steps == [row["step"] for row in rows]


def test_calls_end_where_something_is_due(tmp_path):
    training, _ = train(
        tmp_path, lambda: Epochs(student()), steps_per_execution=100
    )
    lengths, step = [], 0
    while step < 12:
        lengths.append(training.timetable.next_call(step, step - step % 4 + 4))
        step += lengths[-1]
    # To 4, the end of a stage, 5, 8, 10 and 12.
    assert lengths == [4, 1, 3, 2, 2]


class Exploding(baseline.Baseline):
    """Its loss is not a number from its seventh step on."""

    def train_step(self, batch):
        logs = super().train_step(batch)
        bad = tf.cast(self.step >= 7, tf.float32)
        return {**logs, "loss": logs["loss"] / (1.0 - bad)}


def test_a_bad_loss_within_a_call_is_named_by_its_step(tmp_path):
    with pytest.raises(errors.TrainingError, match="step 7 is inf.*ckpt-5"):
        train(tmp_path, lambda: Exploding(student()), steps_per_execution=4)


@pytest.mark.slow
def test_replicas_make_several_steps_a_call(tmp_path, two_replicas):
    runs = [
        train(
            tmp_path / str(steps),
            make_mentormix,
            strategy=two_replicas,
            steps_per_execution=steps,
            num_steps=6,
        )
        for steps in (1, 3)
    ]
    assert runs[0][1] == runs[1][1]
    assert_same_bits(runs[0][0], runs[1][0])


@pytest.mark.slow
def test_a_float16_run_resumes_bit_for_bit(tmp_path):
    def make():
        return baseline.Baseline(student(dtype="float16"), ema_decay=0.9)

    def momentum(rate):
        # Overflows at first, then grows: all of its state counts.
        return loss_scale.LossScaledMomentum(
            rate, initial_scale=2.0**24, patience=3
        )

    whole, rows = train(tmp_path / "whole", make, momentum)
    assert rows[-1]["skipped_steps"] > 0
    assert rows[-1]["loss_scale"] < 2.0**24
    train(tmp_path / "parts", make, momentum, num_steps=7)
    parts, rows_again = train(tmp_path / "parts", make, momentum)
    assert_same_bits(parts, whole)
    for key in ("test_loss", "loss_scale", "skipped_steps"):
        assert rows_again[-1][key] == rows[-1][key]


class Tiny(step_passes.Setting):
    """One convolution, no max pooling (see `look_ahead`): soon compiled."""

    def network(self, k=0):
        images = keras.Input(self.image_shape)
        x = blocks.conv(6, 3, 2, blocks.fan_out_normal, k, "conv")(images)
        x = keras.layers.ReLU()(layers.BatchNorm()(x))
        x = blocks.logits(10, blocks.torch_uniform, k)(
            blocks.global_average()(x)
        )
        return keras.Model(images, x)


@pytest.mark.parametrize(
    "method", slow_cases.but(["bkd"], catalogue.METHODS.names())
)
def test_a_step_by_xla_is_the_step(method):
    strategy = distribution.make_strategy("one_device")
    step = step_passes.step_of(method)
    setting = Tiny("tiny", 8, SHAPE)
    batch = tf.data.Dataset.from_tensors(step.batch(setting)).repeat()
    results = []
    for jit_compile in (False, True):
        with strategy.scope():
            trained = step.method(setting)
            trained.compile(optimizer.TF1Momentum(0.01))
        execute = execution.compiled(
            strategy,
            step.step(trained),
            trained.prepare,
            steps=3,
            jit_compile=jit_compile,
        )
        iterator = iter(batch)
        logs = execute(iterator, 3)
        assert logs["loss"].shape == [3]
        results.append([logs["loss"], *values_of(trained)])
    for plain, by_xla in zip(*results):
        np.testing.assert_allclose(by_xla, plain, rtol=1e-4, atol=1e-5)


class Spelling(baseline.Baseline):
    """Has something in its step that XLA does not know."""

    def train_step(self, batch):
        logs = super().train_step(batch)
        text = tf.strings.as_string(logs["loss"])
        return {**logs, "loss": tf.strings.to_number(text)}


def test_what_xla_cannot_compile_is_one_line(tmp_path):
    with pytest.raises(errors.TrainingError, match="--jit_compile.*AsString"):
        train(tmp_path, lambda: Spelling(student()), jit_compile=True)


def test_xla_is_for_one_device(tmp_path, two_replicas):
    with pytest.raises(errors.UserError, match="--jit_compile"):
        train(
            tmp_path / "run",
            lambda: baseline.Baseline(student()),
            strategy=two_replicas,
            jit_compile=True,
        )
    assert not (tmp_path / "run").exists()
