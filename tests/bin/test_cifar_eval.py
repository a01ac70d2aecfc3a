"""The original's README, in our words: inject, train, resume, evaluate."""

import json

import pytest


@pytest.fixture
def run(run_script):
    return run_script


@pytest.mark.slow
def test_from_noisy_records_to_an_evaluation(tmp_path, run):
    noisy = tmp_path / "data/digits/0.4"
    done = run(
        "inject_noise.py",
        "--dataset_name=digits",
        "--noise=symmetric:0.4",
        "--noise_seed=1",
        f"--output_dir={noisy}",
    )
    assert done.returncode == 0, done.stderr

    flags = [
        f"--data_dir={noisy}",
        "--dataset_name=digits",
        "--studentnet=small_cnn",
        "--batch_size=4",
        "--max_number_of_steps=2",
        "--augment=standard",
        f"--train_log_dir={tmp_path / 'run'}",
    ]
    done = run("cifar_train_mentormix.py", *flags)
    assert done.returncode == 0, done.stderr
    # The labels of the records are the noisy ones; their truth is known.
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["noise"]["spec"] == "none"
    assert 0.3 < results["noise"]["measured_rate"] < 0.42

    done = run("cifar_train_mentormix.py", *flags, "--max_number_of_steps=4")
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert results["steps"] == 4

    done = run(
        "cifar_eval.py",
        f"--checkpoint_dir={tmp_path / 'run'}",
        f"--data_dir={tmp_path / 'data/digits/val'}",
        f"--eval_dir={tmp_path / 'eval'}",
        "--split_name=test",
        "--eval_interval_secs=1",
    )
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["step"] == 4
    assert row["accuracy"] == pytest.approx(results["test"]["accuracy"])
    assert list((tmp_path / "eval").iterdir())


def test_no_run_is_one_line(tmp_path, run):
    done = run("cifar_eval.py", f"--checkpoint_dir={tmp_path}")
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "no run folder" in line
