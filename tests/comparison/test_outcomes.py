import numpy as np
import pytest

from tfnoisy.comparison import outcomes as outcome_lib
from tfnoisy.comparison import plan
from tfnoisy.comparison import protocol as protocol_lib
from tfnoisy.runs import folder as run_folder

RESULTS = {
    "steps": 40,
    "batch_size": 32,
    "train_examples": 1337,
    "probe_examples": 100,
    "noise": {"measured_rate": 0.36},
    "test": {"accuracy": 0.9},
    "best_test_accuracy": 0.95,
    "train": {"wrong_labels_fitted": None},
    "wall_seconds": 12.5,
    "processor_seconds": 20.25,
}


def outcomes(accuracies, method="bkd", **more):
    return [
        outcome_lib.Outcome(
            method,
            seed,
            outcome_lib.FINISHED,
            accuracy,
            **{"trusted_images": 0, **more},
        )
        for seed, accuracy in enumerate(accuracies)
    ]


def test_an_outcome_is_what_results_json_says(tmp_path):
    protocol = protocol_lib.make_protocol("digits", "none", 1)
    [run] = plan.make_runs(protocol, ["ieg"], [4], tmp_path)
    run.folder.mkdir()
    run_folder.RunFolder(run.folder).write_results(RESULTS)
    assert outcome_lib.read(run) == outcome_lib.Outcome(
        method="ieg",
        seed=4,
        status="finished",
        test_accuracy=0.9,
        best_test_accuracy=0.95,
        wrong_labels_fitted=None,
        noise_rate=0.36,
        train_images=1337,
        trusted_images=100,
        batch_size=32,
        steps=40,
        seconds=12.5,
        processor_seconds=20.25,
        run=str(tmp_path / "ieg-4"),
    )
    # Older versions did not measure it.
    older = {n: v for n, v in RESULTS.items() if n != "processor_seconds"}
    run_folder.RunFolder(run.folder).write_results(older)
    assert outcome_lib.read(run).processor_seconds is None
    assert outcome_lib.read(run).seconds == 12.5
    # What an earlier command left there is not the outcome of this one.
    failed = outcome_lib.read(run, outcome_lib.FAILED)
    assert failed.status == "failed" and failed.test_accuracy is None


def test_a_summary_of_seeds():
    accuracies = [0.75, 0.672, 0.781, 0.76]
    [summary] = outcome_lib.summarise(outcomes(accuracies, trusted_images=100))
    assert summary.label == "bkd (100 trusted images)"
    assert summary.mean("test_accuracy") == pytest.approx(np.mean(accuracies))
    assert summary.deviation == pytest.approx(np.std(accuracies, ddof=1))
    assert summary.unfinished == ""


def test_one_seed_has_no_deviation():
    [summary] = outcome_lib.summarise(outcomes([0.5]))
    assert summary.mean("test_accuracy") == 0.5
    assert summary.deviation is None


def test_only_finished_runs_count():
    found = [
        outcome_lib.Outcome("bkd", 5, outcome_lib.WAITING),
        *outcomes([0.5, 0.7]),
        outcome_lib.Outcome("bkd", 2, outcome_lib.FAILED),
        outcome_lib.Outcome("bkd", 4, outcome_lib.WAITING),
    ]
    [summary] = outcome_lib.summarise(found)
    assert summary.accuracies == [0.5, 0.7]
    assert summary.unfinished == "2 not yet, 1 failed"
    assert summary.mean("steps") is None


def test_where_nothing_is_finished_one_word_says_why():
    missing = outcome_lib.MISSING
    found = [outcome_lib.Outcome("bkd", seed, missing) for seed in range(3)]
    [summary] = outcome_lib.summarise(found)
    assert (summary.label, summary.unfinished) == ("bkd", "missing")


def test_methods_keep_their_order():
    found = outcomes([0.5], "mixup") + outcomes([0.5, 0.6], "bkd")
    summaries = outcome_lib.summarise([*found, *outcomes([0.1], "mixup")])
    assert [summary.method for summary in summaries] == ["mixup", "bkd"]
    assert summaries[0].accuracies == [0.5, 0.1]
