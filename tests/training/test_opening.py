"""Nothing in a run folder changes before every reason to refuse is known."""

import dataclasses
import json
import os
import pathlib
import shutil

import keras
import pytest

import full_disk
from tfnoisy import errors
from tfnoisy.methods import baseline
from tfnoisy.runs import folder as run_folder
from tfnoisy.runs import lock as run_lock
from tfnoisy.training import experiment, opening, optimizer

FLAGS = {"dataset_name": "digits", "max_number_of_steps": "6"}


def make_method(build, _):
    method = baseline.Baseline(build())
    method.compile(optimizer.TF1Momentum(0.05))
    return method


@pytest.fixture(scope="module", autouse=True)
def tiny_network():
    """Builds a matrix in place of the smallest network, which takes longer."""

    def build(*_, **kwargs):
        keras.utils.set_random_seed(kwargs["seed"])
        inputs = keras.Input((8, 8, 1))
        outputs = keras.layers.Dense(10)(keras.layers.Flatten()(inputs))
        return keras.Model(inputs, outputs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(experiment.registry, "build", build)
        yield


def describe(path, **kwargs):
    values = {
        "dataset_name": "digits",
        "train_split": "train[:100]",
        "test_split": "test[:20]",
        "studentnet": "small_cnn",
        "max_number_of_steps": 6,
        "batch_size": 20,
        "eval_every": 3,
        **kwargs,
    }
    steps = str(values["max_number_of_steps"])
    return experiment.Experiment(
        method="baseline",
        command="test",
        flags={**FLAGS, "max_number_of_steps": steps},
        make_method=make_method,
        train_log_dir=str(path),
        deterministic=False,
        **values,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = tmp_path_factory.mktemp("finished") / "run"
    experiment.run(describe(path))
    return path


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a finished run."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def contents(path):
    """Every file below a path, with its bytes and its age."""
    return {
        file: (file.stat().st_mtime_ns, file.is_file() and file.read_bytes())
        for file in path.rglob("*")
    }


def refused(path, words, **kwargs):
    """Runs what must be refused, in one line, and leave all as it was."""
    before = contents(path)
    with pytest.raises(errors.UserError, match=words) as caught:
        experiment.run(describe(path, **kwargs))
    assert "\n" not in str(caught.value)
    assert contents(path) == before


LONGER = {"max_number_of_steps": 9}


@pytest.mark.parametrize(
    "kwargs, words",
    [
        ({**LONGER, "restore_step": 7}, "restore_step=7: there are .* of 3, 6"),
        ({"restore_step": 7}, "restore_step=7: there are checkpoints of 3, 6"),
        ({"restore_step": 3, "overwrite": True}, "give one of the two"),
        ({**LONGER, "dataset_name": "digitz"}, "digitz"),
        ({**LONGER, "batch_size": 999}, "--batch_size=999"),
        ({"overwrite": True, "holdout": 0.0001}, "--holdout"),
        ({**LONGER, "noise": "symmetric:0.4"}, "other labels"),
        ({"max_number_of_steps": 3}, "--max_number_of_steps=6 there, 3 here"),
    ],
)
def test_a_refusal_changes_nothing(run, kwargs, words):
    refused(run, words, **kwargs)


@pytest.mark.parametrize("kwargs", [{}, {"overwrite": True}])
def test_a_refusal_leaves_no_new_folder(tmp_path, kwargs):
    words = "give one" if kwargs else "there are checkpoints of no step"
    with pytest.raises(errors.UserError, match=words):
        experiment.run(describe(tmp_path / "new", restore_step=7, **kwargs))
    assert not (tmp_path / "new").exists()


def test_damaged_checkpoints_change_nothing(run):
    for data in (run / "checkpoints").glob("*.data*"):
        data.write_bytes(b"")
    refused(run, "none of the 2 checkpoints", **LONGER)


@pytest.mark.parametrize("kwargs", [LONGER, {"overwrite": True}])
def test_a_second_process_changes_nothing(run, kwargs):
    with run_lock.Lock(run) as held:
        held.acquire()
        refused(run, "another process trains in", **kwargs)


def test_a_second_process_on_a_new_run(tmp_path, monkeypatch):
    """Both find nothing; the one that is later to lock it is refused."""
    path = tmp_path / "run"
    load = experiment.run_data.load
    with run_lock.Lock(path) as other:

        def load_slowly(options):
            data = load(options)
            other.acquire()
            return data

        monkeypatch.setattr(experiment.run_data, "load", load_slowly)
        with pytest.raises(errors.UserError, match="another process trains"):
            experiment.run(describe(path))
    assert os.listdir(path) == ["lock"]


def test_a_run_that_was_begun_and_ended_meanwhile(tmp_path):
    folder = run_folder.RunFolder(tmp_path)

    class Acquiring(run_lock.Lock):
        def acquire(self):
            super().acquire()
            folder.flags.write_text("--dataset_name=digits\n")

    folder.lock = Acquiring(tmp_path)
    with folder.lock, pytest.raises(errors.UserError, match="has just begun"):
        opening.begin(describe(tmp_path), folder, None, None)


def test_the_lock_is_free_again(run):
    experiment.run(describe(run, **LONGER))
    with run_lock.Lock(run) as lock:
        assert lock.is_held and lock.path.read_text() == ""


def test_a_step_to_restore_makes_a_finished_run_again(run):
    before = json.loads((run / "results.json").read_text())
    results = experiment.run(describe(run, restore_step=3))
    assert results["extended_from"] == []
    for name in ("test", "train", "best_test_accuracy", "steps"):
        assert results[name] == before[name]


def test_killed_while_a_run_was_prolonged(run):
    """The flags are those of the longer run, the results of the shorter."""
    folder = run_folder.RunFolder(run)
    results = folder.read_results()
    longer = {**FLAGS, "max_number_of_steps": "9"}
    folder.write_flags(longer, "test", extended_from=[6])
    final = experiment.run(describe(run, **LONGER))
    assert (results["steps"], final["steps"]) == (6, 9)
    assert final["extended_from"] == [6]
    assert experiment.run(describe(run, **LONGER)) == final


@pytest.mark.parametrize("size", [0, 40])
def test_a_full_disk_when_a_run_begins(run, size):
    with (
        pytest.raises(errors.StorageError, match="cannot write"),
        full_disk.no_file_beyond(size),
    ):
        experiment.run(describe(run, **LONGER))
    assert json.loads((run / "results.json").read_text())["steps"] == 6
    results = experiment.run(describe(run, **LONGER))
    assert (results["steps"], results["extended_from"]) == (9, [6])


def test_a_full_disk_on_the_way_says_how_to_go_on(tmp_path, monkeypatch):
    path = pathlib.Path(tmp_path / "run")
    append = run_folder.RunFolder.append_metrics

    def full(folder, row):
        if row["step"] == 6:
            raise errors.StorageError(f"cannot write {folder.metrics}: full")
        append(folder, row)

    monkeypatch.setattr(run_folder.RunFolder, "append_metrics", full)
    with pytest.raises(
        errors.StorageError, match="full; once that is put right, the same"
    ):
        experiment.run(describe(path))
    assert not (path / "results.json").exists()
    monkeypatch.undo()
    results = experiment.run(describe(path))
    assert results["steps"] == 6
    steps = [row["step"] for row in run_folder.RunFolder(path).read_metrics()]
    assert steps == [3, 6]


def test_skipped_updates_are_named_in_the_results(tmp_path):
    plain = experiment.run(describe(tmp_path / "a"))
    assert "skipped_updates" not in plain
    results = experiment.run(
        dataclasses.replace(describe(tmp_path / "b"), on_nonfinite="skip")
    )
    assert results["skipped_updates"] == {"count": 0, "steps": []}
