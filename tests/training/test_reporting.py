"""What a run shows: lines in a file, and no memory that grows."""

import gc
import pathlib

import pytest
import tensorflow as tf

from tfnoisy import progress
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import reporting


@pytest.fixture
def reporter(tmp_path):
    folder = run_folder.RunFolder(tmp_path / "run")
    folder.path.mkdir()
    return reporting.Reporter(folder, True, True, 60)


def test_a_file_has_a_line_a_minute_with_the_time_left(
    reporter, monkeypatch, capsys
):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with reporter.running(100, 1100):
        for step in range(110, 1101, 10):
            now[0] += 2
            reporter.show(step, {"loss": 1.0}, 10.0)
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("training: ")
    ]
    assert lines[0] == "training: 400 of 1,100 steps, 5 a second, 02:20 left"
    assert len(lines) == 3


def test_a_run_without_a_bar_says_nothing(tmp_path, monkeypatch, capsys):
    folder = run_folder.RunFolder(tmp_path / "run")
    folder.path.mkdir()
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    quiet = reporting.Reporter(folder, True, False, 60)
    with quiet.running(0, 10):
        now[0] = 100.0
        quiet.show(5, {}, 1.0)
    assert "training:" not in capsys.readouterr().err


def _resident():
    gc.collect()
    fields = pathlib.Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


@pytest.mark.slow
def test_scalars_are_written_and_not_kept_in_memory(reporter):
    def write(steps):
        for step in steps:
            values = {f"v{k}": step + k / 7 for k in range(10)}
            reporter.summarise(step, {**values, "bad": float("nan")})

    with reporter.running(0, 1):
        write(range(300))
        before = _resident()
        write(range(300, 1800))
        grown = _resident() - before
    # Python numbers would be kept: 1,500 times 11 of 700 bytes.
    assert grown < 4_000_000
    (file,) = pathlib.Path(reporter._folder.tensorboard).iterdir()
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            number = float(tf.make_ndarray(value.tensor))
            found.setdefault(value.tag, []).append((event.step, number))
    assert len(found) == 10 and "bad" not in found
    assert found["v7"][5] == (5, 6.0)
