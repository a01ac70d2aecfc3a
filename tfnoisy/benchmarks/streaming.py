"""How fast images come from memory, from files and from TFRecords.

The files are JPEG photographs of noise, of the size that WebVision's have on
average, resized and cropped to 256 pixels as for Clothing1M and trained on in
DivideMix's view.  Each source is measured in a process of its own, and read
twice: then the files are in the operating system's cache, so that what is
measured is the processor's work and not the disk's.
"""

import concurrent.futures
import io
import multiprocessing
import pathlib
import tempfile
import time

import numpy as np
import tensorflow as tf
from PIL import Image

from tfnoisy.augment import standard
from tfnoisy.benchmarks import memory
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.datasets.images import decoding, streamed
from tfnoisy.datasets.images import files as image_files
from tfnoisy.datasets.images import records as image_records

NUM_IMAGES = 2000
SOURCES = ("memory", "files", "records")
_SIZE, _SHAPE = (500, 375), (256, 256, 3)
_VIEW = "dividemix_clothing1m"
_BATCH_SIZE = 50
# As many differ; the others are copies of them.
_DISTINCT = 50


def streaming_suite(num_images=NUM_IMAGES, sources=SOURCES):
    """Times a pass over images of each source.

    Args:
        num_images: N.
        sources: which.

    Yields:
        {source, images, file_kib, images_per_second,
        images_per_second_per_core, peak_mib}: per core means per second of
        processor time, and the peak is by how much the two passes raised the
        most memory that the process had resident.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        size = _write(pathlib.Path(folder), num_images)
        for source in sources:
            with concurrent.futures.ProcessPoolExecutor(1, context) as process:
                found = process.submit(_measure, source, folder).result()
            yield {
                "source": source,
                "images": num_images,
                "file_kib": round(size / 2**10, 1),
                **found,
            }


def _write(folder, num_images):
    """Writes all images as files and as one file of records.

    Returns:
        The mean size of a file in bytes.
    """
    rng = np.random.default_rng(0)
    photographs = []
    for _ in range(min(_DISTINCT, num_images)):
        coarse = rng.integers(0, 256, [24, 32, 3]).astype(np.uint8)
        smooth = Image.fromarray(coarse).resize(_SIZE, Image.Resampling.BICUBIC)
        noise = rng.integers(-12, 13, [*_SIZE[::-1], 3])
        pixels = np.clip(np.asarray(smooth) + noise, 0, 255).astype(np.uint8)
        contents = io.BytesIO()
        Image.fromarray(pixels).save(contents, "JPEG", quality=90)
        photographs.append(contents.getvalue())
    with tf.io.TFRecordWriter(str(folder / "records")) as writer:
        for k in range(num_images):
            contents = photographs[k % len(photographs)]
            (folder / f"{k:07}.jpg").write_bytes(contents)
            writer.write(contents)
    return np.mean([len(contents) for contents in photographs])


def _source(source, folder):
    if source == "records":
        index = image_records.Index.of([f"{folder}/records"])

        def decode(record):
            return decoding.decode(record, _SHAPE, crop=True)

        return image_records.RecordImages("records", index, decode, _SHAPE)
    paths = sorted(map(str, pathlib.Path(folder).glob("*.jpg")))
    return image_files.FileImages("files", paths, _SHAPE, where=str, crop=True)


def _measure(source, folder):
    images = streamed.StreamedImages(_source(source, folder))
    before = memory.high_water_mib()
    if source == "memory":
        images = images[:]
    ids = np.arange(len(images))
    data = dataset_lib.ImageDataset(
        name="photographs",
        images=images,
        given_labels=ids % 10,
        clean_labels=None,
        ids=ids,
        class_names=tuple("0123456789"),
    )
    views = standard.get(_VIEW, _SHAPE)
    batches = pipeline.TrainingData(data, views, _BATCH_SIZE, 0)

    def one_pass(epoch):
        for _ in batches.epoch_batches((epoch,)):
            pass

    one_pass(0)
    started, cpu_started = time.perf_counter(), time.process_time()
    one_pass(1)
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu_started
    return {
        "images_per_second": round(len(images) / seconds, 1),
        "images_per_second_per_core": round(len(images) / cpu_seconds, 1),
        "peak_mib": round(memory.high_water_mib() - before),
    }
