"""What is kept of a run."""

import json

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.reproduction import kept, measured
from tfnoisy.reproduction import rows as rows_lib
from tfnoisy.runs import folder as run_folder

ROW = rows_lib.Row(
    id="plain",
    table="digits",
    label="plain",
    command="bin/train.py --seed={seed}",
    seeds=(0, 1),
)
RESULTS = {
    "steps": 3,
    "test": {"accuracy": 0.75},
    "best_test_accuracy": 0.875,
    "train": {"wrong_labels_fitted": 0.123456},
    "wall_seconds": 12.5,
    "processor_seconds": 20.0,
    "hardware": "2 cores",
    "versions": {"commit": "abc1234", "tensorflow": "2.21.0"},
    "detection": {"f1": 0.5, "auc": 0.625},
}


def write_run(path, results, evaluations=3):
    folder = run_folder.RunFolder(path)
    folder.path.mkdir(parents=True)
    folder.write_flags({}, "train.py")
    folder.write_metrics(
        [
            {"step": step, "test_accuracy": step / 1000, "test_loss": 1.0}
            for step in range(1, evaluations + 1)
        ]
    )
    folder.write_results(results)
    return path


def test_a_run_is_kept_and_read_again(tmp_path):
    path = write_run(tmp_path / "run", RESULTS)
    found = kept.of_run(ROW, 1, path)
    assert found.command == "bin/train.py --seed=1"
    assert (found.commit, found.hardware) == ("abc1234", "2 cores")
    assert found.versions == {"tensorflow": "2.21.0"}
    assert (found.test_accuracy, found.f1, found.auc) == (0.75, 0.5, 0.625)
    assert found.wrong_labels_fitted == 0.1235
    assert found.curve == {
        "step": [1, 2, 3],
        "test_accuracy": [0.001, 0.002, 0.003],
    }
    (tmp_path / "plain-1.json").write_text(kept.to_json(found))
    assert kept.read(ROW, tmp_path) == [found]


def test_clean_labels_have_no_f1(tmp_path):
    results = RESULTS | {"detection": {"f1": 0.0, "auc": None}}
    found = kept.of_run(ROW, 0, write_run(tmp_path / "run", results))
    assert found.f1 is None and "f1" not in kept.to_json(found)


def test_a_long_curve_is_thinned_and_keeps_its_end(tmp_path):
    path = write_run(tmp_path / "run", RESULTS, evaluations=1234)
    steps = kept.of_run(ROW, 0, path).curve["step"]
    assert len(steps) <= 100
    assert steps[-1] == 1234
    assert np.ptp(np.diff(steps)) == 0


def test_a_run_that_has_not_ended_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match="not a finished run"):
        kept.of_run(ROW, 0, tmp_path)
    path = write_run(tmp_path / "run", {"steps": 3, "versions": {}})
    with pytest.raises(errors.UserError, match="damaged, or not a training's"):
        kept.of_run(ROW, 0, path)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "plain-0.json").write_text("{")
    with pytest.raises(errors.UserError, match="plain-0.json is damaged"):
        kept.read(ROW, tmp_path)


def test_means_are_over_the_seeds_that_were_kept(tmp_path):
    empty = measured.of(ROW, tmp_path)
    assert empty.accuracies == [] and empty.best is None
    for seed, accuracy in ((0, 0.5), (1, 0.75)):
        results = RESULTS | {"test": {"accuracy": accuracy}}
        run = kept.of_run(
            ROW, seed, write_run(tmp_path / f"run{seed}", results)
        )
        path = tmp_path / kept.file_name("plain", seed)
        path.write_text(kept.to_json(run))
    found = measured.of(ROW, tmp_path)
    assert found.accuracies == [0.5, 0.75]
    assert found.mean == 0.625
    assert found.deviation == pytest.approx(0.1767767)
    assert found.minutes == pytest.approx(1 / 3)
    assert (found.f1, found.auc) == (0.5, 0.625)
    assert found.commits == ["abc1234"]


def test_a_row_of_an_earlier_commit_has_its_values(tmp_path):
    row = rows_lib.Row(
        id="old",
        table="digits",
        label="old",
        command="bin/train.py",
        values=(0.5,),
        commit="1234567",
        f1=0.25,
    )
    found = measured.of(row, tmp_path)
    assert (found.accuracies, found.f1) == ([0.5], 0.25)
    assert found.commits == ["1234567"]


def test_shipped_runs_are_those_of_their_rows():
    """A row whose command was changed has to be measured anew."""
    rows = rows_lib.load()
    folder = rows_lib.resources.shipped("data/results/runs")
    known = set()
    for row in rows.rows.values():
        known |= {kept.file_name(row.id, seed) for seed in row.seeds}
        for run in kept.read(row):
            assert run.row == row.id
            assert run.command == row.typed(run.seed), row.id
            assert run.commit and run.hardware
            assert run.curve["test_accuracy"][-1] == pytest.approx(
                run.test_accuracy, abs=1e-4
            )
    for path in folder.glob("*"):
        assert path.name in known
        assert json.loads(path.read_text())
        assert path.stat().st_size < 8000, path.name
