"""A run that is interrupted, or killed, ends as one that was not."""

import pathlib
import random
import signal
import sys
import warnings

import pytest
import tiny_runs

import tfnoisy
from tfnoisy import errors
from tfnoisy.runs import folder as run_folder

_OURS = str(pathlib.Path(tfnoisy.__file__).parent)
_KILLS = 3


@pytest.fixture(scope="module", params=tiny_runs.METHODS)
def whole(request, tmp_path_factory):
    """A method's undisturbed run: its runner, its bits, its metrics."""
    runner = tiny_runs.Runner(request.param)
    training = runner.loop(tmp_path_factory.mktemp("whole") / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        training.run()
    return runner, runner.state(), tiny_runs.rows_of(training)


@pytest.fixture
def raising_sigterm():
    """SIGTERM raises KeyboardInterrupt, as the scripts have it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


def test_a_signal_during_each_evaluation(whole, tmp_path, raising_sigterm):
    runner, bits, rows = whole
    seen = set()

    def evaluate():
        step = int(runner.method.step)
        if step not in seen:
            seen.add(step)
            signal.raise_signal(signal.SIGTERM)
        return runner.evaluator()

    for row in range(len(rows)):
        stopped = runner.loop(tmp_path, evaluate)
        with pytest.raises(errors.Interrupted, match="goes on from there"):
            stopped.run()
        # It was saved where it was, and what was judged is known.
        assert len(stopped.folder.read_metrics()) == row
    again = runner.loop(tmp_path, evaluate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again.run()
    assert len(seen) == len(rows)
    assert tiny_runs.rows_of(again) == rows
    tiny_runs.assert_same_bits(runner.state(), bits)


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


def killed_after(calls, run):
    """Runs a function and raises `Killed` after so many calls of our code.

    Returns:
        The calls that were made, if it came to its end before.
    """
    made = 0

    def count(frame, event, _):
        nonlocal made
        if event == "call" and frame.f_code.co_filename.startswith(_OURS):
            made += 1
            if made == calls:
                raise Killed

    sys.setprofile(count)
    try:
        run()
    except Killed:
        return None
    finally:
        sys.setprofile(None)
    return made


def test_killed_at_random_moments(whole, tmp_path, request):
    runner, bits, rows = whole
    draws = random.Random(f"{request.node.name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls = killed_after(0, runner.loop(tmp_path / "a", **_OFTEN).run)
        folder = run_folder.RunFolder(tmp_path / "b")
        for _ in range(_KILLS):
            killed_after(
                draws.randrange(1, calls),
                runner.loop(folder.path, **_OFTEN).run,
            )
        runner.loop(folder.path, **_OFTEN).run()
    assert tiny_runs.rows_of(folder) == rows
    tiny_runs.assert_same_bits(runner.state(), bits)


# Saved after every step, so that kills fall between many things.
_OFTEN = {"save_interval_secs": 0}


@pytest.mark.parametrize(
    "become", [None, b"", b'{"step": 5', b"{}\n", b"\xff\x00", "half"]
)
def test_metrics_are_written_again_from_the_checkpoint(
    become, tmp_path, request
):
    runner = request.getfixturevalue("baseline")
    whole = runner.loop(tmp_path / "whole")
    whole.run()
    part = runner.loop(tmp_path / "part", num_steps=15)
    part.run()
    text = part.folder.metrics.read_bytes()
    if become is None:
        part.folder.metrics.unlink()
    else:
        part.folder.metrics.write_bytes(
            text[: len(text) // 2] if become == "half" else become
        )
    again = runner.loop(tmp_path / "part")
    again.run()
    assert tiny_runs.rows_of(again) == tiny_runs.rows_of(whole)


@pytest.fixture(scope="module")
def baseline():
    return tiny_runs.Runner("baseline")


def test_the_last_evaluation_of_an_older_run(baseline, tmp_path):
    """A checkpoint without progress, at the last step, and no metrics.jsonl.

    Its evaluation has no means of the steps before, and is no reason to stop.
    """
    baseline.loop(tmp_path).run()
    state = baseline.state()
    old = baseline.loop(tmp_path / "old")
    for variable, value in zip(baseline._variables, state):
        variable.assign(value)
    old.folder.checkpoints.mkdir(parents=True)
    baseline.method.checkpoint().write(str(old.folder.checkpoints / "ckpt-24"))
    rows = old.run()
    assert [row["step"] for row in rows] == [24]
    assert "train_loss" not in rows[0] and rows[0]["test_accuracy"] > 0
    tiny_runs.assert_same_bits(baseline.state(), state)


def test_seconds_are_those_of_all_processes(baseline, tmp_path):
    first = baseline.loop(tmp_path, num_steps=12)
    first.run()
    seconds = first.progress.seconds
    second = baseline.loop(tmp_path)
    second.restore()
    assert second.progress.seconds == seconds > 0
    rows = second.run()
    assert second.progress.seconds >= rows[-1]["seconds"] > seconds
