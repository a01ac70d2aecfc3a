"""How much memory a pass takes, each in a process of its own."""

import concurrent.futures
import multiprocessing

import numpy as np
import pytest
from PIL import Image

from tfnoisy.augment import standard
from tfnoisy.benchmarks import memory
from tfnoisy.datasets import load, pipeline

COUNT, SIDE = 2000, 128
PIXELS_MIB = COUNT * SIDE * SIDE * 3 / 2**20


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    for k in range(COUNT):
        path = root / f"train/{k % 2}/{k:04}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (SIDE, SIDE), (k % 256, 9, 200)).save(path)
    return root


def one_pass(root, cache_mib):
    """Returns by how much a pass raised the peak of memory, and labels."""
    views = standard.get("standard", (SIDE, SIDE, 3))
    # What a program needs before there are any images.
    small = load.load("folder", "train[:8]", data_dir=str(root))
    data = pipeline.TrainingData(small, views, 4, seed=0)
    for _ in data.epoch_batches((0,)):
        pass
    before = memory.high_water_mib()
    whole = load.load(
        "folder", "train", data_dir=str(root), cache_mib=cache_mib
    )
    data = pipeline.TrainingData(whole, views, 4, seed=0)
    seen = [batch["ids"].numpy() for batch in data.epoch_batches((0,))]
    return memory.high_water_mib() - before, np.concatenate(seen)


@pytest.mark.slow
def test_a_bound_on_memory_is_kept(photographs):
    context = multiprocessing.get_context("spawn")
    peaks, orders = [], []
    for cache_mib in (2, 4096):
        with concurrent.futures.ProcessPoolExecutor(1, context) as process:
            peak, order = process.submit(
                one_pass, photographs, cache_mib
            ).result()
        peaks.append(peak)
        orders.append(order)
    np.testing.assert_array_equal(orders[0], orders[1])
    assert sorted(orders[0]) == list(range(COUNT))
    assert peaks[1] > PIXELS_MIB > 90
    # What is left are batches under way, and the threads that make them.
    assert peaks[0] < PIXELS_MIB / 2
