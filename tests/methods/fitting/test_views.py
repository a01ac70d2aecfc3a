import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy import errors
from tfnoisy.augment import standard, strong
from tfnoisy.methods.fitting import views

SHAPE = (8, 8, 1)


def images(low, high, dtype="float32"):
    ramp = np.linspace(low, high, 3 * 64).reshape(3, *SHAPE)
    return ramp.astype(dtype)


def draws(view, seed=0):
    return np.random.default_rng(seed).random((3, view.num_draws), "float32")


def test_without_augment_images_stay_as_they_are():
    view = views.training_view(None, SHAPE)
    seen = view.train(images(-3, 5), draws(view))
    np.testing.assert_array_equal(seen, images(-3, 5))
    np.testing.assert_array_equal(view.evaluate(images(-3, 5)), images(-3, 5))


def test_a_function_gets_a_seed_that_hangs_on_the_draws():
    def noisy(x, seed):
        return x + tf.random.stateless_uniform(tf.shape(x), seed)

    view = views.training_view(noisy, SHAPE)
    first, again, other = (
        view.train(images(0, 1), draws(view, seed)).numpy()
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(view.evaluate(images(0, 1)), images(0, 1))


def test_crop_and_flip_moves_pixels_of_any_range():
    view = views.training_view(views.crop_and_flip(1), SHAPE)
    seen = view.train(images(1, 2), draws(view)).numpy()
    assert seen.shape == (3, *SHAPE)
    assert set(seen.ravel()) <= {0.0, *images(1, 2).ravel()}
    assert (seen != images(1, 2)).any()


def test_a_layer_is_called_for_training():
    view = views.training_view(keras.layers.RandomFlip("horizontal"), SHAPE)
    seen = np.stack([view.train(images(0, 1), draws(view)) for _ in range(8)])
    flipped = images(0, 1)[:, :, ::-1]
    for image in seen.reshape(-1, 3, *SHAPE):
        for row, plain, turned in zip(image, images(0, 1), flipped):
            assert np.allclose(row, plain) or np.allclose(row, turned)
    assert len(np.unique(seen, axis=0)) > 1


def test_an_augmentation_of_ours_is_taken_as_it_is():
    view = standard.get("none", SHAPE)
    assert views.training_view(view, SHAPE) is view
    with pytest.raises(errors.ArgumentError, match="augment='flip'"):
        views.training_view("flip", SHAPE)


@pytest.mark.parametrize(
    "limits", slow_cases.but([(0, 255)], [(0, 1), (-1, 1), (0, 255)])
)
def test_the_strong_view_keeps_the_range(limits):
    low, high = limits
    reference = views.strong_view("randaugment:1:3", SHAPE, flip=False)
    pixels = images(0, 255).round()
    expected = reference.train(pixels, draws(reference)).numpy()
    view = views.strong_view("randaugment:1:3", SHAPE, False, limits)
    seen = view.train(pixels / 255 * (high - low) + low, draws(view)).numpy()
    np.testing.assert_allclose(
        (seen - low) / (high - low), expected / 255, atol=1e-5
    )
    assert expected.max() > 200


@pytest.mark.parametrize(
    "limits, dtype", [((0, 255), "uint8"), ((-1, 1), "float32")]
)
def test_a_strong_view_that_comes_first_keeps_the_type(limits, dtype):
    low, high = limits
    view = views.strong_view("randaugment_promix", SHAPE, False, limits)
    assert view.comes_first
    whole = strong.get("randaugment_promix", SHAPE)
    pixels = images(0, 255, "uint8")
    given = (pixels / 255 * (high - low) + low).astype(dtype)
    seen = view.move(given, draws(view)).numpy()
    assert seen.dtype == dtype
    expected = whole.move(pixels, draws(view)).numpy()
    assert (expected != pixels).any()
    np.testing.assert_allclose(
        (seen - low) / (high - low) * 255, expected, atol=1e-3
    )


def test_a_strong_view_of_ones_own():
    view = views.strong_view(lambda x, seed: -x, (5,))
    flat = np.ones([3, 5], np.float32)
    np.testing.assert_array_equal(view.train(flat, draws(view)), -flat)
    with pytest.raises(errors.ArgumentError, match="give a function"):
        views.strong_view("autoaug", (5,))
    with pytest.raises(errors.UserError, match="no such|no aug|policy|there"):
        views.strong_view("autoaugh", SHAPE)


@pytest.mark.parametrize(
    "low, high, dtype, expected",
    [
        (0, 9, "uint8", (0, 255)),
        (0, 1, "float32", (0, 1)),
        (0.1, 0.8, "float32", (0, 1)),
        (-1, 1, "float32", (-1, 1)),
        (0, 250, "float32", (0, 255)),
    ],
)
def test_the_range_by_the_look_of_the_values(low, high, dtype, expected):
    assert views.value_range(images(low, high, dtype)) == expected


@pytest.mark.parametrize("low, high", [(0, 16), (-2, 2), (0, 0), (0, 300)])
def test_a_range_that_cannot_be_told_is_asked_for(low, high):
    with pytest.raises(errors.ArgumentError, match="value_range="):
        views.value_range(images(low, high))
