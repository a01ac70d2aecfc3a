"""Steps that leave something not finite, taken back."""

import json

import numpy as np
import pytest
import tensorflow as tf

import slow_cases
import tiny_runs
from tfnoisy import errors
from tfnoisy.methods import base
from tfnoisy.training import loss_scale
from tfnoisy.training import progress as run_progress


class Breaking:
    """A method's training step that goes wrong at some steps.

    Attributes:
        kinds: {step: what goes wrong in it}.
    """

    def __init__(self, method, kinds):
        self.method = method
        self.kinds = kinds
        self.step = method.train_step

    def __call__(self, batch):
        logs = self.step(batch)
        now = self.method.step
        for step, kind in self.kinds.items():
            bad = tf.where(tf.equal(now, step), np.float32("nan"), 0.0)
            if kind == "loss":
                logs = {**logs, "loss": logs["loss"] + bad}
            else:
                variable = self.method.student.trainable_variables[0]
                if kind == "statistics":
                    variable = self.method.student.non_trainable_variables[0]
                variable.assign_add(tf.fill(variable.shape, bad))
        return logs


KINDS = {3: "loss", 4: "weights", 7: "statistics", 23: "loss"}


def train(runner, path, kinds, **kwargs):
    """Runs a loop whose steps go wrong; returns it."""
    method = runner.method
    plain, method.train_step = method.train_step, Breaking(method, kinds)
    try:
        training = runner.loop(path, on_nonfinite="skip", **kwargs)
        training.run()
    finally:
        method.train_step = plain
    return training


@pytest.mark.parametrize(
    "name", slow_cases.but(["mentormix"], ["mentormix", "ieg"])
)
def test_bad_steps_leave_no_trace(name, tmp_path):
    runner = tiny_runs.Runner(name)
    training = train(runner, tmp_path / "run", KINDS)
    progress = training.progress
    assert progress.skipped == [3, 4, 7, 23] and progress.num_skipped == 4
    rows = training.folder.read_metrics()
    assert [row["skipped_updates"] for row in rows] == [2, 3, 3, 3, 4]
    assert all(np.isfinite(row["train_loss"]) for row in rows)
    assert all(np.all(np.isfinite(value)) for value in runner.state())
    assert int(runner.method.step) == tiny_runs.STEPS
    json.loads(training.folder.metrics.read_text().splitlines()[0])


def test_what_is_finite_is_the_same_bit_for_bit(tmp_path):
    runner = tiny_runs.Runner("mentormix")
    runner.loop(tmp_path / "plain").run()
    bits = runner.state()
    rows = tiny_runs.rows_of(train(runner, tmp_path / "skip", {}))
    tiny_runs.assert_same_bits(runner.state(), bits)
    assert all('"skipped_updates": 0' in row for row in rows)


def test_a_bad_step_is_as_if_it_had_not_been(tmp_path):
    """All but the step count is what it was before; and the run resumes."""
    runner = tiny_runs.Runner("baseline")
    before = train(runner, tmp_path / "a", {}, num_steps=2)
    state = {
        v.path: base.value_of(v)
        for v in runner.method.variables
        if v is not before.method.step
    }
    after = train(runner, tmp_path / "a", {3: "weights"}, num_steps=3)
    for variable in runner.method.variables:
        if variable.path in state:
            np.testing.assert_array_equal(
                base.value_of(variable), state[variable.path]
            )
    assert after.progress.skipped == [3]
    again = train(runner, tmp_path / "a", {5: "loss"}, num_steps=6)
    assert again.progress.skipped == [3, 5]


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_replicas_skip_together(two_replicas, tmp_path, steps_per_execution):
    runner = tiny_runs.Runner("mentormix", two_replicas)
    method, plain = runner.method, runner.method.train_step

    def on_one_replica(batch):
        logs = plain(batch)
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        bad = tf.equal(method.step, 2) & tf.equal(replica, 1)
        nan = tf.where(bad, np.float32("nan"), 0.0)
        return {**logs, "loss": logs["loss"] + nan}

    method.train_step = on_one_replica
    training = runner.loop(
        tmp_path,
        on_nonfinite="skip",
        num_steps=6,
        steps_per_execution=steps_per_execution,
    )
    training.run()
    assert training.progress.skipped == [2]
    assert all(np.all(np.isfinite(value)) for value in runner.state())
    for variable in method.student.trainable_variables:
        one, other = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(one, other)


def test_the_loss_scale_goes_on(tmp_path):
    runner = tiny_runs.Runner(
        "baseline", momentum=loss_scale.LossScaledMomentum
    )
    scale = base.value_of(runner.method.optimizer.loss_scale)
    training = train(runner, tmp_path, {2: "loss"}, num_steps=4)
    assert training.progress.skipped == [2]
    assert base.value_of(runner.method.optimizer.loss_scale) == scale
    assert base.value_of(runner.method.optimizer.steps_in_a_row) == 4


def test_without_end_it_stops(tmp_path, monkeypatch):
    monkeypatch.setattr(run_progress, "MOST_SKIPPED", 5)
    runner = tiny_runs.Runner("baseline")
    kinds = {step: "loss" for step in range(7, 20)}
    with pytest.raises(errors.TrainingError, match="of 5 steps .* to step 11,"):
        train(runner, tmp_path, kinds)


def test_stop_is_the_default_and_says_of_skip(tmp_path):
    runner = tiny_runs.Runner("baseline")
    plain = runner.method.train_step
    runner.method.train_step = Breaking(runner.method, {7: "loss"})
    with pytest.raises(
        errors.TrainingError,
        match=r"step 7 is nan; .*ckpt-5; .*--on_nonfinite=skip",
    ):
        runner.loop(tmp_path).run()
    runner.method.train_step = plain
    # The run that stopped goes on without that update.
    training = train(runner, tmp_path, {7: "loss"})
    assert training.progress.skipped == [7]
