import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.datasets import load, pipeline
from tfnoisy.mentor import network as mentornet_net
from tfnoisy.methods import base, baseline, mentormix
from tfnoisy.nets import registry
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import distribution, evaluation, loop, optimizer
from tfnoisy.training import progress as run_progress


def make_loop(path, method=None, num_steps=12, **kwargs):
    """A loop on a few digits, ready to run."""
    digits = load.load("digits", "train[:150]")
    augmentation = standard.get("standard", (8, 8, 1), mirror=False)
    if method is None:
        method = mentormix.MentorMix(
            registry.build("small_cnn", 10, (8, 8, 1), seed=1),
            mentornet_net.default(),
            num_steps=12,
            second_reweight=False,
            example_dropout_rates="0.25, 100",
            num_ids=kwargs.pop("num_ids", digits.num_ids),
        )
        method.compile(optimizer.TF1Momentum(0.05))
    strategy = kwargs.pop("strategy", distribution.make_strategy("one_device"))
    further = kwargs.pop("further_evaluators", {})
    return loop.Loop(
        method,
        pipeline.TrainingData(digits, augmentation, 16, seed=5),
        run_folder.RunFolder(path),
        strategy,
        num_steps=num_steps,
        eval_every=kwargs.pop("eval_every", 5),
        evaluators={
            "test": evaluation.Evaluator(
                method, digits, augmentation, 50, strategy
            ),
            **further,
        },
        progress=False,
        **kwargs,
    )


def plain(cls=baseline.Baseline):
    """What is soon traced, where the method does not matter."""
    method = cls(registry.build("small_cnn", 10, (8, 8, 1)))
    method.compile(optimizer.TF1Momentum(0.05))
    return method


def state_of(method):
    """Every variable of the method and its optimiser, by value."""
    variables = [*method.variables, *method.optimizer.variables]
    # The first part of a path counts the models of this process.
    return [(v.path.partition("/")[2], v.numpy()) for v in variables]


def test_a_resumed_run_ends_with_the_same_bytes(tmp_path):
    whole = make_loop(tmp_path / "whole")
    rows = whole.run()
    assert [row["step"] for row in rows] == [5, 10, 12]

    # Two processes' worth: the second begins from what the first saved.
    first = make_loop(tmp_path / "parts", num_steps=7)
    first.run()
    second = make_loop(tmp_path / "parts")
    rows_again = second.run()
    expected, found = state_of(whole.method), state_of(second.method)
    assert [name for name, _ in expected] == [name for name, _ in found]
    for part in ("average", "weight_sums"):
        assert any(part in name for name, _ in expected)
    for (name, value), (_, again) in zip(expected, found):
        np.testing.assert_array_equal(value, again, err_msg=name)
    assert rows_again[-1]["test_accuracy"] == rows[-1]["test_accuracy"]
    assert [row["step"] for row in rows_again] == [5, 7, 10, 12]


@pytest.mark.slow
def test_a_run_from_before_weights_were_kept_goes_on(tmp_path):
    whole = make_loop(tmp_path / "whole")
    whole.run()
    make_loop(tmp_path / "parts", num_steps=7, num_ids=None).run()
    second = make_loop(tmp_path / "parts")
    second.run()
    for (name, value), (_, again) in zip(
        state_of(whole.method), state_of(second.method)
    ):
        if name != "weight_sums":
            np.testing.assert_array_equal(value, again, err_msg=name)
    # Of the last five batches of 16, where two epochs meet.
    assert 60 < len(second.method.evidence()["ids"]) <= 80
    assert len(whole.method.evidence()["ids"]) == 150
    # And what it has saved has its weights.
    again = make_loop(tmp_path / "parts", num_steps=14)
    again.run()
    assert len(again.method.evidence()["ids"]) > 80


def test_evaluations_after_the_checkpoint_are_made_again(tmp_path):
    folder = run_folder.RunFolder(tmp_path)
    make_loop(tmp_path, plain(), num_steps=5).run()
    folder.append_metrics({"step": 10, "seconds": 1.0, "test_accuracy": 0.5})
    rows = make_loop(tmp_path, plain()).run()
    assert [row["step"] for row in rows] == [5, 10, 12]
    assert rows[1]["test_loss"] > 0


class Exploding(baseline.Baseline):
    """Its loss is not a number from its eighth step on."""

    def train_step(self, batch):
        logs = super().train_step(batch)
        bad = tf.cast(self.step >= 8, tf.float32)
        return {**logs, "loss": logs["loss"] / (1.0 - bad)}


def test_a_bad_loss_stops_the_run_and_leaves_the_last_checkpoint(tmp_path):
    method = plain(Exploding)
    training = make_loop(tmp_path, method)
    with pytest.raises(errors.TrainingError, match=r"step 8 is inf.*ckpt-5"):
        training.run()
    latest = tf.train.latest_checkpoint(str(training.folder.checkpoints))
    assert latest.endswith("ckpt-5")


class Corrupting(baseline.Baseline):
    """Its loss is fine, its weights are not."""

    def train_step(self, batch):
        logs = super().train_step(batch)
        self.student.trainable_variables[0].assign_add(
            tf.fill(self.student.trainable_variables[0].shape, np.nan)
        )
        return logs


def test_bad_weights_are_never_saved(tmp_path):
    method = plain(Corrupting)
    training = make_loop(tmp_path, method, num_steps=1)
    with pytest.raises(
        errors.TrainingError, match="is not finite after step 1"
    ):
        training.run()
    assert tf.train.latest_checkpoint(str(tmp_path / "checkpoints")) is None


class Epochs(baseline.Baseline):
    """Works in epochs of four steps and counts its looks at the data."""

    looks = 0

    def stage(self, step, data, num_steps):
        if step >= num_steps:
            return None
        self.looks += 1
        first = step - step % 4
        return base.Stage(first, first + 4, data.batches, self.train_step)


def test_stages_follow_each_other(tmp_path):
    method = plain(Epochs)
    rows = make_loop(tmp_path, method, num_steps=10, eval_every=3).run()
    assert method.looks == 3
    assert [row["step"] for row in rows] == [3, 6, 9, 10]


class Short(Epochs):
    """Ends after its second epoch, is judged after each, and sums up."""

    def __init__(self, student):
        super().__init__(student)
        self.summed_up = self.add_weight(shape=[], name="summed_up")

    def stage(self, step, data, num_steps):
        if step >= 8:
            self.summed_up.assign(1.0)
            return None
        stage = super().stage(step, data, num_steps)
        return dataclasses.replace(stage, evaluate=True)


def test_stages_say_when_to_judge_and_when_to_end(tmp_path):
    rows = make_loop(tmp_path, plain(Short), num_steps=50, eval_every=0).run()
    assert [row["step"] for row in rows] == [4, 8]
    # What the last look at the data decided is in the last checkpoint.
    method = plain(Short)
    latest = tf.train.latest_checkpoint(str(tmp_path / "checkpoints"))
    saved = method.checkpoint()
    saved.progress = run_progress.Progress()
    saved.restore(latest).assert_consumed()
    assert saved.progress.rows == rows
    assert float(method.summed_up) == 1.0


def test_who_says_how_often_to_judge_overrules_the_stages(tmp_path):
    method = plain(Short)
    rows = make_loop(tmp_path, method, num_steps=50, eval_every=5).run()
    assert [row["step"] for row in rows] == [5, 8]


def test_further_steps_to_judge_at(tmp_path):
    training = make_loop(tmp_path, plain(), num_steps=9, eval_steps=[1, 7, 20])
    rows = training.run()
    assert [row["step"] for row in rows] == [1, 5, 7, 9]


def test_an_earlier_checkpoint_can_be_restored(tmp_path):
    whole = make_loop(tmp_path, plain(), num_steps=12, eval_every=3)
    whole.run()
    again = make_loop(
        tmp_path, plain(), num_steps=12, eval_every=3, restore_step=6
    )
    rows = again.run()
    assert [row["step"] for row in rows] == [3, 6, 9, 12]
    for (name, value), (_, other) in zip(
        state_of(whole.method), state_of(again.method)
    ):
        np.testing.assert_array_equal(value, other, err_msg=name)
    with pytest.raises(errors.UserError, match="checkpoints of 3, 6, 9, 12"):
        make_loop(tmp_path, plain(), restore_step=5).run()


def test_the_best_held_out_checkpoint_is_kept(tmp_path):
    scores = iter([0.5, 0.9, 0.7])
    training = make_loop(
        tmp_path,
        plain(),
        eval_every=4,
        further_evaluators={"holdout": lambda: {"accuracy": next(scores)}},
    )
    training.run()
    best = tf.train.latest_checkpoint(str(training.folder.best))
    assert best.endswith("ckpt-8")


def test_tensorboard_has_the_scalars(tmp_path):
    training = make_loop(tmp_path, num_steps=5)
    training.run()
    [events] = (tmp_path / "tensorboard").iterdir()
    names = set()
    for event in tf.compat.v1.train.summary_iterator(str(events)):
        names.update(value.tag for value in event.summary.value)
    assert {
        "loss",
        "data_util",
        "percentile",
        "moving_average_individual",
        "test_accuracy",
        "learning_rate",
    } <= names
