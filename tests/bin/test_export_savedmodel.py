"""From a run folder to a model for TensorFlow Serving, as a user does it."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tfnoisy.datasets import load


def digits(path, **flags):
    """Flags of a run of some seconds."""
    values = {
        "dataset_name": "digits",
        "train_split": "train[:240]",
        "noise": "symmetric:0.2",
        "batch_size": 16,
        "train_log_dir": path,
        **flags,
    }
    return [f"--{name}={value}" for name, value in values.items()]


@pytest.fixture(scope="module")
def run(tmp_path_factory, run_script):
    """The folder of a finished run."""
    path = tmp_path_factory.mktemp("run") / "run"
    done = run_script(
        "cifar_train_baseline.py",
        *digits(path, studentnet="small_cnn", augment="standard"),
        "--max_number_of_steps=60",
        "--learning_rate=0.05",
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory, run_script):
    """The models' folder, and what the script printed."""
    models = tmp_path_factory.mktemp("models")
    done = run_script(
        "export_savedmodel.py",
        f"--run_dir={run}",
        f"--export_dir={models / 'digits'}",
        "--quantize=float16",
    )
    assert done.returncode == 0, done.stderr
    return models, done.stdout


def test_the_script_says_what_it_made_and_how_good_it_is(exported, run):
    models, said = exported
    results = json.loads((run / "results.json").read_text())
    accuracy = f"accuracy {results['test']['accuracy']:.4f}"
    lines = said.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{models / 'digits' / '1'}: last checkpoint")
    assert lines[0].endswith(
        f"360 test images the trained network has {accuracy}"
    )
    assert lines[1].startswith(f"  savedmodel {accuracy}, ")
    report = json.loads((models / "digits/1/export.json").read_text())
    size = (models / "digits/1/model.tflite").stat().st_size
    assert lines[2].endswith(f" {size:,} bytes")
    assert report["tflite"]["quantize"] == "float16"


def saved_model_cli(*words):
    script = pathlib.Path(sys.executable).with_name("saved_model_cli")
    done = subprocess.run(
        [sys.executable, script, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_saved_model_cli_shows_it(exported):
    shown = saved_model_cli("show", "--dir", exported[0] / "digits/1", "--all")
    for name, given in (
        ("serving_default", "DT_FLOAT"),
        ("serving_uint8", "DT_UINT8"),
        ("serving_bytes", "DT_STRING"),
        ("features", "DT_FLOAT"),
    ):
        part = shown.partition(f"signature_def['{name}']:")[2]
        part = part.partition("Method name is")[0]
        taken, _, gives = part.partition("contains the following output")
        assert f"dtype: {given}" in taken
        assert ("outputs['features']" in gives) == (name == "features")
        assert ("outputs['top_k_class_names']" in gives) == (name != "features")


@pytest.mark.slow
def test_saved_model_cli_runs_it(exported, tmp_path):
    test = load.load("digits", "test")
    np.save(tmp_path / "images.npy", test.images)
    saved_model_cli(
        *("run", "--dir", exported[0] / "digits/1"),
        *("--tag_set", "serve", "--signature_def", "serving_uint8"),
        *("--inputs", f"images={tmp_path / 'images.npy'}"),
        *("--outdir", tmp_path),
    )
    report = json.loads((exported[0] / "digits/1/export.json").read_text())
    predicted = np.load(tmp_path / "class_ids.npy")
    accuracy = (predicted == test.clean_labels).mean()
    assert accuracy == pytest.approx(report["savedmodel"]["accuracy"])


@pytest.mark.slow
def test_dividemix_exports_its_two_networks_as_one(tmp_path, run_script):
    done = run_script(
        "cifar_train_dividemix.py",
        *digits(tmp_path / "run", num_epochs=1, warm_up=1),
    )
    assert done.returncode == 0, done.stderr
    done = run_script(
        "export_savedmodel.py",
        f"--run_dir={tmp_path / 'run'}",
        f"--export_dir={tmp_path / 'models/pair'}",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "models/pair/1/export.json").read_text())
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert report["networks"] == 2
    assert report["step"] == results["steps"]
    assert report["savedmodel"]["accuracy"] == pytest.approx(
        results["test"]["accuracy"]
    )
    assert report["savedmodel"]["max_probability_difference"] < 1e-5


MISTAKES = {
    "no run": ([], "--run_dir is missing"),
    "not a run": (
        ["--run_dir=nowhere", "--export_dir=models/m"],
        "nowhere is no run folder",
    ),
    "no SavedModel": (
        ["--run_dir=RUN", "--export_dir=models/m", "--format=tflite"],
        "--format=tflite: savedmodel",
    ),
    "no file to quantise": (
        [
            *("--run_dir=RUN", "--export_dir=models/m"),
            *("--format=savedmodel", "--quantize=int8"),
        ],
        "--quantize=int8 is of the LiteRT file",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(mistake, run, tmp_path, monkeypatch, run_script):
    monkeypatch.chdir(tmp_path)
    flags, words = MISTAKES[mistake]
    done = run_script(
        "export_savedmodel.py",
        *(flag.replace("RUN", str(run)) for flag in flags),
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("export_savedmodel.py: ") and words in line
    assert list(tmp_path.iterdir()) == []
