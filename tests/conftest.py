"""What every test can count on: two logical CPUs, for replicas."""

import signal

from tfnoisy.cli import tensorflow_start

tensorflow_start.prepare()

import pytest
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture(scope="session")
def two_replicas():
    """Returns a MirroredStrategy of two CPU replicas.

    One for all: the collectives of a second one in the process would be
    taken for those of the first.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


# A suite that was started in the background has Ctrl-C ignored, and so would
# have the processes that its tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
