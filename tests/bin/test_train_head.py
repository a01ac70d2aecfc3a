"""A head on a frozen network: trained, judged, audited, exported, served."""

import json

import numpy as np
import pytest
import tensorflow as tf

import little_folder


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for part in ("train", "test"):
        little_folder.write(folder / part, each=12)
    return folder


@pytest.fixture(scope="module")
def run(images, run_script, tmp_path_factory):
    path = tmp_path_factory.mktemp("head") / "run"
    done = run_script(
        "train_head.py", f"--data_dir={images}", f"--train_log_dir={path}"
    )
    assert done.returncode == 0, done.stderr
    return path


def test_it_is_a_run_like_any_other(run, images, run_script):
    results = json.loads((run / "results.json").read_text())
    assert results["test"]["accuracy"] >= 0.9
    assert results["head"]["name"] == "ridge"
    judged = run_script("cifar_eval.py", f"--checkpoint_dir={run}", "--once")
    assert judged.returncode == 0, judged.stderr
    row = json.loads(judged.stdout)
    assert row["accuracy"] == results["test"]["accuracy"]
    # The same command finds it finished.
    again = run_script(
        "train_head.py", f"--data_dir={images}", f"--train_log_dir={run}"
    )
    assert again.returncode == 0 and "is finished" in again.stderr


def test_the_audit_says_what_the_rule_said(run, run_script):
    done = run_script("audit_labels.py", f"--run_dir={run}")
    assert done.returncode == 0, done.stderr
    flagged = json.loads((run / "results.json").read_text())["head"]["flagged"]
    assert done.stdout.splitlines()[-1].startswith(f"{flagged} of 24 labels")


@pytest.mark.slow
def test_it_is_exported_with_its_backbone(run, images, run_script, tmp_path):
    model = tmp_path / "model"
    done = run_script(
        "export_savedmodel.py", f"--run_dir={run}", f"--export_dir={model}"
    )
    assert done.returncode == 0, done.stderr
    loaded = tf.saved_model.load(str(model / "1"))
    files = [images / "test/bright/3.png", images / "test/dark/3.png"]
    answer = loaded.signatures["serving_bytes"](
        tf.constant([file.read_bytes() for file in files])
    )
    probabilities = answer["probabilities"].numpy()
    assert probabilities.argmax(1).tolist() == [0, 1]
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)


@pytest.mark.slow
def test_corrections_are_heard(images, run_script, tmp_path):
    file = tmp_path / "c.csv"
    file.write_text("path,given_label,action\ntrain/dark/0.png,dark,remove\n")
    done = run_script(
        "train_head.py",
        f"--data_dir={images}",
        f"--corrections={file}",
        f"--train_log_dir={tmp_path / 'run'}",
    )
    assert done.returncode == 0, done.stderr
    assert "1 removed" in done.stderr


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--studentnet=small_cnn"], "small_cnn is not frozen"),
        (["--head=tree"], "head"),
        (["--data_dir=none"], "none"),
    ],
)
def test_mistakes(images, run_script, tmp_path, flags, words):
    done = run_script(
        "train_head.py",
        f"--data_dir={images}",
        f"--train_log_dir={tmp_path / 'run'}",
        *flags,
    )
    assert done.returncode == 2 and words in done.stderr
    assert not (tmp_path / "run").exists()
