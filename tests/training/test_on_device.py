"""Runs whose views the step computes, beside those of the host."""

import pytest

import little_folder
import slow_cases
import tiny_runs
from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.datasets import load, pipeline, views
from tfnoisy.datasets.images import streamed
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import on_device

PLACES = [views.DEVICE, views.FINISHED]


@pytest.mark.parametrize(
    "name",
    slow_cases.but(["mentormix"], ["baseline", "mentormix", "ido", "pes"]),
)
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


def test_images_that_are_streamed_are_refused(plain, tmp_path):
    little_folder.write(tmp_path)
    data = load.load("folder", "train", data_dir=str(tmp_path), cache_mib=0)
    assert isinstance(data.images, streamed.StreamedImages)
    view = standard.get("standard", data.images.shape[1:])
    training = pipeline.TrainingData(data, view, 8, seed=3)
    arguments = plain.method, training, plain.strategy
    with pytest.raises(errors.UserError) as refused:
        on_device.in_step("yes", *arguments)
    assert str(refused.value) == (
        "--data_on_device=yes wants images in memory, and these are read "
        "piece by piece: raise --cache_mib"
    )
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
