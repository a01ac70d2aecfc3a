import json
import os
import pathlib
import threading

import pytest

from tfnoisy import errors
from tfnoisy.runs import folder as run_folder

FLAGS = {
    "dataset_name": "digits",
    "learning_rate": "0.1",
    "lr_drops": "0.5,0.75",
    "max_number_of_steps": "100",
    "num_epochs": "0.0",
    "second_reweight": "false",
    "train_log_dir": "runs/a run=1",
    "eval_every": "10",
}


@pytest.fixture
def folder(tmp_path):
    return run_folder.RunFolder(tmp_path)


def test_naming_a_folder_creates_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = run_folder.RunFolder("~/runs/new")
    assert folder.path == tmp_path / "runs" / "new"
    assert folder.read_flags() is None
    assert folder.read_results() is None
    assert folder.read_metrics() == []
    assert folder.keep_metrics_until(5) == []
    folder.clear()
    assert list(tmp_path.iterdir()) == []


def test_flags_are_read_as_they_were_written(folder):
    folder.write_flags(FLAGS, "cifar_train_mentormix.py")
    assert folder.read_flags() == FLAGS
    lines = folder.flags.read_text().splitlines()
    assert lines[0] == (
        f"# cifar_train_mentormix.py --flagfile={folder.path}/flags.flags"
    )
    assert lines[1] == "--dataset_name=digits"
    assert len(lines) == 1 + len(FLAGS)


def test_the_flag_file_says_where_the_run_was_prolonged(folder):
    assert folder.extended_from() == []
    folder.write_flags(FLAGS, "train.py")
    assert folder.extended_from() == []
    folder.write_flags(FLAGS, "train.py", [100, 2000])
    assert folder.extended_from() == [100, 2000]
    # As comments, which a flag file may have.
    assert folder.read_flags() == FLAGS
    assert run_folder.compare_flags(folder, FLAGS) is True


def test_metrics_are_lines(folder):
    rows = [{"step": 5, "test_loss": 0.1}, {"step": 10, "test_loss": 1e-9}]
    for row in rows:
        folder.append_metrics(row)
    assert folder.read_metrics() == rows
    lines = folder.metrics.read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows


@pytest.mark.parametrize("cut", range(1, len('{"step": 15, "x": 1}\n')))
def test_half_a_line_is_dropped_wherever_it_ends(folder, cut):
    for step in (5, 10):
        folder.append_metrics({"step": step, "x": 1})
    whole = '{"step": 15, "x": 1}\n'
    with folder.metrics.open("a") as file:
        file.write(whole[:-cut])
    # Without its end of line only, it is a line.
    steps = [5, 10, 15] if cut == 1 else [5, 10]
    assert [row["step"] for row in folder.read_metrics()] == steps
    kept = folder.keep_metrics_until(100)
    assert [row["step"] for row in kept] == steps
    folder.append_metrics({"step": 20, "x": 1})
    assert [row["step"] for row in folder.read_metrics()] == [*steps, 20]


def test_evaluations_of_later_steps_are_dropped(folder):
    for step in (5, 10, 15):
        folder.append_metrics({"step": step})
    assert folder.keep_metrics_until(10) == [{"step": 5}, {"step": 10}]
    assert folder.read_metrics() == [{"step": 5}, {"step": 10}]
    assert folder.keep_metrics_until(0) == []
    assert folder.metrics.read_text() == ""


def test_results(folder):
    results = {"method": "mentormix", "test": {"accuracy": 0.125}}
    folder.write_results(results)
    assert folder.read_results() == results
    assert folder.results.read_text().endswith("}\n")


@pytest.mark.parametrize("moment", ["write_text", "replace"])
def test_a_file_is_replaced_whole_or_not_at_all(folder, monkeypatch, moment):
    folder.write_flags(FLAGS, "train.py")
    folder.write_results({"steps": 1})
    folder.append_metrics({"step": 5})

    def half(path, text):
        path.write_bytes(text[: len(text) // 2].encode())
        raise OSError("no space left on device")

    def no_replace(*_):
        raise OSError("killed")

    if moment == "write_text":
        monkeypatch.setattr(pathlib.Path, "write_text", half)
    else:
        monkeypatch.setattr(os, "replace", no_replace)
    for write in (
        lambda: folder.write_flags({}, "other.py"),
        lambda: folder.write_results({"steps": 2}),
        lambda: folder.keep_metrics_until(0),
    ):
        with pytest.raises(OSError):
            write()
    assert folder.read_flags() == FLAGS
    assert folder.read_results() == {"steps": 1}
    assert folder.read_metrics() == [{"step": 5}]


def test_replicas_are_noted_beside_the_flags(folder):
    assert folder.replicas() == 1
    folder.write_flags(FLAGS, "train.py", networks=2, replicas=8)
    assert (folder.networks(), folder.replicas()) == (2, 8)
    assert folder.read_flags() == FLAGS
    folder.write_flags(FLAGS, "train.py")
    assert (folder.networks(), folder.replicas()) == (1, 1)


def test_another_machines_file_is_waited_for(folder):
    with pytest.raises(errors.UserError, match="a file system that all"):
        folder.wait_for(folder.flags, seconds=0.05)
    late = threading.Timer(0.3, folder.write_flags, [FLAGS, "train.py"])
    late.start()
    folder.wait_for(folder.flags)
    late.join()
    assert folder.read_flags() == FLAGS


def test_clear_leaves_what_is_not_the_runs(folder):
    folder.write_flags(FLAGS, "train.py")
    folder.write_results({})
    folder.append_metrics({"step": 1})
    for path in (folder.manifest, folder.evidence, folder.tipping):
        path.write_bytes(b"old")
    for path in (folder.best, folder.tensorboard):
        path.mkdir(parents=True)
        (path / "file").write_text("old")
    (folder.path / "notes.txt").write_text("mine")
    (folder.path / "figures").mkdir()
    folder.clear()
    left = sorted(path.name for path in folder.path.iterdir())
    assert left == ["figures", "notes.txt"]


def test_the_same_command_resumes(folder):
    folder.write_flags(FLAGS, "train.py")
    assert run_folder.compare_flags(folder, FLAGS) is True
    # How often it is evaluated and where it lies is not what it is.
    moved = {
        **FLAGS,
        "eval_every": "7",
        "train_log_dir": "elsewhere",
        "save_interval_secs": "5",
    }
    assert run_folder.compare_flags(folder, moved) is True


@pytest.mark.parametrize(
    "before, after",
    [
        ({}, {"max_number_of_steps": "101"}),
        ({"num_epochs": "2.5"}, {"num_epochs": "10"}),
    ],
)
def test_more_steps_go_on(folder, before, after):
    folder.write_flags({**FLAGS, **before}, "train.py")
    command = {**FLAGS, **before, **after}
    assert run_folder.compare_flags(folder, command) is False


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"learning_rate": "0.2"}, "--learning_rate=0.1 there, 0.2 here;"),
        ({"max_number_of_steps": "99"}, "--max_number_of_steps=100 there"),
        # Epochs in place of steps are not more of the same.
        ({"num_epochs": "1.0"}, "--num_epochs=0.0 there, 1.0 here;"),
        (
            {"max_number_of_steps": "200", "learning_rate": "0.2"},
            "--learning_rate=0.1 there, 0.2 here and 1 more;",
        ),
        ({"a_new_flag": "1"}, "--a_new_flag=None there, 1 here"),
    ],
)
def test_another_run_is_refused(folder, changes, words):
    folder.write_flags(FLAGS, "train.py")
    with pytest.raises(errors.UserError) as caught:
        run_folder.compare_flags(folder, {**FLAGS, **changes})
    message = str(caught.value)
    assert message.startswith(f"{folder.path} holds another run: ")
    assert words in message
    assert "--overwrite" in message and "\n" not in message
    assert folder.read_flags() == FLAGS


def test_epochs_no_longer_given_are_another_run(folder):
    folder.write_flags({**FLAGS, "num_epochs": "3.0"}, "train.py")
    with pytest.raises(errors.UserError, match=r"--num_epochs=3\.0 there"):
        run_folder.compare_flags(folder, FLAGS)
