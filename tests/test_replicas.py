"""Passes shared by replicas; several workers are in bin/test_two_workers.py."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.augment import standard
from tfnoisy.datasets import dataset, pipeline


def numbered(count):
    """A data set whose images are as bright as their place in it."""
    return dataset.ImageDataset(
        "numbered",
        np.arange(count, dtype=np.uint8)[:, None, None, None],
        np.arange(count) % 3,
        None,
        np.arange(count)[::-1] * 2,
        tuple("abc"),
    )


@pytest.mark.parametrize("count, size", [(1, 4), (8, 4), (9, 4), (23, 4)])
def test_a_pass_keeps_the_order(count, size, two_replicas):
    data, view = numbered(count), standard.get("none", (1, 1, 1))

    def judge(batch):
        place = batch["images"][:, 0, 0, 0] * 127.5 + 127.5
        return tf.stack([place, tf.cast(batch["ids"], tf.float32)], -1)

    def batches(context):
        return pipeline.evaluation_batches(
            data, view, size, input_context=context
        )

    for strategy in (
        two_replicas,
        tf.distribute.OneDeviceStrategy("/cpu:0"),
        tf.distribute.get_strategy(),
    ):
        shared = replicas.Pass(strategy, judge, "judging")
        for _ in range(2):
            found = shared(batches, count)
            np.testing.assert_allclose(found[:, 0], np.arange(count), atol=1e-3)
            np.testing.assert_array_equal(found[:, 1], data.ids)


def test_a_pass_says_how_far_it_is(two_replicas, monkeypatch):
    told = []

    @contextlib.contextmanager
    def part(title, total, unit="images"):
        told.append((title, total))
        yield told.append

    monkeypatch.setattr(replicas.progress, "part", part)
    data, view = numbered(23), standard.get("none", (1, 1, 1))
    shared = replicas.Pass(two_replicas, lambda b: b["images"], "judging")
    shared(
        lambda context: pipeline.evaluation_batches(
            data, view, 4, input_context=context
        ),
        23,
    )
    assert told == [("judging", 23), 8, 8, 7]


def test_batches_are_dealt_in_turn(two_replicas):
    view = standard.get("none", (1, 1, 1))

    def batches(context):
        return pipeline.evaluation_batches(
            numbered(8), view, 2, input_context=context
        )

    alone, shared = (
        replicas.iterate(strategy, batches)
        for strategy in (
            tf.distribute.OneDeviceStrategy("/cpu:0"),
            two_replicas,
        )
    )
    # Not TensorFlow's for replicas, which waits when it is taken down.
    assert isinstance(shared, tf.data.Iterator)
    for deal in (replicas.dealt, tf.function(replicas.dealt)):
        own = two_replicas.experimental_local_results(
            deal(two_replicas, shared)["ids"]
        )
        assert len(own) == 2
        for ids in own:
            np.testing.assert_array_equal(ids, next(alone)["ids"])


@pytest.mark.parametrize("index", [0, 1])
def test_each_worker_passes_over_its_batches(index):
    data, view = numbered(10), standard.get("none", (1, 1, 1))
    context = tf.distribute.InputContext(2, index, 4)
    batches = pipeline.evaluation_batches(data, view, 2, input_context=context)
    # Five batches for four replicas: two steps, of which the last is filled up.
    first = iter(batches)
    expected = [[[0, 1], [2, 3], [8, 9], []], [[4, 5], [6, 7], [], []]][index]
    for places in 2 * expected:
        batch = next(first)
        kept = batch["ids"].numpy()[batch["mask"].numpy() > 0]
        np.testing.assert_array_equal(kept, data.ids[places])


def test_one_worker_is_the_chief(two_replicas):
    for strategy in (two_replicas, tf.distribute.get_strategy()):
        assert replicas.num_workers(strategy) == 1
        assert replicas.is_chief(strategy)
        value = np.array([1.5, 2.5])
        np.testing.assert_array_equal(
            replicas.gathered(strategy, value), [value]
        )
        np.testing.assert_array_equal(replicas.of_chief(strategy, value), value)
        with (
            pytest.raises(errors.UserError, match="mine"),
            replicas.failing_together(strategy),
        ):
            raise errors.UserError("mine")
