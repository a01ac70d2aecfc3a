import subprocess
import sys

import pytest
import tensorflow as tf

from tfnoisy import errors
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
