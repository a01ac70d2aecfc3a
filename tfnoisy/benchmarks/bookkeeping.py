"""What it costs to remember millions of examples, without their images.

Whatever a run does once a step or once an epoch with every example's id, label
or loss, on a data set of pictures of one pixel and without networks.  Each
part is measured in a process of its own, so that the peak of its memory is
its own.
"""

import collections
import concurrent.futures
import multiprocessing
import pathlib
import tempfile
import time

import numpy as np
import tensorflow as tf

from tfnoisy.augment import standard
from tfnoisy.benchmarks import memory
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.datasets.images import files as image_files
from tfnoisy.datasets.images import streamed
from tfnoisy.methods import mean_weights
from tfnoisy.methods.bkd import tipping
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.nets import pair, registry
from tfnoisy.noise import manifest

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
        that its process had resident, and of whatever is timed NAME_seconds
        by the clock and NAME_cpu_seconds of the processor, of all threads}.
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
        **{name: round(number, 4) for name, number in found.items()},
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


class _Timer:
    """Calls functions and keeps how long they took.

    Attributes:
        found: {NAME_seconds, NAME_cpu_seconds: of each name, summed up}.
    """

    def __init__(self):
        self.found = collections.defaultdict(float)

    def __call__(self, name, function, *arguments):
        """Returns what the function returns."""
        started, cpu_started = time.perf_counter(), time.process_time()
        result = function(*arguments)
        self.found[f"{name}_seconds"] += time.perf_counter() - started
        self.found[f"{name}_cpu_seconds"] += time.process_time() - cpu_started
        return result


def _pass_over(batches, count):
    for _ in batches.take(count):
        pass


def order_and_draws(data):
    """An epoch of `training_batches`, and entering it at its end."""
    timed, training = _Timer(), _training_data(data)
    count = len(data) // _BATCH_SIZE
    timed("epoch", _pass_over, training.batches(), count)
    timed("resume", _pass_over, training.batches(count - 1), 1)
    return timed.found


def epoch_of_two_views(data):
    """A pass of `epoch_batches` as DivideMix draws it, with a value by row."""
    timed, training = _Timer(), _training_data(data)
    values = {"clean_probability": np.zeros(len(data), np.float32)}
    stream = training.epoch_batches((0, 0), num_views=2, values=values)
    timed("epoch", _pass_over, stream, len(data))
    return timed.found


class _Divided(dividemix.DivideMix):
    """DivideMix with losses drawn in place of its networks'."""

    def example_losses(self, k, data, rows):
        rng = np.random.default_rng(k)
        scale = np.where(rng.random(len(rows)) < 0.4, 4.0, 0.4)
        return rng.gamma(2.0, scale).astype(np.float32)


def divide(data):
    """DivideMix's division by both networks: history, mixtures, parts."""
    timed, training = _Timer(), _training_data(data)
    networks = [
        registry.build("small_cnn", 10, (8, 8, 1), seed=k) for k in (0, 1)
    ]
    method = _Divided(
        pair.Pair(*networks), num_ids=data.num_ids, warm_up=0, average_last=5
    )
    method.compile("sgd")
    stage = timed("epoch", method.stage, 0, training, len(data))
    timed("epoch", method.stage, stage.last_step, training, len(data))
    timed("evidence", method.evidence)
    _save(timed, method.checkpoint())
    return timed.found


def tipping_curve(data):
    """BKD's recording in each step, and the end of an epoch."""
    timed, watched = _Timer(), tipping.TippingPoint(data.num_ids, 10)
    draws = np.random.default_rng(0).random(len(data)).astype(np.float32)

    def record(ids):
        watched.record(ids, tf.zeros(_BATCH_SIZE), tf.ones(_BATCH_SIZE))

    _time_steps(timed, record)
    timed("epoch_end", watched.end_epoch, data.ids, lambda: draws)
    _save(timed, tf.train.Checkpoint(v=[v.value for v in watched.variables]))
    return timed.found


def mean_weight(data):
    """The mean weights of MentorMix, L2R and the like."""
    timed, means = _Timer(), mean_weights.MeanWeights(data.num_ids)

    def record(ids):
        means.record({"ids": ids}, tf.ones(_BATCH_SIZE))

    _time_steps(timed, record)
    timed("evidence", means.evidence, "mean_weight")
    return timed.found


def noise_manifest(data):
    """Wrong labels injected, written, read and applied: once a run."""
    timed = _Timer()
    noise = timed("inject", manifest.inject, data, "symmetric:0.4", 1)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "noise.npz"
        timed("save", noise.save, path)
        noise = timed("load", manifest.NoiseManifest.load, path)
        timed.found["file_mib"] = path.stat().st_size / 2**20
    timed("apply", noise.apply, data)
    return timed.found


def paths(data):
    """The paths of streamed images, of 60 characters each."""
    timed = _Timer()
    names = [f"/data/webvision/google/q{k:036}" for k in data.ids]
    files = image_files.FileImages("images", names, (1, 1, 1), where=str)
    images = streamed.StreamedImages(files)
    timed("begin", images.take(data.ids[::2]).reader)
    return timed.found


def _time_steps(timed, record):
    """Times a step's recording, of which an epoch has N / B.

    Args:
        timed: a `_Timer`.
        record: ids, int64 [B] -> what a step does with them.
    """
    step = tf.function(record, autograph=False)
    batches = [
        tf.range(_BATCH_SIZE, dtype=tf.int64) + n for n in range(_STEPS + 1)
    ]
    step(batches[0])
    timed(f"{_STEPS}_steps", lambda: [step(ids) for ids in batches[1:]])


def _save(timed, checkpoint):
    with tempfile.TemporaryDirectory() as folder:
        timed("save", checkpoint.write, str(pathlib.Path(folder) / "saved"))
        files = pathlib.Path(folder).iterdir()
        size = sum(file.stat().st_size for file in files)
    timed.found["checkpoint_mib"] = size / 2**20


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
