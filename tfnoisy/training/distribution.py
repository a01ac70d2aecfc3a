"""Which devices a run uses."""

import tensorflow as tf

from tfnoisy import errors

STRATEGIES = ("auto", "one_device", "mirrored")


def make_strategy(name="auto", num_virtual_devices=0):
    """Returns a `tf.distribute.Strategy`.

    Args:
        name: `one_device`; `mirrored`, over all visible GPUs or else over
            all logical CPUs; `auto`, mirrored if there are several GPUs.
        num_virtual_devices: if positive, split the CPU into so many logical
            devices, to try a distributed run without GPUs.

    Raises:
        UserError: for an unknown name, a negative number, or if TensorFlow
            has already started with other devices.
    """
    if name not in STRATEGIES:
        raise errors.UserError(
            f"no strategy {name!r}; there are {', '.join(STRATEGIES)}"
        )
    if num_virtual_devices < 0:
        raise errors.UserError(
            f"--num_virtual_devices={num_virtual_devices} must be 0 or more"
        )
    if num_virtual_devices:
        _split_cpu(num_virtual_devices)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "one_device" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def use_gpu(device_id):
    """Hides all GPUs but the one with this number, if there are any.

    Raises:
        UserError: if there is no GPU of that number.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return
    if not device_id.isdigit() or int(device_id) >= len(gpus):
        raise errors.UserError(
            f"--device_id={device_id}: this machine's GPUs are 0 to "
            f"{len(gpus) - 1}"
        )
    tf.config.set_visible_devices(gpus[int(device_id)], "GPU")


def _split_cpu(count):
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError:
        if len(tf.config.list_logical_devices("CPU")) != count:
            raise errors.UserError(
                "--num_virtual_devices must be set before TensorFlow starts"
            ) from None
