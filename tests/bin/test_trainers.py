"""The trainers as a user runs them, each in a process of its own."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

import slow_cases

ROOT = pathlib.Path(__file__).parents[2]
# Becomes a command that heeds Ctrl-C, which tests that run in the background
# were told to ignore.  Not by `preexec_fn`: a process whose other threads call
# into gRPC may hang where it forks.
HEEDING = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def command(script, *flags):
    return [sys.executable, str(ROOT / "bin" / script), *flags]


def small(path, **flags):
    """Flags of a run on a few digits."""
    values = {
        "dataset_name": "digits",
        "train_split": "train[:300]",
        "studentnet": "small_cnn",
        "noise": "symmetric:0.4",
        "batch_size": 32,
        "max_number_of_steps": 40,
        "learning_rate": 0.02,
        "augment": "standard",
        "eval_every": 10,
        "train_log_dir": path,
        **flags,
    }
    return [f"--{name}={value}" for name, value in values.items()]


def saved_variables(path):
    reader = tf.train.load_checkpoint(str(path / "checkpoints"))
    names = [
        name
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE") and "save_counter" not in name
    ]
    return {name: reader.get_tensor(name) for name in names}


def kill_after(flags, folder, lines):
    """Starts a training and kills it when it has evaluated so often."""
    process = subprocess.Popen(
        command("cifar_train_mentormix.py", *flags),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = folder / "metrics.jsonl"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if metrics.exists() and metrics.read_text().count("\n") >= lines:
            break
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_a_killed_run_resumes_bit_for_bit(tmp_path, run_script):
    steps = {"max_number_of_steps": 150, "eval_every": 15}
    done = run_script(
        "cifar_train_mentormix.py", *small(tmp_path / "whole", **steps)
    )
    assert done.returncode == 0, done.stderr

    folder = tmp_path / "killed"
    flags = small(folder, **steps)
    kill_after(flags, folder, 2)
    kill_after(flags, folder, 5)
    assert not (folder / "results.json").exists()
    done = run_script("cifar_train_mentormix.py", *flags)
    assert done.returncode == 0, done.stderr

    expected = saved_variables(tmp_path / "whole")
    found = saved_variables(folder)
    assert expected.keys() == found.keys() and len(expected) > 40
    for name, value in expected.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)
    results = [
        json.loads((path / "results.json").read_text())
        for path in (tmp_path / "whole", folder)
    ]
    assert results[0]["test"] == results[1]["test"]
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    steps = [json.loads(line)["step"] for line in lines]
    assert steps == list(range(15, 151, 15))


@pytest.mark.parametrize(
    "sent", slow_cases.but([signal.SIGINT], [signal.SIGINT, signal.SIGTERM])
)
def test_who_ends_a_run_loses_nothing(tmp_path, sent):
    flags = small(tmp_path, max_number_of_steps=5000, eval_every=50)
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDING]
        + command("cifar_train_baseline.py", *flags),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None:
        if (tmp_path / "metrics.jsonl").exists():
            break
        time.sleep(0.01)
    process.send_signal(sent)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 130
    last = said.strip().splitlines()[-1]
    found = re.search(r"stopped at step (\d+)", last)
    assert found, said
    latest = tf.train.latest_checkpoint(str(tmp_path / "checkpoints"))
    assert latest.endswith(f"ckpt-{found[1]}")


def test_the_flag_file_of_a_run_reruns_it(tmp_path, run_script):
    done = run_script("cifar_train_mentornet.py", *small(tmp_path / "first"))
    assert done.returncode == 0, done.stderr
    assert "mentornet: test accuracy" in done.stdout
    again = run_script(
        "cifar_train_mentornet.py",
        f"--flagfile={tmp_path / 'first/flags.flags'}",
        f"--train_log_dir={tmp_path / 'second'}",
    )
    assert again.returncode == 0, again.stderr
    first = saved_variables(tmp_path / "first")
    for name, value in saved_variables(tmp_path / "second").items():
        np.testing.assert_array_equal(value, first[name], err_msg=name)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--learnin_rate=1"], "learning_rate"),
        (["--batch_size=many"], "batch_size"),
        (["--example_dropout_rates=0.5,99"], "sum to 100"),
        (["--trained_mentornet_dir=nowhere"], "nowhere"),
        (["--lr_drops=0.7,0.5"], "--lr_drops"),
        (["--learning_rate=nan"], "learning_rate"),
        (["--loss_p_percentile=70"], "loss_p_percentile"),
        (["digits"], "digits"),
        (["--flagfile=nowhere.flags"], "nowhere.flags"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path, flags, words, run_script
):
    done = run_script(
        "cifar_train_mentormix.py", *small(tmp_path / "run"), *flags
    )
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("cifar_train_mentormix.py: ") and words in line
    assert done.stdout == ""
    assert not (tmp_path / "run").exists()


def test_the_originals_flags_are_understood(tmp_path, run_script):
    """Every flag of the original's command line, on digits."""
    done = run_script(
        "cifar_train_mentormix.py",
        "--master=",
        "--ps_tasks=0",
        "--task=0",
        "--device_id=0",
        "--data_dir=",
        f"--train_log_dir={tmp_path}",
        "--dataset_name=digits",
        "--studentnet=small_cnn",
        "--batch_size=16",
        "--learning_rate=0.1",
        "--learning_rate_decay_factor=0.9",
        "--num_epochs_per_decay=30",
        "--save_summaries_secs=120",
        "--save_interval_secs=1200",
        "--max_number_of_steps=2",
        "--trained_mentornet_dir=",
        "--example_dropout_rates=0.0,100",
        "--burn_in_epoch=10",
        "--loss_p_percentile=0.5",
        "--mixup_alpha=8.0",
        "--nosecond_reweight",
    )
    assert done.returncode == 0, done.stderr
    for name in ("master", "ps_tasks", "task"):
        assert f"--{name} has no effect" in done.stderr


@pytest.mark.slow
def test_two_replicas_train_and_resume(tmp_path, run_script):
    flags = small(
        tmp_path,
        strategy="mirrored",
        num_virtual_devices=2,
        batch_size=16,
        max_number_of_steps=6,
        eval_every=3,
    )
    done = run_script("cifar_train_mentormix.py", *flags)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["batch_size"] == 32
    done = run_script(
        "cifar_train_mentormix.py", *flags, "--max_number_of_steps=9"
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["steps"] == 9
