"""Twenty SIGKILLs per method at random moments: the same bytes at the end.

Run by `make test-long`.  Each trainer is a process of its own, forked from one
that has imported TensorFlow, so that most moments are within its training.
"""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]
KILLS = 20

_STEPS = {"max_number_of_steps": 60, "eval_every": 7}
METHODS = {
    "baseline": ("cifar_train_baseline.py", {**_STEPS, "ema_decay": 0.9}),
    "mixup": ("cifar_train_baseline.py", {**_STEPS, "mixup_alpha": 1}),
    "mentornet": ("cifar_train_mentornet.py", _STEPS),
    "mentormix": ("cifar_train_mentormix.py", _STEPS),
    "l2r": ("cifar_train_ieg.py", {**_STEPS, "method": "l2r"}),
    "ieg": ("cifar_train_ieg.py", {**_STEPS, "method": "ieg"}),
    "fsr": (
        "cifar_train_ieg.py",
        {
            **_STEPS,
            "method": "fsr",
            "queue_capacity": 100,
            "queue_bs": 40,
            "meta_start_epoch": 2,
        },
    ),
    "dividemix": ("cifar_train_dividemix.py", {"num_epochs": 2, "warm_up": 1}),
    "bkd": ("cifar_train_bkd.py", {"n_epoch": 6, "clean_test_freq": 2}),
}


@pytest.fixture(scope="module")
def server():
    """A process that runs scripts, see `script_server`."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "tests/bin/script_server.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    yield process
    process.stdin.close()
    process.wait()


def run(server, folder, name, kill_after=None):
    """Runs a trainer; returns its exit code and how many seconds it took."""
    script, flags = METHODS[name]
    flags = {
        "dataset_name": "digits",
        "train_split": "train[:200]",
        "noise": "symmetric:0.4",
        "studentnet": "small_cnn",
        "augment": "standard",
        "batch_size": 20,
        "save_interval_secs": 0,
        "train_log_dir": folder / "run",
        **flags,
    }
    words = [str(ROOT / "bin" / script)]
    words += [f"--{flag}={value}" for flag, value in flags.items()]
    outputs = [str(folder / "stdout"), str(folder / "stderr")]
    for output in outputs:
        pathlib.Path(output).touch()
    started = time.monotonic()
    request = [words, dict(os.environ), *outputs]
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    if kill_after is not None:
        time.sleep(kill_after)
        for child in children_of(server.pid):
            os.kill(child, signal.SIGKILL)
    code = int(server.stdout.readline())
    return code, time.monotonic() - started


def children_of(pid):
    """Returns the processes that a process has started, by Linux."""
    path = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()]


def outcome(folder):
    """Returns what the end of a run is compared by."""
    reader = tf.train.load_checkpoint(str(folder / "run/checkpoints"))
    bits = {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE") and "save_counter" not in name
    }
    lines = (folder / "run/metrics.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        del row["seconds"]
    results = json.loads((folder / "run/results.json").read_text())
    return bits, rows, [results["test"], results["train"]]


@pytest.mark.long
@pytest.mark.parametrize("name", METHODS)
def test_sigkill_at_random_moments(name, server, tmp_path, record_property):
    whole = tmp_path / "whole"
    whole.mkdir()
    code, seconds = run(server, whole, name)
    assert code == 0, (whole / "stderr").read_text()
    bits, rows, finals = outcome(whole)
    draws, kills, runs = random.Random(name), 0, 0
    while kills < KILLS:
        folder = tmp_path / "killed"
        folder.mkdir()
        code, runs = None, runs + 1
        while code != 0:
            moment = draws.uniform(0, seconds) if kills < KILLS else None
            code, _ = run(server, folder, name, moment)
            assert code in (0, -signal.SIGKILL), (folder / "stderr").read_text()
            kills += code != 0
        found, rows_again, finals_again = outcome(folder)
        assert found.keys() == bits.keys()
        for key, value in bits.items():
            np.testing.assert_array_equal(found[key], value, err_msg=key)
        assert rows_again == rows
        assert finals_again == finals
        shutil.rmtree(folder)
    record_property("kills", kills)
    print(f"{name}: {kills} kills of {runs} runs of {seconds:.0f} s")
