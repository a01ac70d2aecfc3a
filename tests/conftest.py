"""What every test can count on: two logical CPUs, for replicas."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture
def two_replicas():
    """Returns a MirroredStrategy of two CPU replicas."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
