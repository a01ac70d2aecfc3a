import csv
import json

import numpy as np
import pytest
from PIL import Image

import slow_cases
from tfnoisy.datasets import load


def small(path, **flags):
    """Flags of a run of a few steps on a few digits."""
    values = {
        "dataset_name": "digits",
        "train_split": "train[:300]",
        "noise": "symmetric:0.6",
        "probe_dataset_hold_ratio": 0.1,
        "max_iteration": 4,
        "batch_size": 20,
        "eval_freq": 3,
        "train_log_dir": path,
        **flags,
    }
    return [f"--{name}={value}" for name, value in values.items()]


def results_of(path):
    return json.loads((path / "results.json").read_text())


def rows_of(path):
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run_script):
    """The folder of an IEG run, and what it said."""
    path = tmp_path_factory.mktemp("ieg") / "run"
    done = run_script("cifar_train_ieg.py", *small(path))
    assert done.returncode == 0, done.stderr
    return path, done.stdout


def test_ieg_trains(trained):
    path, said = trained
    results = results_of(path)
    assert results["method"] == "ieg" and results["steps"] == 4
    assert results["studentnet"] == "small_cnn"  # It suits digits.
    assert results["probe_examples"] == 30
    assert results["train_examples"] == 270
    assert results["test"]["weights"] == "ema"
    assert "ieg: test accuracy" in said
    rows = rows_of(path)
    assert [row["step"] for row in rows] == [1, 3, 4]
    assert {"train_xe_loss", "train_mean_lambda", "train_meta_loss"} <= set(
        rows[0]
    )


def test_an_audit_judges_by_what_its_weights_said(
    trained, tmp_path, run_script
):
    path, _ = trained
    with np.load(path / "evidence.npz") as file:
        left = dict(file)
    # Four batches of twenty, all of the first epoch.
    assert len(left["ids"]) == 80
    assert {
        "mean_weight",
        "positive_weight",
        "mean_lambda",
        "label_score",
    } <= set(left)
    assert results_of(path)["detection"]["examples"] == 80
    done = run_script(
        "audit_labels.py", f"--run_dir={path}", f"--output_dir={tmp_path}"
    )
    assert done.returncode == 0, done.stderr
    flagged = left["is_label_issue"].sum()
    assert f"{flagged} of 80 labels look wrong" in done.stdout
    with (tmp_path / "labels.csv").open() as file:
        scores = {
            int(row["id"]): float(row["label_score"])
            for row in csv.DictReader(file)
        }
    for example, score in zip(left["ids"], left["label_score"]):
        assert scores[example] == pytest.approx(score, abs=1e-5)
    page = (tmp_path / "report.html").read_text()
    assert "the pseudo label was chosen" in page


@pytest.mark.slow
def test_its_flag_file_reruns_it(trained, tmp_path, run_script):
    path, _ = trained
    recorded = (path / "flags.flags").read_text()
    assert "--dataset=" not in recorded and "network_name" not in recorded
    done = run_script(
        "cifar_train_ieg.py",
        f"--flagfile={path / 'flags.flags'}",
        f"--train_log_dir={tmp_path / 'again'}",
    )
    assert done.returncode == 0, done.stderr
    again = rows_of(tmp_path / "again")
    for row, other in zip(rows_of(path), again):
        for name in ("train_loss", "test_loss", "train_weight_sum"):
            assert row[name] == other[name]


@pytest.mark.slow
def test_it_resumes_at_the_step_that_is_asked_for(trained, run_script):
    path, _ = trained
    before = rows_of(path)
    (path / "results.json").unlink()
    done = run_script("cifar_train_ieg.py", *small(path), "--restore_step=3")
    assert done.returncode == 0, done.stderr
    after = rows_of(path)
    assert [row["step"] for row in after] == [1, 3, 4]
    assert after[-1]["test_loss"] == before[-1]["test_loss"]


@pytest.mark.parametrize("step", [0, 3])
def test_mode_evaluation(trained, run_script, step):
    path, _ = trained
    done = run_script(
        "cifar_train_ieg.py",
        "--mode=evaluation",
        f"--train_log_dir={path}",
        f"--restore_step={step}",
    )
    assert done.returncode == 0, done.stderr
    rows = {row["step"]: row for row in rows_of(path)}
    row = rows[step or 4]
    accuracy = f"test accuracy {row['test_accuracy']:.4f}"
    assert f"step {row['step']}: {accuracy}" in done.stdout


@pytest.fixture(scope="module")
def webvision(tmp_path_factory):
    """Two classes of WebVision, with ImageNet's and trusted images."""
    root = tmp_path_factory.mktemp("webvision")
    rng = np.random.default_rng(0)

    def save(path, label):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(100 * label, 100 * label + 99, (40, 36, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)

    lists = {"train_filelist_google": [], "val_filelist": []}
    for k in range(24):
        lists["train_filelist_google"].append(f"google/{k}.jpg {k % 2}")
        save(root / f"google/{k}.jpg", k % 2)
    for k in range(4):
        lists["val_filelist"].append(f"{k}.jpg {k % 2}")
        save(root / f"val_images_256/{k}.jpg", k % 2)
        save(root / f"imagenet/val/{k % 2}/{k}.JPEG", k % 2)
        save(root / f"probe_500/{k % 2}/{k}.JPEG", k % 2)
    (root / "info").mkdir()
    for name, lines in lists.items():
        (root / f"info/{name}.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.slow
def test_the_readmes_command_of_webvision(webvision, tmp_path, run_script):
    done = run_script(
        "cifar_train_ieg.py",
        "--dataset=webvisionmini",
        f"--checkpoint_path={tmp_path}",
        "--ce_factor=4",
        "--consistency_factor=8",
        "--batch_size=8",
        "--use_imagenet_as_eval=true",
        "--val_batch_size=50",
        "--eval_freq=10000",
        # In place of --network_name=resnet50 and --max_iteration=1000000.
        "--network_name=small_cnn",
        "--max_iteration=2",
        "--image_size=32",
        f"--data_dir={webvision}",
        "--fix_network_features",
        "--dropout_rate=0.5",
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / "webvisionmini/small_cnn"
    results = results_of(run)
    assert results["probe_examples"] == 4 and results["train_examples"] == 24
    recorded = (run / "flags.flags").read_text()
    for flag in ("test_split=imagenet", "probe_split=probe_500"):
        assert f"--{flag}\n" in recorded
    assert "use_imagenet_as_eval" not in recorded
    for flag in ("fix_network_features", "dropout_rate"):
        assert f"--{flag} has no effect: none of the original's" in done.stderr


def test_the_manifest_leaves_the_probe_out(trained):
    path, _ = trained
    manifest = np.load(path / "noise_manifest.npz")
    assert len(manifest["ids"]) == 270


@pytest.mark.parametrize(
    "method", slow_cases.but(["l2r"], ["l2r", "supervised"])
)
def test_the_other_methods(tmp_path, run_script, method):
    done = run_script(
        "cifar_train_ieg.py",
        *small(tmp_path / "run", method=method, max_iteration=2),
        "--lr_schedule=cosine",
        "--decay_steps=epoch",
    )
    assert done.returncode == 0, done.stderr
    assert results_of(tmp_path / "run")["method"] == method


@pytest.mark.slow
def test_an_own_data_set_with_an_own_probe_set(tmp_path, run_script):
    digits = load.load("digits", "train[:200]")
    for k, (image, label) in enumerate(
        zip(digits.images[..., 0], digits.given_labels)
    ):
        part = "probe" if k < 60 else "test" if k < 90 else "data/train"
        if part == "test":
            part = "data/test"
        folder = tmp_path / part / f"digit{label}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{k}.png")
    done = run_script(
        "cifar_train_ieg.py",
        "--dataset_name=folder",
        f"--data_dir={tmp_path / 'data'}",
        f"--probe_dir={tmp_path / 'probe'}",
        "--network_name=small_cnn",
        "--batch_size=20",
        "--max_iteration=2",
        "--aug_type=randaug",
        "--lr_schedule=custom_step",
        "--decay_steps=1",
        f"--train_log_dir={tmp_path / 'run'}",
    )
    assert done.returncode == 0, done.stderr
    results = results_of(tmp_path / "run")
    assert results["probe_examples"] % 10 == 0 < results["probe_examples"]
    assert results["train_examples"] == 110
    assert results["noise"]["measured_rate"] is None


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--dataset=cifar10_uniform"], "such as cifar10_uniform_0.8"),
        (["--dataset=webvisionmini_10"], "webvision needs --data_dir"),
        (["--dataset=cifar10_uniform_0.4", "--dataset_name=digits"], "one of"),
        (["--probe_dataset_hold_ratio=0"], "needs trusted images"),
        (["--probe_dataset_hold_ratio=0.001"], "less than one for each"),
        (["--probe_dir=nowhere"], "nowhere is not a folder"),
        (["--aug_type=strongest"], "strongest"),
        (["--decay_steps=soon"], "--decay_steps=soon"),
        (["--mode=evaluation", "--train_log_dir="], "--checkpoint_path"),
        (["--method=fsr", "--queue_bs=33"], "--queue_bs=33"),
        (["--method=fsr", "--queue_capacity=20"], "the buffer has fewer"),
        (["--method=fsr", "--use_pseudo_loss=all"], "all_TEMPERATURE"),
        (["--method=fsr", "--imbalance=2"], "imbalance"),
        (["--dataset=cifar10_imbal_2"], "cifar10_imbal_0.02_0.2"),
        (["--dataset=cifar10_imbal"], "cifar10_imbal_0.02_0.2"),
        (["--max_epoch=3", "--decay_epochs=soon"], "--decay_epochs=soon: give"),
    ],
)
def test_mistakes(tmp_path, run_script, flags, words):
    given = small(tmp_path / "run")
    if any(flag.startswith("--dataset=") for flag in flags):
        given = [flag for flag in given if "dataset_name" not in flag]
    done = run_script("cifar_train_ieg.py", *given, *flags)
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("cifar_train_ieg.py: ") and words in line
    assert not (tmp_path / "run").exists()


def test_the_originals_command_line_names_the_run_folder(tmp_path, run_script):
    """With a bad number at the end, so that nothing is trained."""
    done = run_script(
        "cifar_train_ieg.py",
        "--dataset=cifar10_asymmetric_0.4",
        "--network_name=resnet29",
        "--probe_dataset_hold_ratio=0.002",
        f"--checkpoint_path={tmp_path}",
        "--mode=evaluation",
    )
    assert done.returncode == 2
    folder = tmp_path / "cifar10_asymmetric_0.4_p0.002/resnet29"
    assert f"{folder} is no run folder" in done.stderr
