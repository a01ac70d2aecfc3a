"""Views computed within the step, beside those computed on the host."""

import numpy as np
import pytest
import tensorflow as tf

import tiny_runs
from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.catalogue import views as catalogue
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline, views
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import on_device

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


@pytest.mark.parametrize("name", ["baseline", "mentormix", "ido"])
@pytest.mark.parametrize("place", PLACES)
def test_a_run_ends_with_the_same_weights(name, place, tmp_path):
    """Resumed in the middle, too."""
    runner = tiny_runs.Runner(name)
    runner.loop(tmp_path / "host").run()
    expected = runner.state()
    in_step = views.InStep(
        runner.data.dataset, runner.data.augmentation, place=place
    )
    # Compiled for another way to see.
    runner._compiled = {}
    runner.loop(tmp_path / "step", in_step=in_step).run()
    tiny_runs.assert_same_bits(runner.state(), expected)
    runner.loop(tmp_path / "parts", in_step=in_step, num_steps=7).run()
    loop = runner.loop(tmp_path / "parts", in_step=in_step)
    loop.run()
    tiny_runs.assert_same_bits(runner.state(), expected)
    host, step, parts = (
        tiny_runs.rows_of(run_folder.RunFolder(tmp_path / name))
        for name in ("host", "step", "parts")
    )
    assert step == host
    assert parts[-1] == host[-1]


@pytest.fixture(scope="module")
def plain():
    return tiny_runs.Runner("baseline")


def plain_data(runner):
    data = runner.data
    return pipeline.TrainingData(
        data.dataset, data.augmentation, data.batch_size, seed=3
    )


def test_a_cpu_stays_on_the_host_unless_told(plain):
    arguments = plain.method, plain_data(plain), plain.strategy
    assert on_device.in_step("auto", *arguments) is None
    assert on_device.in_step("no", *arguments) is None
    assert on_device.in_step("yes", *arguments).place == views.DEVICE
    with pytest.raises(ValueError, match="maybe"):
        on_device.in_step("maybe", *arguments)


@pytest.mark.parametrize("name", ["ieg", "fsr", "dividemix", "sop_plus"])
def test_methods_with_several_views_are_refused(name):
    runner = tiny_runs.Runner(name)
    arguments = runner.method, plain_data(runner), runner.strategy
    with pytest.raises(errors.UserError, match="one weak view.*sees more"):
        on_device.in_step("yes", *arguments)
    assert on_device.in_step("auto", *arguments) is None


def test_what_else_cannot_be_had_is_refused(plain, two_replicas):
    data = plain_data(plain)
    with pytest.raises(errors.UserError, match="there are 2 replicas"):
        on_device.in_step("yes", plain.method, data, two_replicas)
    strong = tiny_runs.make_data()
    strong = pipeline.TrainingData(
        data.dataset, data.augmentation, 20, 3, strong=strong.strong
    )
    with pytest.raises(errors.UserError, match="--aug_type"):
        on_device.in_step("yes", plain.method, strong, plain.strategy)
