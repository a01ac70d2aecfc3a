import json
import subprocess
import sys

import pytest
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.training import distribution


def test_an_unknown_name_is_the_users_mistake():
    with pytest.raises(errors.UserError, match=r"'tpu'.*auto, one_device"):
        distribution.make_strategy("tpu")


def test_one_device():
    for name in ("one_device", "auto"):
        strategy = distribution.make_strategy(name)
        assert strategy.num_replicas_in_sync == 1
        assert isinstance(strategy, tf.distribute.OneDeviceStrategy)


def test_mirrored_is_over_all_logical_cpus():
    # The tests run with two, see conftest.py.
    assert len(tf.config.list_logical_devices("CPU")) == 2
    for name, virtual in (("mirrored", 0), ("mirrored", 2)):
        strategy = distribution.make_strategy(name, virtual)
        assert isinstance(strategy, tf.distribute.MirroredStrategy)
        assert strategy.num_replicas_in_sync == 2


@pytest.mark.parametrize("count", [1, 3])
def test_devices_cannot_be_split_after_the_start(count):
    tf.config.list_logical_devices("CPU")
    with pytest.raises(errors.UserError, match=r"--num_virtual_devices must"):
        distribution.make_strategy("mirrored", count)


def test_a_negative_number_of_devices_is_the_users_mistake():
    with pytest.raises(errors.UserError, match=r"--num_virtual_devices=-2"):
        distribution.make_strategy("mirrored", -2)


def test_auto_is_mirrored_over_several_gpus_only(monkeypatch):
    cpus = tf.config.list_logical_devices("CPU")

    def with_gpus(gpus):
        monkeypatch.setattr(
            tf.config,
            "list_logical_devices",
            lambda kind: gpus if kind == "GPU" else cpus,
        )
        return distribution.make_strategy()

    # Two CPU devices stand for GPUs, which this machine may not have.
    assert with_gpus(cpus).num_replicas_in_sync == 2
    strategy = with_gpus(cpus[:1])
    assert strategy.num_replicas_in_sync == 1
    assert "GPU:0" in strategy.extended.worker_devices[0]


def test_use_gpu_shows_only_that_one(monkeypatch):
    shown = []
    gpus = ["first", "second", "third"]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config,
        "set_visible_devices",
        lambda device, kind: shown.append((device, kind)),
    )
    distribution.use_gpu("1")
    assert shown == [("second", "GPU")]
    for device_id in ("3", "-1", "one", ""):
        with pytest.raises(errors.UserError, match=r"GPUs are 0 to 2"):
            distribution.use_gpu(device_id)
    gpus.clear()
    distribution.use_gpu("7")
    assert len(shown) == 1


@pytest.mark.slow
def test_the_cpu_is_split_in_a_process_of_its_own():
    program = """
from tfnoisy.training import distribution
import tensorflow as tf
strategy = distribution.make_strategy("mirrored", 3)
total = strategy.run(lambda: tf.distribute.get_replica_context().all_reduce(
    "sum", tf.constant(2.0)))
print(strategy.num_replicas_in_sync,
      float(strategy.experimental_local_results(total)[2]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.stdout.split() == ["3", "6.0"], done.stderr


TWO = {"worker": ["one:1234", "two:1234"]}


@pytest.mark.parametrize(
    "config, expected",
    [
        ("", distribution.ALONE),
        ("{}", distribution.ALONE),
        (
            {"cluster": TWO, "task": {"type": "worker", "index": 1}},
            distribution.Cluster(("one:1234", "two:1234"), 1),
        ),
        (
            {
                "cluster": {"chief": ["zero:1"], **TWO},
                "task": {"type": "worker", "index": 1},
            },
            distribution.Cluster(("zero:1", "one:1234", "two:1234"), 2),
        ),
        (
            {
                "cluster": {"chief": ["[::1]:1"], **TWO},
                "task": {"type": "chief", "index": 0},
            },
            distribution.Cluster(("[::1]:1", "one:1234", "two:1234"), 0),
        ),
    ],
)
def test_tf_config_names_the_workers(config, expected, monkeypatch):
    text = config if isinstance(config, str) else json.dumps(config)
    monkeypatch.setenv("TF_CONFIG", text)
    assert distribution.read_cluster() == expected
    assert expected.is_chief == (expected.index == 0)


def test_an_empty_tf_config_is_none(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", " ")
    strategy = distribution.make_strategy("mirrored")
    assert strategy.num_replicas_in_sync == 2
    assert replicas.num_workers(strategy) == 1


def test_without_tf_config_a_worker_is_alone(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert distribution.read_cluster() == distribution.ALONE
    with pytest.raises(errors.UserError, match="TF_CONFIG names no workers"):
        distribution.make_strategy("multi_worker")


@pytest.mark.parametrize(
    "config, words",
    [
        ("{cluster", "no such JSON"),
        ("[1]", "no such JSON"),
        ({"cluster": "one:1"}, "no such JSON"),
        ({"cluster": {**TWO, "ps": ["three:1"]}}, "a job 'ps'"),
        ({"cluster": {"worker": ["one", "two:1"]}}, "'one' is no host:port"),
        ({"cluster": {"worker": ["one:99999"]}}, "'one:99999' is no host"),
        ({"cluster": {"worker": ["one:1", "one:1"]}}, "address twice"),
        ({"cluster": TWO, "task": {"type": "chief", "index": 0}}, "'chief' 0"),
        ({"cluster": TWO, "task": {"type": "worker", "index": "0"}}, "'0'"),
        ({"cluster": TWO, "task": {"type": "worker", "index": 2}}, "worker 2"),
        (
            {"cluster": TWO, "task": {"type": "worker", "index": -1}},
            "worker -1",
        ),
    ],
)
def test_a_malformed_tf_config_is_one_line(config, words, monkeypatch):
    text = config if isinstance(config, str) else json.dumps(config)
    monkeypatch.setenv("TF_CONFIG", text)
    for name in ("auto", "multi_worker", "one_device"):
        with pytest.raises(errors.UserError, match="TF_CONFIG: ") as caught:
            distribution.make_strategy(name)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_workers_do_not_train_by_themselves_into_one_folder(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": TWO}))
    for name in ("mirrored", "one_device"):
        with pytest.raises(errors.UserError, match="names 2 workers"):
            distribution.make_strategy(name)
    with pytest.raises(errors.UserError, match="--num_virtual_devices=2"):
        distribution.make_strategy("auto", 2)


def test_a_tf_config_of_one_worker_changes_nothing(monkeypatch):
    config = {"cluster": {"worker": ["one:1"]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert isinstance(
        distribution.make_strategy(), tf.distribute.OneDeviceStrategy
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_connection_is_a_lost_worker(workers):
    cluster = distribution.Cluster(("one:1", "two:1")[:workers], 0)
    broken = tf.errors.UnavailableError(None, None, "Connection\nreset")
    kind = errors.WorkerLost if workers == 2 else tf.errors.UnavailableError
    with pytest.raises(kind) as caught, distribution.losing_workers(cluster):
        raise broken
    if workers == 2:
        assert "start all workers again" in str(caught.value)
        assert "(Connection reset)" in str(caught.value)
    with (
        pytest.raises(tf.errors.InvalidArgumentError),
        distribution.losing_workers(cluster),
    ):
        raise tf.errors.InvalidArgumentError(None, None, "a shape")
