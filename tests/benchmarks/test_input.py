import pytest

from tfnoisy import errors
from tfnoisy.benchmarks import input as input_suite


def test_the_pipeline_is_timed():
    result = input_suite.input_suite(
        "standard", num_examples=2000, num_batches=20
    )
    assert result["images_per_second"] > 1000
    assert result["images_per_second_per_core"] > 1000


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
