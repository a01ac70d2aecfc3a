"""DivideMix as its code trains on Clothing1M, with a few photographs."""

import json

import numpy as np
import pytest
from PIL import Image

# Train_clothing1M.py's settings, but for the sizes.
CLOTHING1M = {
    "dataset_name": "folder",
    "studentnet": "small_cnn",
    "augment": "dividemix_clothing1m",
    "alpha": 0.5,
    "lr": 0.002,
    "lr_drop_epoch": 40,
    "weight_decay": 1e-3,
    "warm_up": 1,
    "num_batches": 2,
    "batch_size": 4,
    "num_epochs": 2,
    "holdout": 0.2,
}


def flags_of(photos, path, *switches, **others):
    values = CLOTHING1M | {"data_dir": photos, "train_log_dir": path} | others
    return [*switches, *(f"--{name}={value}" for name, value in values.items())]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three colours of 32 x 32 pixels: 36 images, and 9 to judge by."""
    path = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 3)):
        for channel, name in enumerate(("blue", "green", "red")):
            (path / split / name).mkdir(parents=True)
            for k in range(count):
                pixels = rng.integers(0, 80, (32, 32, 3))
                pixels[..., 2 - channel] += 150
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(path / split / name / f"{k}.png")
    return path


@pytest.mark.slow
def test_the_epochs_of_clothing1m(photos, tmp_path, run_script):
    run = tmp_path / "run"
    done = run_script(
        "cifar_train_dividemix.py",
        *flags_of(photos, run, "--nomix_unlabelled", "--confidence_penalty"),
    )
    assert done.returncode == 0, done.stderr
    lines = (run / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    # Epoch 0: two batches of eight for each network; then of four at most.
    steps = [row["step"] for row in rows]
    assert len(steps) == 3 and steps[0] == 4
    assert all(2 <= n <= 4 for n in np.diff(steps))
    for row in rows[1:]:
        assert row["train_unlabelled_loss"] == 0
        assert row["train_labelled"] <= 8
    # Only the samples of the last division have been judged.
    evidence = np.load(run / "evidence.npz")
    assert 8 <= len(evidence["ids"]) <= 16
    results = json.loads((run / "results.json").read_text())
    assert results["train_examples"] == 29
    best = results["holdout"]["best_step"]
    assert best in steps
    done = run_script("cifar_eval.py", f"--checkpoint_dir={run}", "--best")
    assert done.returncode == 0, done.stderr
    judged = json.loads(done.stdout)
    assert judged["step"] == best
    assert judged["accuracy"] == results["holdout"]["test_accuracy_at_best"]


def test_a_network_without_published_weights(photos, tmp_path, run_script):
    done = run_script(
        "cifar_train_dividemix.py",
        *flags_of(photos, tmp_path / "run", pretrained="imagenet"),
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("cifar_train_dividemix.py: --pretrained=imagenet: ")
    assert "keras_resnet50 and keras_inception_resnet_v2" in line
    assert not (tmp_path / "run").exists()
