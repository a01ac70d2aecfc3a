"""What it costs to remember millions of examples, without their images.

Whatever a run does once a step or once an epoch with every example's id, label
or loss, on a data set of pictures of one pixel and without networks.  Each
part is measured in a process of its own, so that the peak of its memory is
its own.
"""

import concurrent.futures
import multiprocessing
import pathlib
import tempfile
import time

import numpy as np
import tensorflow as tf

from tfnoisy.augment import standard
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import file_images, pipeline, streamed
from tfnoisy.methods import dividemix, mean_weights, tipping
from tfnoisy.nets import pair, registry
from tfnoisy.noise import manifest
from tfnoisy.training import memory

# WebVision's.
NUM_EXAMPLES = 2_400_000
_NUM_CLASSES = 1000
_BATCH_SIZE = 256
# The timed steps of an epoch, of which all are like any other.
_STEPS = 200


def bookkeeping_suite(num_examples=NUM_EXAMPLES, parts=None):
    """Measures each part of what is done with every example.

    Args:
        num_examples: N.
        parts: names in `PARTS`; all if None.

    Yields:
        {part, examples, peak_mib: by how much the part raised the most memory
        that its process had resident, and what took how many seconds}.
    """
    context = multiprocessing.get_context("spawn")
    for part in parts or PARTS:
        with concurrent.futures.ProcessPoolExecutor(1, context) as process:
            yield process.submit(_measure, part, num_examples).result()


def _measure(part, num_examples):
    data = _pixels(num_examples)
    # What any program needs, and no part's: TensorFlow's first operations.
    tf.constant(0) + tf.constant(0)
    before = memory.high_water_mib()
    found = PARTS[part](data)
    return {
        "part": part,
        "examples": num_examples,
        **{name: round(seconds, 4) for name, seconds in found.items()},
        "peak_mib": round(memory.high_water_mib() - before),
    }


def _pixels(num_examples):
    ids = np.arange(num_examples)
    labels = ids % _NUM_CLASSES
    return dataset_lib.ImageDataset(
        name="pixels",
        images=np.zeros([num_examples, 1, 1, 1], np.uint8),
        given_labels=labels,
        clean_labels=labels.copy(),
        ids=ids,
        class_names=tuple(map(str, range(_NUM_CLASSES))),
    )


def _training_data(data, augment="standard"):
    views = standard.get(augment, (1, 1, 1))
    return pipeline.TrainingData(data, views, _BATCH_SIZE, seed=0)


def _timed(function, *arguments):
    """Returns what a function returns, and its seconds."""
    started = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - started


def _pass_over(batches, count):
    for _ in batches.take(count):
        pass


def order_and_draws(data):
    """An epoch of `training_batches`, and entering it at its end."""
    training = _training_data(data)
    count = len(data) // _BATCH_SIZE
    _, epoch = _timed(_pass_over, training.batches(), count)
    _, resumed = _timed(_pass_over, training.batches(count - 1), 1)
    return {"seconds_per_epoch": epoch, "seconds_to_resume": resumed}


def epoch_of_two_views(data):
    """A pass of `epoch_batches` as DivideMix draws it, with a value by row."""
    training = _training_data(data)
    values = {"clean_probability": np.zeros(len(data), np.float32)}
    stream = training.epoch_batches((0, 0), num_views=2, values=values)
    _, epoch = _timed(_pass_over, stream, len(data))
    return {"seconds_per_epoch": epoch}


class _Divided(dividemix.DivideMix):
    """DivideMix with losses drawn in place of its networks'."""

    def example_losses(self, k, data, rows):
        wrong = np.random.default_rng(k).random(len(rows)) < 0.4
        scale = np.where(wrong, 4.0, 0.4)
        return np.random.default_rng(k + 2).gamma(2.0, scale).astype("f4")


def divide(data):
    """DivideMix's division by both networks: history, mixtures, parts."""
    networks = [
        registry.build("small_cnn", 10, (8, 8, 1), seed=k) for k in (0, 1)
    ]
    method = _Divided(
        pair.Pair(*networks), num_ids=data.num_ids, warm_up=0, average_last=5
    )
    method.compile("sgd")
    training = _training_data(data)
    stage, first = _timed(method.stage, 0, training, len(data))
    _, second = _timed(method.stage, stage.last_step, training, len(data))
    saved = _saved(method.checkpoint())
    _, evidence = _timed(method.evidence)
    return {
        "seconds_per_epoch": first + second,
        "seconds_of_evidence": evidence,
        **saved,
    }


def tipping_curve(data):
    """BKD's recording in each step, and the end of an epoch."""
    watched = tipping.TippingPoint(data.num_ids, 10)
    draws = np.random.default_rng(0).random(len(data)).astype(np.float32)

    def record(number):
        ids = tf.range(_BATCH_SIZE, dtype=tf.int64) + number
        watched.record(ids, tf.zeros(_BATCH_SIZE), tf.ones(_BATCH_SIZE))

    step = _seconds_of_steps(record)
    _, end = _timed(watched.end_epoch, data.ids, lambda: draws)
    return {
        "seconds_of_step": step,
        "seconds_per_epoch": end + step * (len(data) // _BATCH_SIZE),
        **_saved(tf.train.Checkpoint(v=[v.value for v in watched.variables])),
    }


def mean_weight(data):
    """The mean weights of MentorMix, L2R and the like."""
    means = mean_weights.MeanWeights(data.num_ids)

    def record(number):
        ids = tf.range(_BATCH_SIZE, dtype=tf.int64) + number
        means.record({"ids": ids}, tf.ones(_BATCH_SIZE))

    step = _seconds_of_steps(record)
    _, evidence = _timed(means.evidence, "mean_weight")
    return {
        "seconds_of_step": step,
        "seconds_per_epoch": step * (len(data) // _BATCH_SIZE),
        "seconds_of_evidence": evidence,
    }


def noise_manifest(data):
    """Wrong labels injected, written, read and applied: once a run."""
    noise, inject = _timed(manifest.inject, data, "symmetric:0.4", 1)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "noise.npz"
        _, save = _timed(noise.save, path)
        noise, load = _timed(manifest.NoiseManifest.load, path)
        size = path.stat().st_size
    _, apply = _timed(noise.apply, data)
    return {
        "seconds_to_inject": inject,
        "seconds_to_save": save,
        "seconds_to_load": load,
        "seconds_to_apply": apply,
        "file_mib": size / 2**20,
    }


def paths(data):
    """The paths of streamed images, of 60 characters each."""
    names = [
        f"/data/webvision/google/q{k % 9999:04}/{k:033}.jpg" for k in data.ids
    ]
    files = file_images.FileImages("images", names, (1, 1, 1), where=str)
    images = streamed.StreamedImages(files)
    _, seconds = _timed(images.take(data.ids[::2]).reader)
    return {"seconds_to_begin": seconds}


def _seconds_of_steps(record):
    step = tf.function(record)
    numbers = [tf.constant(n, tf.int64) for n in range(_STEPS + 1)]
    step(numbers[0])
    _, seconds = _timed(lambda: [step(number) for number in numbers[1:]])
    return seconds / _STEPS


def _saved(checkpoint):
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "checkpoint")
        _, seconds = _timed(checkpoint.write, path)
        size = sum(f.stat().st_size for f in pathlib.Path(folder).iterdir())
    return {"seconds_to_save": seconds, "checkpoint_mib": size / 2**20}


PARTS = {
    function.__name__: function
    for function in (
        order_and_draws,
        epoch_of_two_views,
        divide,
        tipping_curve,
        mean_weight,
        noise_manifest,
        paths,
    )
}
