import dataclasses
import json
import shutil

import pytest

from tfnoisy import errors
from tfnoisy.methods import baseline
from tfnoisy.noise import manifest
from tfnoisy.training import experiment, optimizer, provenance


def make_method(build, budget):
    method = baseline.Baseline(build(), ema_decay=0.99)
    method.compile(optimizer.TF1Momentum(0.05))
    return method


def describe(path, **kwargs):
    values = {
        "dataset_name": "digits",
        "train_split": "train[:300]",
        "studentnet": "small_cnn",
        "noise": "symmetric:0.4",
        "noise_seed": 1,
        "max_number_of_steps": 6,
        "batch_size": 32,
        "eval_every": 3,
        **kwargs,
    }
    flags = {name: str(v) for name, v in values.items() if name != "overwrite"}
    return experiment.Experiment(
        method="baseline",
        command="test",
        flags=flags,
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


def test_results_tell_what_was_run(tmp_path):
    results = experiment.run(describe(tmp_path / "run", holdout=0.1))
    assert json.loads((tmp_path / "run/results.json").read_text()) == results
    assert results["method"] == "baseline"
    assert results["steps"] == 6
    assert results["extended_from"] == []
    assert results["noise"]["spec"] == "symmetric:0.4"
    assert 0.25 < results["noise"]["measured_rate"] < 0.45
    saved = manifest.NoiseManifest.load(tmp_path / "run/noise_manifest.npz")
    assert results["noise"]["manifest_sha256"] == saved.sha256()
    assert results["test"]["weights"] == "ema"
    assert results["test"].keys() == {"accuracy", "top5", "loss", "weights"}
    assert results["train_examples"] == 270
    assert results["holdout"]["examples"] == 30
    assert results["best_test_accuracy"] >= results["test"]["accuracy"]
    assert results["images_per_second"] > 0
    assert results["train"]["examples"] == 270
    assert 0 <= results["train"]["wrong_labels_fitted"] <= 1
    assert results["peak_memory_mib"] > 100
    assert set(results["versions"]) >= {"tfnoisy", "tensorflow", "keras"}
    assert results["hardware"] == provenance.hardware()
    assert results["versions"].get("commit") == provenance.commit()
    rows = [
        json.loads(line)
        for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    ]
    assert [row["step"] for row in rows] == [3, 6]
    assert rows[-1]["test_accuracy"] == results["test"]["accuracy"]
    # All wrong labels of so few images are in both samples.
    fitted = results["train"]["wrong_labels_fitted"]
    assert rows[-1]["wrong_labels_fitted"] == pytest.approx(fitted, abs=1e-6)
    recorded = (tmp_path / "run/flags.flags").read_text()
    assert "--noise=symmetric:0.4\n" in recorded


def test_a_finished_run_is_reported_not_repeated(run, capsys):
    first = json.loads((run / "results.json").read_text())
    before = (run / "metrics.jsonl").stat().st_mtime_ns
    assert experiment.run(describe(run)) == first
    assert (run / "metrics.jsonl").stat().st_mtime_ns == before
    assert "is finished" in capsys.readouterr().err


def test_another_run_is_refused_and_nothing_is_lost(run):
    kept = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    with pytest.raises(errors.UserError, match=r"--noise=symmetric:0\.4 there"):
        experiment.run(describe(run, noise="symmetric:0.2"))
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == kept
    results = experiment.run(
        describe(run, noise="symmetric:0.2", overwrite=True)
    )
    assert results["noise"]["spec"] == "symmetric:0.2"


def test_more_steps_go_on_where_it_ended(run):
    results = experiment.run(describe(run, max_number_of_steps=9))
    assert results["steps"] == 9
    assert results["extended_from"] == [6]
    assert "prolonged, at step 6\n" in (run / "flags.flags").read_text()
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [3, 6, 9]


def test_a_run_goes_on_with_as_many_replicas(run):
    flags = run / "flags.flags"
    flags.write_text(f"# Replicas that share a step: 2\n{flags.read_text()}")
    with pytest.raises(errors.UserError, match="by 2 replicas, here are 1"):
        experiment.run(describe(run, max_number_of_steps=9))
    results = experiment.run(describe(run, overwrite=True))
    assert results["steps"] == 6


@pytest.mark.parametrize(
    "mistake, words",
    [
        ({"studentnet": "small_cn"}, "small_cnn"),
        ({"dataset_name": "digitz"}, "digits"),
        ({"noise": "symetric:0.4"}, "symmetric"),
        ({"noise": "symmetric:1.4"}, "1.4"),
        ({"augment": "fancy"}, "standard"),
        ({"batch_size": 0}, "--batch_size"),
        ({"batch_size": 301}, "300 training examples"),
        ({"max_number_of_steps": 0}, "--max_number_of_steps"),
        ({"holdout": 1.5}, "--holdout"),
        ({"strategy": "tpu"}, "mirrored"),
        ({"strategy": "multi_worker"}, "TF_CONFIG"),
        ({"noise_manifest": "nowhere.npz"}, "nowhere.npz"),
        ({"train_split": "train[:x]"}, "train"),
        ({"holdout": 0.0001}, "--holdout"),
        ({"noise": "dividemix_sym:0.5"}, "--train_split"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path, mistake, words):
    with pytest.raises(errors.UserError) as caught:
        experiment.run(describe(tmp_path / "run", **mistake))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_epochs_in_place_of_steps(tmp_path):
    results = experiment.run(describe(tmp_path, num_epochs=0.5))
    # Half of 300 examples in batches of 32.
    assert results["steps"] == 5


def test_default_folder():
    assert (
        experiment.default_folder("mentormix", "digits", "symmetric:0.4", 3)
        == "runs/digits-symmetric_0.4/mentormix-3"
    )


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/mine.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(errors.UserError, match="no run folder"):
            experiment.run(describe(tmp_path, overwrite=overwrite))
    assert (tmp_path / "checkpoints/mine.txt").read_text() == "years of work"


def test_a_file_in_the_way_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="cannot write .*: Not a dir"):
        experiment.run(describe(tmp_path / "file/run"))


def test_damaged_files_are_said_in_one_line(run):
    longer = describe(run, max_number_of_steps=9)
    (run / "results.json").write_text("{")
    with pytest.raises(errors.UserError, match=r"results\.json is damaged"):
        experiment.run(longer)
    (run / "flags.flags").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.UserError, match=r"flags\.flags is damaged"):
        experiment.run(longer)


def test_a_run_goes_on_with_its_own_labels_only(run):
    made = manifest.NoiseManifest.load(run / "noise_manifest.npz")
    labels = made.given_labels.copy()
    labels[0] = (labels[0] + 1) % 10
    other = dataclasses.replace(made, given_labels=labels)
    other.save(run / "noise_manifest.npz")
    with pytest.raises(errors.UserError, match="other labels"):
        experiment.run(describe(run, max_number_of_steps=9))
