"""A run that is interrupted, or killed, ends as one that was not."""

import json
import pathlib
import random
import shutil
import signal
import sys
import warnings

import pytest
import tensorflow as tf

import slow_cases
import tfnoisy
import tiny_runs
from tfnoisy import errors
from tfnoisy.training import processor_time, progress

_OURS = str(pathlib.Path(tfnoisy.__file__).parent)
_KILLS = 2
# Two evaluations and one at the end.
_SHORT = {"num_steps": 13}
# Saved after every step, so that kills fall among many things.
_OFTEN = {**_SHORT, "save_interval_secs": 0}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


def killed_after(calls, run):
    """Runs a function and raises `Killed` after so many calls of our code.

    Returns:
        How many calls were made, if the function ended before that.
    """
    made = 0

    def count(frame, *_):
        nonlocal made
        if frame.f_code.co_filename.startswith(_OURS):
            made += 1
            if made == calls:
                raise Killed

    before = sys.gettrace()
    sys.settrace(count)
    try:
        run()
    except Killed:
        return None
    finally:
        sys.settrace(before)
    return made


@pytest.fixture(
    scope="module",
    params=slow_cases.but(["bkd"], tiny_runs.METHODS),
)
def whole(request, tmp_path_factory):
    """A method's undisturbed run: runner, bits, metrics, calls of our code."""
    runner = tiny_runs.Runner(request.param)
    training = runner.loop(tmp_path_factory.mktemp("whole") / "run", **_SHORT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls = killed_after(0, training.run)
    return runner, runner.state(), tiny_runs.rows_of(training), calls


@pytest.fixture
def raising_sigterm():
    """SIGTERM raises KeyboardInterrupt, as the scripts have it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_signal_during_each_evaluation(whole, tmp_path, raising_sigterm):
    runner, bits, rows, _ = whole
    seen = set()

    def evaluate():
        step = int(runner.method.step)
        if step not in seen:
            seen.add(step)
            signal.raise_signal(signal.SIGTERM)
        return runner.evaluator()

    for row in range(len(rows)):
        stopped = runner.loop(tmp_path, evaluate, **_SHORT)
        with pytest.raises(errors.Interrupted, match="goes on from there"):
            stopped.run()
        # It was saved where it was, and what was judged is known.
        assert len(stopped.folder.read_metrics()) == row
    again = runner.loop(tmp_path, evaluate, **_SHORT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again.run()
    assert len(seen) == len(rows)
    assert tiny_runs.rows_of(again) == rows
    tiny_runs.assert_same_bits(runner.state(), bits)


def test_killed_at_random_moments(whole, tmp_path, request):
    runner, bits, rows, calls = whole
    draws = random.Random(request.node.name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(_KILLS):
            # The first process has traced the steps, these do not.
            killed_after(
                draws.randrange(1, calls // 2),
                runner.loop(tmp_path, **_OFTEN).run,
            )
        training = runner.loop(tmp_path, **_OFTEN)
        training.run()
    assert tiny_runs.rows_of(training) == rows
    tiny_runs.assert_same_bits(runner.state(), bits)


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    """A runner, the metrics of its run, and the folder of a half of it."""
    runner = tiny_runs.Runner("baseline")
    path = tmp_path_factory.mktemp("baseline")
    whole = runner.loop(path / "whole", **_SHORT)
    whole.run()
    runner.loop(path / "half", num_steps=10).run()
    return runner, tiny_runs.rows_of(whole), path / "half"


@pytest.mark.parametrize(
    "become", [None, b"", b'{"step": 5', b"{}\n", b"\xff\x00", "half"]
)
def test_metrics_are_written_again_from_the_checkpoint(
    become, tmp_path, baseline
):
    runner, rows, half = baseline
    shutil.copytree(half, tmp_path / "run")
    metrics = tmp_path / "run/metrics.jsonl"
    text = metrics.read_bytes()
    metrics.unlink()
    if become is not None:
        metrics.write_bytes(
            text[: len(text) // 2] if become == "half" else become
        )
    again = runner.loop(tmp_path / "run", **_SHORT)
    again.run()
    assert tiny_runs.rows_of(again) == rows


def test_the_last_evaluation_of_an_older_run(baseline, tmp_path):
    """A checkpoint without progress, at the last step, and no metrics.jsonl.

    Its evaluation has no means of the steps before, and is no reason to stop.
    """
    runner, _, _ = baseline
    old = runner.loop(tmp_path, num_steps=10)
    runner.method.optimizer.iterations.assign(10)
    state = runner.state()
    tf.train.CheckpointManager(
        runner.method.checkpoint(), str(old.folder.checkpoints), max_to_keep=1
    ).save(checkpoint_number=10)
    older = runner.loop(tmp_path, num_steps=10)
    rows = older.run()
    assert older.progress.processor_seconds is None
    assert [row["step"] for row in rows] == [10]
    assert "train_loss" not in rows[0] and rows[0]["test_loss"] > 0
    tiny_runs.assert_same_bits(runner.state(), state)


def test_seconds_are_those_of_all_processes(baseline, tmp_path):
    runner, _, half = baseline
    shutil.copytree(half, tmp_path / "run")
    again = runner.loop(tmp_path / "run", **_SHORT)
    again.restore()
    seconds = again.progress.seconds
    assert seconds > 0
    rows = again.run()
    assert again.progress.seconds >= rows[-1]["seconds"] > seconds


def test_processor_time_is_that_of_what_counts(baseline, tmp_path, monkeypatch):
    """Of all processes: the first's before its end, not its start.

    What a killed process did after its last checkpoint is done again, and
    counts once.
    """
    runner, _, _ = baseline
    clock = iter(range(0, 100_000, 1000))
    monkeypatch.setattr(processor_time, "spent", lambda: next(clock))
    first = runner.loop(tmp_path, num_steps=10)
    first.run()
    # A look for each of two evaluations, their saves, and the save at the end.
    assert first.progress.processor_seconds == 5000
    again = runner.loop(tmp_path, **_SHORT)
    next(clock)  # Its start.
    again.run()
    assert again.progress.processor_seconds == 5000 + 3000
    # Nothing but the last save.
    done = runner.loop(tmp_path, **_SHORT)
    done.run()
    assert done.progress.processor_seconds == 8000 + 1000


def test_processor_time_of_a_killed_run(baseline, tmp_path, monkeypatch):
    runner, _, half = baseline
    shutil.copytree(half, tmp_path / "run")
    now = [100.0]
    monkeypatch.setattr(processor_time, "spent", lambda: now[0])
    killed = runner.loop(tmp_path / "run", **_SHORT)
    killed.restore()
    before = killed.progress.processor_seconds
    assert before > 0

    def kill(*_):
        now[0] += 50
        raise Killed

    monkeypatch.setattr(killed, "_advance", kill)
    with pytest.raises(Killed):
        killed.run()
    again = runner.loop(tmp_path / "run", **_SHORT)
    advance = again._advance

    def work(*args):
        now[0] += 1
        advance(*args)

    monkeypatch.setattr(again, "_advance", work)
    again.run()
    # Three steps, from 10 to 13.
    assert again.progress.processor_seconds == before + 3


def test_an_older_run_does_not_know_its_processor_time(baseline, tmp_path):
    runner, _, _ = baseline
    old = runner.loop(tmp_path, num_steps=10)
    old.run()
    text = json.loads(old.progress.serialize())
    del text["processor_seconds"]
    older = progress.Progress()
    older.deserialize(json.dumps(text))
    assert older.processor_seconds is None
    older.serialize = lambda: json.dumps(text)
    checkpoint = runner.method.checkpoint()
    checkpoint.progress = older
    tf.train.CheckpointManager(
        checkpoint, str(old.folder.checkpoints), max_to_keep=1
    ).save(checkpoint_number=10)
    again = runner.loop(tmp_path, **_SHORT)
    again.run()
    # Not a part of it, which would look like the whole.
    assert again.progress.processor_seconds is None
    assert again.progress.seconds > 0
