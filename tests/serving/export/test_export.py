import hashlib
import json

import numpy as np
import pytest

import slow_cases
from tfnoisy import errors
from tfnoisy.serving.export import export, lite, signatures
from tfnoisy.serving.loader import c_loader
from tfnoisy.training import evaluate_run


def options(run, models, **values):
    return export.Options(
        run_dir=str(run), export_dir=str(models / "digits"), **values
    )


def results_of(run):
    return json.loads((run / "results.json").read_text())


def test_what_a_version_holds(exported):
    path = exported.path
    assert path.name == "1" and path.parent.name == "digits"
    assert sorted(entry.name for entry in path.iterdir()) == [
        "assets",
        "assets.extra",
        "export.json",
        "fingerprint.pb",
        "model.tflite",
        "saved_model.pb",
        "variables",
    ]
    names = (path / "assets/labels.txt").read_text()
    assert names == "".join(f"{digit}\n" for digit in range(10))
    assert [entry.name for entry in path.parent.iterdir()] == ["1"]
    assert sorted(entry.name for entry in path.parents[1].iterdir()) == [
        "batching.config",
        "digits",
        "models.config",
        "monitoring.config",
    ]


def test_the_report_says_what_was_exported(exported, trained):
    report, results = exported.report, results_of(trained)
    assert json.loads((exported.path / "export.json").read_text()) == report
    assert report["run"] == str(trained)
    flags = (trained / "flags.flags").read_bytes()
    assert report["flags_sha256"] == hashlib.sha256(flags).hexdigest()
    assert report["checkpoint"] == "last" and report["step"] == 60
    assert report["weights"] == "ema" and report["networks"] == 1
    assert report["image_shape"] == [8, 8, 1] and report["top_k"] == 5
    assert report["test"] == {
        "split": "test",
        "images": 360,
        "accuracy": pytest.approx(results["test"]["accuracy"]),
    }


def test_the_report_compares_both_files_with_the_network(exported):
    report = exported.report
    served, small = report["savedmodel"], report["tflite"]
    assert served["accuracy"] == report["test"]["accuracy"]
    assert served["max_probability_difference"] < 1e-5
    assert served["same_class"] == 1
    path = exported.path
    kept = ["saved_model.pb", "assets/labels.txt"]
    assert served["bytes"] == sum(
        file.stat().st_size
        for file in [*map(path.joinpath, kept), *path.glob("variables/*")]
    )
    assert small["quantize"] == "int8"
    assert small["bytes"] == (path / "model.tflite").stat().st_size
    assert small["share_of_savedmodel_bytes"] < 0.3
    assert 1e-5 < small["max_probability_difference"] < 0.2
    assert small["accuracy_drop"] == pytest.approx(
        report["test"]["accuracy"] - small["accuracy"]
    )
    assert small["accuracy_drop"] <= 0.01


def test_the_weights_are_the_moving_averages(exported, trained):
    run = evaluate_run.RunEvaluator(trained)
    run.restore(run.checkpoint())
    view = run.augmentation.evaluate(run.dataset.images[:50])
    raw = np.exp(run.method.student(view, training=False))
    raw /= raw.sum(axis=1, keepdims=True)
    with c_loader.Session(exported.path) as session:
        answer = session.run(
            "serving_uint8", {"images": run.dataset.images[:50]}
        )
    assert np.abs(answer["probabilities"] - raw).max() > 0.01


def test_a_pair_is_one_model(exported_pair):
    report = exported_pair.report
    assert report["networks"] == 2
    assert report["checkpoint"] == "last" and report["weights"] == "raw"
    assert report["savedmodel"]["max_probability_difference"] < 1e-5
    with c_loader.Session(exported_pair.path) as session:
        features = session.signatures["features"].outputs["features"]
    assert features.shape == (None, 2 * 64)


def test_the_held_out_choice_comes_first(trained, tmp_path):
    """And further versions are numbered on; a part of the tests may do."""
    (tmp_path / "digits/7").mkdir(parents=True)
    best = results_of(trained)["holdout"]
    version, report = export.export(
        options(trained, tmp_path, top_k=2, num_test_images=90)
    )
    assert version == tmp_path / "digits/8"
    assert report["checkpoint"] == "best"
    assert report["step"] == best["best_step"]
    assert report["test"]["images"] == 90
    with c_loader.Session(version) as session:
        images = np.zeros([3, 8, 8, 1], np.uint8)
        answer = session.run("serving_uint8", {"images": images})
    assert answer["top_k_class_ids"].shape == (3, 2)


@pytest.mark.parametrize(
    "wrong", slow_cases.but(["SavedModel"], ["SavedModel", "LiteRT file"])
)
def test_a_worse_model_is_not_passed_off(trained, tmp_path, monkeypatch, wrong):
    """Two lines that go wrong in the graph, or in the other format."""
    if wrong == "SavedModel":
        whole = signatures.Classifier.logits
        monkeypatch.setattr(
            signatures.Classifier,
            "logits",
            lambda self, images: -whole(self, images),
        )
    else:
        whole = lite.probabilities
        monkeypatch.setattr(
            lite, "probabilities", lambda *args: whole(*args)[:, ::-1]
        )
    models = tmp_path / "new" / "models"
    with pytest.raises(errors.ExportError, match=wrong) as caught:
        export.export(options(trained, models, tflite=True))
    assert "--max_accuracy_drop=0.01" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    allowed = options(trained, models, tflite=True, max_accuracy_drop=1.0)
    version, report = export.export(allowed)
    part = {"SavedModel": "savedmodel"}.get(wrong, "tflite")
    assert report[part]["accuracy_drop"] > 0.3
    assert version == models / "digits/1"


@pytest.mark.parametrize(
    "values, words",
    [
        ({"top_k": 11}, "--top_k=11 of 10 classes: from 1 to 10"),
        ({"run_dir": "nowhere"}, "nowhere is no run folder"),
        ({"export_dir": "models/digits/3"}, "3 names a version"),
        ({"overrides": {"data_dir": "nowhere"}}, "--data_dir=nowhere"),
    ],
)
def test_mistakes_write_nothing(trained, tmp_path, monkeypatch, values, words):
    monkeypatch.chdir(tmp_path)
    values = {
        "run_dir": str(trained),
        "export_dir": "models/digits",
        **values,
    }
    with pytest.raises(errors.UserError, match=words):
        export.export(export.Options(**values))
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_held_nothing_out_has_no_best(trained_pair, tmp_path):
    with pytest.raises(errors.UserError, match="--holdout keeps a best one"):
        export.export(options(trained_pair, tmp_path, checkpoint="best"))
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_list_of_models_is_named(trained, tmp_path):
    (tmp_path / "models.config").write_text("model_config_list {")
    with pytest.raises(errors.UserError, match=r"models\.config is damaged"):
        export.export(options(trained, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["models.config"]
