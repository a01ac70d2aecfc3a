"""`bin/train.py --method=auto`, as a user runs it."""

import json

import pytest

import little_folder
from tfnoisy.comparison import plan
from tfnoisy.comparison import protocol as protocol_lib
from tfnoisy.runs import folder as run_folder


def words(path, **flags):
    values = {
        "method": "auto",
        "dataset_name": "digits",
        "noise": "symmetric:0.4",
        "test_split": "test[:50]",
        "num_epochs": 2,
        "batch_size": 64,
        "train_log_dir": path,
        **flags,
    }
    return [f"--{name}={value}" for name, value in values.items()]


def results_of(path):
    return json.loads((path / "results.json").read_text())


@pytest.fixture(scope="module")
def chosen(tmp_path_factory, run_script):
    """A run of labels that are spread, and what was said."""
    path = tmp_path_factory.mktemp("auto") / "run"
    done = run_script("train.py", *words(path))
    assert done.returncode == 0, done.stderr
    return path, done


def test_what_was_chosen_is_said_and_recorded(chosen):
    path, done = chosen
    [line] = [x for x in done.stderr.splitlines() if "--method=auto" in x]
    recorded = run_folder.RunFolder(path).read_flags()
    assert line == f"--method=auto chooses {recorded['auto_choice']}"
    assert recorded["auto_choice"].startswith("sop_plus: between 30% and 38%")
    assert recorded["method"] == results_of(path)["method"] == "sop_plus"
    assert results_of(path)["auto_choice"] == recorded["auto_choice"]
    assert recorded["batch_size"] == "64"
    # The method's own, as in a comparison.
    assert recorded["lr_u"] == "10.0"
    assert recorded["studentnet"] == "small_cnn"


def test_it_is_trained_as_in_a_comparison(chosen, tmp_path):
    path, _ = chosen
    recorded = run_folder.RunFolder(path).read_flags()
    protocol = protocol_lib.make_protocol(
        "digits", "symmetric:0.4", 2, ["--test_split=test[:50]"]
    )
    [run] = plan.make_runs(protocol, ["sop_plus"], [0], tmp_path)
    expected = dict(word[2:].split("=", 1) for word in run.words)
    del expected["train_log_dir"]
    assert expected.keys() >= {"lr_u", "lr_drops", "learning_rate", "seed"}
    for name, value in expected.items():
        assert is_same(recorded[name], value), name


def is_same(text, other):
    try:
        return float(text) == float(other)
    except ValueError:
        return text == other


@pytest.mark.slow
def test_the_same_command_goes_on_with_what_was_chosen(
    chosen, run_script, tmp_path
):
    path, _ = chosen
    done = run_script("train.py", *words(tmp_path, num_epochs=1))
    assert done.returncode == 0, done.stderr
    # As if the rule had changed since.
    flags = tmp_path / "flags.flags"
    flags.write_text(flags.read_text().replace("no more than", "a mere"))
    done = run_script("train.py", *words(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "a mere 18% of a class's wrong labels" in done.stderr
    assert "resuming at step" in done.stderr + done.stdout
    again, whole = results_of(tmp_path), results_of(path)
    assert again["extended_from"] == [23]
    assert again["steps"] == whole["steps"] == 45
    done = run_script("train.py", *words(tmp_path))
    assert "is finished" in done.stderr and done.returncode == 0


@pytest.mark.slow
def test_the_run_is_made_again_from_its_flags(chosen, run_script, tmp_path):
    path, _ = chosen
    file = f"--flagfile={path}/flags.flags"
    done = run_script("train.py", file, f"--train_log_dir={tmp_path}/again")
    assert done.returncode == 0, done.stderr
    assert "chooses" not in done.stderr
    assert results_of(tmp_path / "again")["test"] == results_of(path)["test"]


@pytest.mark.slow
def test_a_method_with_a_script_of_its_own(run_script, tmp_path):
    flags = {"noise": "pairflip:0.4", "holdout": 0.1, "skip_broken": "true"}
    done = run_script("train.py", *words(tmp_path, **flags))
    assert done.returncode == 0, done.stderr
    folder = run_folder.RunFolder(tmp_path)
    recorded = folder.read_flags()
    assert recorded["auto_choice"].startswith("dividemix: ")
    # As many passes, counted from 0.
    assert recorded["num_epochs"] == "1.0"
    assert recorded["holdout"] == "0.1" and recorded["skip_broken"] == "true"
    assert "cifar_train_dividemix.py" in folder.flags.read_text()
    assert results_of(tmp_path)["method"] == "dividemix"


@pytest.mark.slow
def test_a_folder_of_photographs(run_script, tmp_path, monkeypatch):
    """Those are judged by the features of a network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    little_folder.write(tmp_path / "images", each=20, size=24)
    done = run_script(
        "train.py",
        *words(
            tmp_path / "run",
            dataset_name="folder",
            data_dir=tmp_path / "images",
            noise="none",
            studentnet="small_cnn",
            test_split="test",
            num_epochs=1,
            batch_size=8,
        ),
    )
    assert done.returncode == 0, done.stderr
    assert "--method=auto chooses " in done.stderr
    # Of all images but those for tests.
    count = results_of(tmp_path / "run")["train_examples"]
    [kept] = (tmp_path / "cache").glob("tfnoisy/features/*.features")
    assert kept.stat().st_size == count * (32 + 4 * 1280 + 4)
    assert 30 < count < 40
    recorded = run_folder.RunFolder(tmp_path / "run").read_flags()
    assert recorded["data_dir"] == str(tmp_path / "images")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"max_number_of_steps": 5}, "counts in epochs"),
        ({"num_epochs": 0}, "counts in epochs"),
        ({"lr_schedule": "constant"}, "each method's own schedule"),
        ({"noise": "asym:0.4"}, "no kind 'asym'"),
        ({"train_split": "train[:2]"}, "too few to compare"),
        ({"warm_up": 3}, "warm_up"),
    ],
)
def test_a_mistake_costs_one_line(run_script, tmp_path, flags, message):
    path = tmp_path / "run"
    done = run_script("train.py", *words(path, **flags))
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("train.py: ") and message in line
    assert not path.exists()


def test_a_damaged_record(chosen, run_script, tmp_path):
    path, _ = chosen
    text = (path / "flags.flags").read_text()
    (tmp_path / "flags.flags").write_text(text.replace("sop_plus: ", "? "))
    done = run_script("train.py", *words(tmp_path))
    assert done.returncode == 2
    assert "flags.flags is damaged" in done.stderr
