"""Two workers, as two processes of this machine that TF_CONFIG joins."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest

from tfnoisy.benchmarks import scaling as scaling_suite
from tfnoisy.mentor import network as mentor_network
from tfnoisy.methods import base, mentormix
from tfnoisy.methods.bkd import bkd
from tfnoisy.nets import pair
from tfnoisy.training import distribution, experiment, optimizer, schedules

ROOT = pathlib.Path(__file__).parents[2]
RUN = {
    "dataset_name": "digits",
    "train_split": "train[:200]",
    "test_split": "test[:50]",
    "studentnet": "small_cnn",
    "noise": "symmetric:0.4",
    "batch_size": 16,
    "augment": "standard",
}


def run_two(script, folder, flags, die_at=(0, 0), of_second=()):
    """Runs a script by two workers until both have ended.

    Args:
        script: its file in bin/.
        folder: the run folder.
        flags: {name: value}.
        die_at: the step after which each worker dies, 0 for none.
        of_second: words for the second worker only.

    Returns:
        ([exit code], [stderr], [stdout]), by worker.
    """
    ports = scaling_suite.free_ports(2)
    addresses = [f"127.0.0.1:{port}" for port in ports]
    processes = []
    for index in (0, 1):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": addresses}, "task": task}
        environment = os.environ | {"TF_CONFIG": json.dumps(config)}
        # Of the tests, for which the workers are too loud.
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        processes.append(
            subprocess.Popen(
                [
                    sys.executable,
                    str(ROOT / "tests/bin/worker.py"),
                    str(ROOT / "bin" / script),
                    variables_of(folder, index),
                    str(die_at[index]),
                    f"--train_log_dir={folder}",
                    *(f"--{name}={value}" for name, value in flags.items()),
                    *(of_second if index else ()),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
    try:
        out, err = zip(*(p.communicate(timeout=900) for p in processes))
    finally:
        for process in processes:
            process.kill()
    return [p.returncode for p in processes], err, out


def variables_of(folder, index):
    return f"{folder}-worker-{index}.npz"


def final_variables(folder):
    """Returns the variables of both workers, checked to be the same."""
    chief, other = (
        dict(np.load(variables_of(folder, index))) for index in (0, 1)
    )
    assert chief.keys() == other.keys() and len(chief) > 10
    for name, value in chief.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    return chief


def steps_of(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def on_two_replicas(folder, strategy, monkeypatch, **values):
    """Trains the same in this process; returns {name: final variable}."""
    made = []
    make_method = values.pop("make_method")

    def remembered(build, budget):
        made.append(make_method(build, budget))
        return made[0]

    monkeypatch.setattr(distribution, "make_strategy", lambda *_: strategy)
    experiment.run(
        experiment.Experiment(
            command="test",
            flags={"dataset_name": "digits"},
            train_log_dir=str(folder),
            make_method=remembered,
            **RUN,
            **values,
        )
    )
    method = made[0]
    return {
        v.path: base.value_of(v)
        for v in [*method.variables, *method.optimizer.variables]
    }


def assert_near(found, expected):
    # The first part of a path counts the models of a process.
    expected = {name.partition("/")[2]: v for name, v in expected.items()}
    found = {name.partition("/")[2]: v for name, v in found.items()}
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_allclose(
            value, expected[name], rtol=1e-4, atol=1e-5, err_msg=name
        )


@pytest.mark.slow
def test_a_killed_worker_and_the_same_command_again(
    tmp_path, two_replicas, monkeypatch
):
    folder, script = tmp_path / "run", "cifar_train_mentormix.py"
    flags = {
        **RUN,
        "max_number_of_steps": 9,
        "eval_every": 3,
        "ema_decay": 0.9,
        "learning_rate": 0.02,
        "lr_drops": 0.5,
    }
    codes, errors, outputs = run_two(script, folder, flags, die_at=(0, 5))
    assert codes == [os.EX_TEMPFAIL, -signal.SIGKILL], errors
    assert (
        errors[0]
        .splitlines()[-1]
        .startswith(
            f"{script}: worker 0 lost another worker; start all workers again"
        )
    )
    assert "Traceback" not in errors[0]
    assert (errors[1], outputs[1]) == ("", "")
    assert steps_of(folder) == [3]
    assert not (folder / "results.json").exists()

    codes, errors, outputs = run_two(script, folder, flags)
    assert codes == [0, 0], errors
    assert (errors[1], outputs[1]) == ("", "")
    assert "resuming at step 3 of 9" in outputs[0] + errors[0]
    assert steps_of(folder) == [3, 6, 9]
    results = json.loads((folder / "results.json").read_text())
    assert (results["steps"], results["batch_size"]) == (9, 32)
    assert "# Replicas that share a step: 2\n" in (
        (folder / "flags.flags").read_text()
    )

    def make_method(build, budget):
        method = mentormix.MentorMix(
            build(),
            mentor_network.default(),
            num_steps=budget.num_steps,
            num_ids=budget.num_ids,
            ema_decay=0.9,
        )
        rate = schedules.drops(0.02, 0.9, [0.5], budget.num_steps)
        method.compile(optimizer.TF1Momentum(rate))
        return method

    expected = on_two_replicas(
        tmp_path / "expected",
        two_replicas,
        monkeypatch,
        method="mentormix",
        make_method=make_method,
        max_number_of_steps=9,
        eval_every=3,
    )
    assert_near(final_variables(folder), expected)


@pytest.mark.slow
def test_an_epochs_state_is_gathered(tmp_path, two_replicas, monkeypatch):
    folder = tmp_path / "run"
    flags = {
        **RUN,
        "num_epochs": 2,
        "holdout": 0,
        "lr_drop_epoch": 1,
        "clean_test_freq": 1,
    }
    codes, errors, outputs = run_two("cifar_train_bkd.py", folder, flags)
    assert codes == [0, 0], errors
    assert (errors[1], outputs[1]) == ("", "")
    # 200 examples by 2 * 16, twice.
    assert steps_of(folder) == [7, 14]

    def make_method(build, budget):
        method = bkd.BKD(
            pair.Pair(build(0), build(1)),
            num_ids=budget.num_ids,
            n_epoch=2,
            lr_drop_epochs=[1],
            clean_test_freq=1,
        )
        method.compile(optimizer.TF1Momentum(0.02))
        return method

    with pytest.warns(UserWarning, match="no tipping point"):
        expected = on_two_replicas(
            tmp_path / "expected",
            two_replicas,
            monkeypatch,
            method="bkd",
            make_method=make_method,
            most_steps=lambda *_: 14,
        )
    assert_near(final_variables(folder), expected)
    found, again = (
        dict(np.load(path / "evidence.npz"))
        for path in (folder, tmp_path / "expected")
    )
    assert len(found["ids"]) == 200
    np.testing.assert_allclose(
        found["agreement"], again["agreement"], atol=1e-5
    )
    np.testing.assert_array_equal(found["group"], again["group"])


@pytest.mark.slow
def test_a_mistake_of_one_worker_ends_both(tmp_path):
    folder, missing = tmp_path / "run", tmp_path / "missing.npz"
    flags = {**RUN, "noise": "none", "max_number_of_steps": 2}
    codes, errors, outputs = run_two(
        "cifar_train_baseline.py",
        folder,
        flags,
        of_second=[f"--noise_manifest={missing}"],
    )
    assert codes == [2, 2], errors
    assert "worker 1 cannot go on" in errors[0].splitlines()[-1]
    assert str(missing) in errors[1]
    assert errors[1].count("\n") == 1 and outputs == ("", "")
    assert not folder.exists()


def test_a_port_in_use_is_the_users_mistake(tmp_path, run_script, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = {"cluster": {"worker": [address, "127.0.0.1:1"]}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
        folder = tmp_path / "run"
        done = run_script("cifar_train_bkd.py", f"--train_log_dir={folder}")
    assert done.returncode == 2, done.stderr
    assert f"worker 0 cannot listen at {address}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not folder.exists()
