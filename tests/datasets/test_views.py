"""Batches completed within a step, beside those of the host."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy.augment import standard, strong
from tfnoisy.catalogue import views as catalogue
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline, views

PLACES = [views.DEVICE, views.FINISHED]
SHAPE = (16, 16, 3)


def make_data(augment, ids=range(10), **kwargs):
    ids = np.asarray(ids)
    images = [
        np.random.default_rng(i).integers(0, 256, SHAPE, "u1") for i in ids
    ]
    dataset = dataset_lib.ImageDataset(
        name="toy",
        images=np.stack(images),
        given_labels=ids % 3,
        clean_labels=ids % 2,
        ids=ids,
        class_names=("a", "b", "c"),
    )
    view = standard.get(augment, SHAPE)
    return pipeline.TrainingData(dataset, view, 4, seed=3, **kwargs)


def assert_same(in_step, stream, count, first_batch=0):
    """Compares batches that a compiled step completes with the host's."""
    see = tf.function(in_step, autograph=False)
    host = stream(first_batch).take(count)
    left = stream.unseen(in_step)(first_batch).take(count)
    compared = 0
    for batch, unseen in zip(host, left, strict=True):
        assert "images" not in unseen
        found = see(unseen)
        assert found.keys() == batch.keys()
        for name in batch:
            assert found[name].dtype == batch[name].dtype
            np.testing.assert_array_equal(found[name], batch[name])
        compared += 1
    assert compared == count


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("augment", sorted(catalogue.WEAK_VIEWS.names()))
def test_batches_are_the_hosts_bit_for_bit(augment, place):
    data = make_data(augment)
    in_step = views.InStep(data.dataset, data.augmentation, place=place)
    # Over the borders of epochs, and entered in their middle.
    assert_same(in_step, data.batches, 6)
    assert_same(in_step, data.batches, 3, first_batch=4)


@pytest.mark.parametrize("place", PLACES)
def test_a_pass_is_the_hosts_with_its_short_batch(place):
    data = make_data("mentormix", values={"weight": np.arange(10.0)})
    in_step = views.InStep(data.dataset, data.augmentation, place=place)
    assert_same(in_step, data.whole_pass((2, 1), 1), 3)
    assert_same(in_step, data.batches, 6)


def test_pixels_on_the_device_do_not_travel():
    data = make_data("standard")
    in_step = views.InStep(data.dataset, data.augmentation)
    spec = data.batches.unseen(in_step)().element_spec
    shapes = [s.shape.as_list() for s in tf.nest.flatten(spec)]
    assert all(len(shape) <= 2 for shape in shapes)


def test_pixels_travel_as_bytes():
    data = make_data("standard")
    in_step = views.InStep(
        data.dataset, data.augmentation, place=views.FINISHED
    )
    spec = data.batches.unseen(in_step)().element_spec
    (moved,) = spec["unseen"]["moved"]["images"]
    assert moved.dtype == tf.uint8


def test_several_views_stay_on_the_host():
    data = make_data("standard")
    strong = standard.get("ieg", SHAPE)
    data = pipeline.TrainingData(
        data.dataset, data.augmentation, 4, seed=3, strong=strong
    )
    in_step = views.InStep(data.dataset, data.augmentation)
    spec = data.batches.unseen(in_step)().element_spec
    assert {"images", "images_strong"} <= spec.keys()
    [batch] = data.batches.unseen(in_step)().take(1)
    assert in_step(batch) is batch


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("augment", ["mentormix", "bkd_cifar10", "ieg"])
def test_compiled_by_xla_it_is_the_same_view(augment, place):
    data = make_data(augment)
    in_step = views.InStep(
        data.dataset, data.augmentation, place=place, jit_compile=True
    )
    assert isinstance(in_step._see, tf.types.experimental.PolymorphicFunction)
    for batch, unseen in zip(
        data.batches().take(4), data.batches.unseen(in_step)().take(4)
    ):
        found = in_step(unseen)
        np.testing.assert_allclose(found["images"], batch["images"], atol=2e-6)


def test_what_xla_does_not_know_is_not_compiled():
    def spelled(images, _=None):
        return tf.strings.to_number(tf.strings.as_string(images))

    data = make_data("standard")
    spelling = dataclasses.replace(data.augmentation, finish=spelled)
    data = dataclasses.replace(data, augmentation=spelling)
    in_step = views.InStep(data.dataset, spelling, jit_compile=True)
    assert_same(in_step, data.batches, 3)


@pytest.mark.parametrize(
    "augment",
    slow_cases.but(["bkd_cifar100"], ["bkd_cifar100", "dividemix_clothing1m"]),
)
def test_a_strong_view_that_comes_first_is_then_cropped(augment):
    first = strong.get("randaugment_promix", SHAPE, jit=False)
    data = make_data(augment, strong=first)
    weak = data.augmentation
    rng = np.random.default_rng(0)
    draws = {
        name: tf.constant(rng.random((10, count)), tf.float32)
        for name, count in (
            ("augment", 2 * weak.num_draws),
            ("augment_strong", first.num_draws),
        )
    }
    pixels = tf.constant(data.dataset.images)
    seen = views.Views(weak, strong=first).of(pixels, draws)
    mine, strongs = tf.split(draws["augment"], 2, 1)
    np.testing.assert_array_equal(seen["images"], weak.train(pixels, mine))
    changed = first.move(pixels, draws["augment_strong"])
    assert (changed.numpy() != pixels.numpy()).mean() > 0.5
    np.testing.assert_array_equal(
        seen["images_strong"], weak.train(changed, strongs)
    )
    [batch] = data.whole_pass((0, 0), 1, strong=True)().take(1)
    assert batch["images_strong"].shape == batch["images"].shape
