"""Whether the step computes the views of the training images itself."""

import tensorflow as tf

from tfnoisy import choices, errors
from tfnoisy.datasets import views
from tfnoisy.datasets.images import streamed

# What `auto` takes of a GPU's memory at most, in bytes: the smallest cards
# that people train on have eight times as much.
MOST_BYTES = 2**30


def in_step(wanted, method, data, strategy):
    """Returns what computes views within the step.

    Args:
        wanted: `yes`: the pixels lie on the device; `no`: all is done on the
            host; `auto`: on one GPU the pixels lie there if there is room, or
            else are made numbers there; on CPUs `no`, which is faster.
        method: a `methods.base.Method`.
        data: a `pipeline.TrainingData`.
        strategy: a `tf.distribute.Strategy`.

    Returns:
        A `views.InStep`, or None where the host does it.

    Raises:
        UserError: if `yes` cannot be had.
        ValueError: for another word.
    """
    if wanted not in choices.DATA_ON_DEVICE:
        raise ValueError(
            f"data_on_device={wanted!r} is none of "
            f"{', '.join(choices.DATA_ON_DEVICE)}"
        )
    if wanted == "no":
        return None
    images = data.dataset.images
    are_streamed = isinstance(images, streamed.StreamedImages)
    reason = _several_views(method, data)
    if strategy.num_replicas_in_sync > 1:
        replicas = strategy.num_replicas_in_sync
        reason = f"one device, and there are {replicas} replicas"
    if wanted == "yes":
        if are_streamed and not reason:
            reason = (
                "images in memory, and these are read piece by piece: raise "
                "--cache_mib"
            )
        if reason:
            raise errors.UserError(f"--data_on_device=yes wants {reason}")
        return _on(strategy, data, views.DEVICE)
    if reason or not tf.config.list_logical_devices("GPU"):
        return None
    fits = not are_streamed and images.nbytes <= MOST_BYTES
    return _on(strategy, data, views.DEVICE if fits else views.FINISHED)


def _several_views(method, data):
    if not method.sees_one_view or data.probe is not None:
        return (
            "a method that sees one weak view of each image, and "
            f"{type(method).__name__} sees more"
        )
    if data.strong is not None and not method.uses_strong_view:
        return "one weak view of each image, and --aug_type adds a strong one"
    return None


def _on(strategy, data, place):
    (device,) = strategy.extended.worker_devices
    is_gpu = tf.DeviceSpec.from_string(device).device_type == "GPU"
    return views.InStep(
        data.dataset, data.augmentation, device, place, jit_compile=is_gpu
    )
