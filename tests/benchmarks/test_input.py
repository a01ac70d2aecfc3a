import importlib.util

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.benchmarks import input as input_suite
from tfnoisy.benchmarks import peer_views


def test_the_pipeline_is_timed():
    result = input_suite.input_suite(
        "standard", num_examples=2000, num_batches=20
    )
    assert result["images_per_second"] > 1000
    assert result["images_per_second_per_core"] > 1000


@pytest.mark.slow
def test_a_strong_view_is_timed_beside_pillows():
    result = input_suite.input_suite(
        "randaugment:1:5", num_examples=64, batch_size=16, num_batches=2
    )
    assert result["augment"] == "randaugment:1:5"
    assert result["images_per_second_per_core"] > 10
    assert result["pillow_images_per_second_per_core"] > 10
    assert result["ratio"] > 0


@pytest.mark.parametrize(
    "augment, message",
    [
        ("standrd", "neither one of standard, .*; and no policy 'standrd'"),
        ("autoaugment_imagenet", "only policies for CIFAR"),
    ],
)
def test_an_augmentation_that_cannot_be_timed(augment, message):
    with pytest.raises(errors.UserError, match=message):
        input_suite.input_suite(augment, num_examples=10)


def peers_of(augment, shape=(2, 32, 32, 3)):
    return peer_views.views(augment, np.zeros(shape, np.uint8))


@pytest.mark.slow
def test_other_sizes_and_whatever_else_is_installed():
    result = input_suite.input_suite(
        "randaugment:1:5",
        (40, 40, 3),
        num_examples=64,
        batch_size=16,
        num_batches=4,
        rounds=1,
    )
    assert result["image_shape"] == [40, 40, 3]
    assert result["images_per_second_per_core"] > 10
    assert result["keras_images_per_second_per_core"] > 1
    assert {
        name.removeprefix("over_") for name in result if name.startswith("over")
    } == set(peers_of("randaugment:1:5"))


@pytest.mark.parametrize("name", ["torchvision", "albumentations", "keras"])
@pytest.mark.parametrize("augment", ["standard", "randaugment:2:9"])
def test_a_peers_view_is_of_the_same_kind(name, augment):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    view = peer_views.views(augment, images)[name]
    batches = [view(), view()]
    for batch in batches:
        assert batch.dtype == np.float32
        assert sorted(batch.shape) == [3, 6, 32, 32]
        # Keras's RandAugment may pass the ends by a rounding error.
        assert batch.min() >= -1.01 and batch.max() <= 1.01
        assert batch.std() > 0.2
    assert not np.array_equal(*batches)


def test_what_others_do_not_make_is_not_compared():
    assert peers_of("mentormix") == {}
    assert peers_of("autoaugment_ieg") == {}
    assert peers_of("standard", (2, 32, 32, 1)) == {}


def test_a_library_that_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert peers_of("standard") == {}
