import json
import pathlib
import subprocess
import sys

import pytest
from absl import flags
from absl.testing import flagsaver

from tfnoisy import errors
from tfnoisy.bin import show_runs
from tfnoisy.methods import baseline
from tfnoisy.training import experiment, optimizer

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run of two steps, and its results."""
    path = tmp_path_factory.mktemp("runs") / "baseline-0"

    def make_method(build, _):
        method = baseline.Baseline(build())
        method.compile(optimizer.TF1Momentum(0.05))
        return method

    results = experiment.run(
        experiment.Experiment(
            method="baseline",
            command="test",
            flags={"seed": "0"},
            make_method=make_method,
            train_log_dir=str(path),
            dataset_name="digits",
            train_split="train[:60]",
            studentnet="small_cnn",
            noise="symmetric:0.4",
            batch_size=16,
            max_number_of_steps=2,
            deterministic=False,
        )
    )
    return path, results


def test_a_row_is_what_results_json_says(finished):
    path, results = finished
    assert show_runs.row(path) == (
        "baseline",
        "digits symmetric:0.4",
        "2",
        f"{results['test']['accuracy']:.4f}",
        f"{results['best_test_accuracy']:.4f}",
        f"{results['train']['wrong_labels_fitted']:.4f}",
        str(path),
    )


def test_the_table(finished, tmp_path, capsys):
    path, results = finished
    other = {
        **results,
        "method": "mentormix",
        "steps": 200000,
        "test": {**results["test"], "accuracy": 0.98765},
        "best_test_accuracy": 1.0,
        "train": {**results["train"], "wrong_labels_fitted": None},
    }
    (tmp_path / "results.json").write_text(json.dumps(other))
    flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(runs=[str(path), str(tmp_path)]):
        show_runs.main(["show_runs.py"])
    head, first, second, *legend = capsys.readouterr().out.splitlines()
    assert head.split("  ")[0] == "method"
    # Each cell begins under its column's name.
    for name, cell, other_cell in (
        ("noise", "digits symmetric:0.4", "digits symmetric:0.4"),
        ("steps", "2", "200000"),
        ("test acc", f"{results['test']['accuracy']:.4f}", "0.9877"),
        ("best", f"{results['best_test_accuracy']:.4f}", "1.0000"),
        ("memorised", show_runs.row(path)[5], "-"),
        ("run", str(path), str(tmp_path)),
    ):
        place = head.index(name)
        assert first[place:].startswith(cell)
        assert second[place:].startswith(other_cell)
    assert second.startswith("mentormix")
    assert any("memorised: share" in line for line in legend)


def test_an_unfinished_run_has_no_row(finished, tmp_path):
    flag_file = (finished[0] / "flags.flags").read_text()
    (tmp_path / "flags.flags").write_text(flag_file)
    with pytest.raises(errors.UserError, match=f"{tmp_path} is not a finished"):
        show_runs.row(tmp_path)


def test_no_runs_are_the_users_mistake():
    done = subprocess.run(
        [sys.executable, str(ROOT / "bin" / "show_runs.py")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "show_runs.py: --runs=RUN,RUN,... names the run folders\n"
    )
