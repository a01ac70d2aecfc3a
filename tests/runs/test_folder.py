import json
import re
import threading

import pytest

import full_disk
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
    folder.write_metrics(folder.read_metrics())
    folder.append_metrics({"step": 20, "x": 1})
    assert [row["step"] for row in folder.read_metrics()] == [*steps, 20]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"5\n",
        b"[]\n",
        b'"step"\n',
        b"{}\n",
        b'{"step": "5"}\n',
        b"[" * 9999,
    ]
    + [b"\xff\xfe\x00", b'{"step": 1.5}\n', b'{"step": true}\n', b"\n\n"],
)
def test_what_is_no_evaluation_is_none(folder, text):
    folder.metrics.write_bytes(b'{"step": 5}\n' + text + b'{"step": 7}\n')
    rows = folder.read_metrics()
    assert rows == [{"step": 5}, {"step": 7}][: 1 + (text == b"")]
    folder.write_metrics([*rows, {"step": 9}])
    assert folder.read_metrics() == [*rows, {"step": 9}]


def test_metrics_are_written_again_only_if_they_differ(folder):
    rows = [{"step": 5, "x": 0.1}]
    folder.write_metrics([])
    assert not folder.metrics.exists()
    folder.write_metrics(rows)
    before = folder.metrics.stat()
    folder.write_metrics(rows)
    assert folder.metrics.stat().st_ino == before.st_ino
    folder.write_metrics([])
    assert folder.metrics.read_text() == ""


def test_results(folder):
    results = {"steps": 5, "test": {"accuracy": 0.125}}
    folder.write_results(results)
    assert folder.read_results() == results
    assert folder.results.read_text().endswith("}\n")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"5", b"{}", b"\xff"])
def test_damaged_results_are_one_line(folder, text):
    folder.results.write_bytes(text)
    with pytest.raises(
        errors.UserError, match=r"results\.json is damaged: put"
    ):
        folder.read_results()


@pytest.mark.parametrize("name", ["flags", "results"])
def test_a_folder_where_a_file_should_be(folder, name):
    path = getattr(folder, name)
    path.mkdir()
    with pytest.raises(errors.UserError, match="is damaged"):
        getattr(folder, f"read_{name}")()
    folder.metrics.mkdir()
    assert folder.read_metrics() == []


@pytest.mark.parametrize("read", ["networks", "replicas", "extended_from"])
def test_damaged_comments_are_one_line(folder, read):
    folder.write_flags(FLAGS, "train.py", [100], networks=2, replicas=8)
    text = re.sub(r"(# .*) \d+\n", r"\1 many\n", folder.flags.read_text())
    folder.flags.write_text(text)
    with pytest.raises(errors.UserError, match=r"flags\.flags is damaged"):
        getattr(folder, read)()


def test_a_full_disk_costs_no_file(folder):
    folder.write_flags(FLAGS, "train.py")
    folder.write_results({"steps": 1})
    for step in range(50):
        folder.append_metrics({"step": step})
    for write in (
        lambda: folder.write_flags({"x": "y" * 999}, "other.py"),
        lambda: folder.write_results({"steps": "2" * 999}),
        lambda: folder.write_metrics([{"step": 0, "x": "y" * 999}]),
        lambda: folder.append_metrics({"step": 50}),
        lambda: folder.write_evidence(b"0" * 999),
    ):
        with (
            pytest.raises(errors.StorageError, match="File too large"),
            full_disk.no_file_beyond(200),
        ):
            write()
    assert folder.read_flags() == FLAGS
    assert folder.read_results() == {"steps": 1}
    assert folder.read_metrics() == [{"step": step} for step in range(50)]
    assert len(list(folder.path.iterdir())) == 3


def test_a_folder_that_is_gone_is_not_made_anew(tmp_path):
    folder = run_folder.RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.check_there()
    folder.path.rename(tmp_path / "moved")
    for write in (
        lambda: folder.write_results({"steps": 1}),
        lambda: folder.append_metrics({"step": 1}),
    ):
        with pytest.raises(errors.StorageError, match="was moved or deleted"):
            write()
    assert not folder.path.exists()


def test_a_path_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path, words in (
        (tmp_path / "file", "is a file"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(errors.UserError, match=words):
            run_folder.RunFolder(path).check_usable()


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
    folder.write_results({"steps": 1})
    folder.append_metrics({"step": 1})
    for path in (folder.manifest, folder.evidence, folder.tipping):
        path.write_bytes(b"old")
    for path in (folder.best, folder.tensorboard):
        path.mkdir(parents=True)
        (path / "file").write_text("old")
    (folder.path / "notes.txt").write_text("mine")
    (folder.path / "figures").mkdir()
    folder.remove_results()
    assert folder.read_results() is None
    folder.clear()
    left = sorted(path.name for path in folder.path.iterdir())
    assert left == ["figures", "notes.txt"]
