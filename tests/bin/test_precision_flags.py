"""Flags of how fast, not of what: precision, XLA, steps a call."""

import json

import pytest


def small(path, *flags):
    return [
        "--dataset_name=digits",
        "--train_split=train[:300]",
        "--studentnet=small_cnn",
        "--noise=symmetric:0.4",
        "--batch_size=32",
        "--max_number_of_steps=20",
        "--augment=standard",
        "--eval_every=10",
        f"--train_log_dir={path}",
        *flags,
    ]


@pytest.mark.slow
def test_a_run_in_half_precision_is_judged_as_it_was(tmp_path, run_script):
    flags = small(
        tmp_path, "--mixed_precision=float16", "--steps_per_execution=3"
    )
    done = run_script("cifar_train_mentormix.py", *flags)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    rows = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [10, 20]
    assert json.loads(rows[-1])["loss_scale"] >= 1

    done = run_script("cifar_eval.py", f"--checkpoint_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["accuracy"] == results["test"]["accuracy"]
    assert row["loss"] == pytest.approx(results["test"]["loss"], rel=1e-5)

    # Steps a call are of no consequence, half precision is.
    done = run_script("cifar_train_mentormix.py", *small(tmp_path, flags[-2]))
    assert done.returncode == 0 and "is finished" in done.stderr
    done = run_script("cifar_train_mentormix.py", *small(tmp_path))
    assert done.returncode == 2
    assert "--mixed_precision=float16 there" in done.stderr


def test_xla_for_several_replicas_is_one_line(tmp_path, run_script):
    done = run_script(
        "cifar_train_baseline.py",
        *small(tmp_path / "run", "--jit_compile", "--num_virtual_devices=2"),
        "--strategy=mirrored",
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "--jit_compile is for one device" in line
    assert not (tmp_path / "run").exists()
