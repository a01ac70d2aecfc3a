import numpy as np
import pytest
import tensorflow as tf

import pictures
from tfnoisy import errors
from tfnoisy.augment import crops, standard

# The largest draw of `stateless_uniform`.
ALMOST_ONE = np.float32(1.0 - 2.0**-23)


@pytest.mark.parametrize(
    "name, side, padding",
    [
        ("standard", 32, 4),
        ("standard", 28, 4),
        ("standard", 8, 1),
        ("standard", 64, 8),
        ("mentormix", 32, 2),
        ("mentormix", 8, 1),
        ("mentornet", 32, 2),
        ("mentornet_inception", 32, 8),
        ("mentornet_inception", 8, 2),
        ("none", 32, 0),
    ],
)
def test_padding_of_each_view(name, side, padding):
    augmentation = standard.get(name, (side, side, 3))
    draws = np.full((1, augmentation.num_draws), 0.5, np.float32)
    draws[:, :2] = 0.0  # the upper left corner
    white = tf.fill([1, side, side, 3], tf.constant(255, tf.uint8))
    view = augmentation.train(white, tf.constant(draws)).numpy()[0]
    dark = view[..., 0] < view[-1, -1, 0]
    expected = np.zeros((side, side), bool)
    expected[:padding] = expected[:, :padding] = True
    np.testing.assert_array_equal(dark, expected)


@pytest.mark.parametrize(
    "name", ["standard", "mentormix", "mentornet", "mentornet_inception"]
)
def test_without_mirror_nothing_is_flipped(name):
    # An image that grows brighter to the right keeps doing so.
    shape = (300, 32, 32, 1)
    ramp = np.arange(60, 188, 4, dtype=np.uint8)
    images = tf.constant(np.broadcast_to(ramp[:, None], shape))
    for mirror, shares in ((False, (1.0, 1.0)), (True, (0.4, 0.6))):
        augmentation = standard.get(name, shape[1:], mirror)
        draws = pictures.draws_of(shape[0], augmentation.num_draws)
        view = augmentation.train(images, draws).numpy()
        rising = view[:, 16, 20, 0] > view[:, 16, 12, 0]
        assert shares[0] <= rising.mean() <= shares[1]


def adjusted_by_tensorflow(image, draws):
    """One image, with TensorFlow's own operations in the original's order."""
    brightness = (-32.0 + 64.0 * draws[3]) / 255.0
    saturation, hue = 0.5 + draws[4], -0.2 + 0.4 * draws[5]
    contrast = 0.5 + draws[6]
    x = tf.cast(image, tf.float32) / 255.0
    x = tf.image.adjust_brightness(x, brightness)
    if draws[7] >= 0.5:
        x = tf.image.adjust_contrast(x, contrast)
    if image.shape[-1] == 3:
        x = tf.image.adjust_saturation(x, saturation)
        x = tf.image.adjust_hue(x, hue)
    if draws[7] < 0.5:
        x = tf.image.adjust_contrast(x, contrast)
    return tf.clip_by_value(x, 0.0, 1.0)


def hard_images():
    """Images that leave [0, 1] between two adjustments, and plain ones."""
    images = pictures.random_images(48, 12, 12)
    images[:8] = 255 * (images[:8] > 127)
    images[8:12], images[12:16] = 0, 255
    images[16:20] = images[16:20, ..., :1]
    images[20:28] //= 8
    images[28:36] = 255 - images[28:36] // 8
    images[36:] = crops.crop_and_flip(images[36:], pictures.draws_of(12, 3), 2)
    return images


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("last", [True, False])
def test_jitter_is_tensorflows_image_by_image(channels, last):
    images = hard_images()[..., :channels]
    draws = pictures.draws_of(len(images), 8, seed=channels).numpy()
    # The ends of the ranges, too.
    draws[::6, 3:7] = ALMOST_ONE
    draws[1::6, 3:7] = 0.0
    draws[2::6, 3:7] = [0.0, ALMOST_ONE, 0.0, ALMOST_ONE]
    draws[:, 7] = draws[:, 7] / 2 + (0.0 if last else 0.5)
    found = standard.colour_jitter(tf.constant(images), tf.constant(draws))
    expected = [adjusted_by_tensorflow(*both) for both in zip(images, draws)]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.shape == images.shape
    # The comparison means something: the images did change.
    change = abs(found.numpy() - images / 255.0).reshape(len(images), -1)
    assert np.median(change.max(1)) > 0.05


def test_both_orders_of_the_jitter_occur_and_differ():
    images = tf.constant(np.repeat(pictures.random_images(1), 400, 0))
    draws = np.full((400, 8), 0.9, np.float32)
    draws[:, 7] = pictures.draws_of(400, 8)[:, 7]
    views = standard.colour_jitter(images, tf.constant(draws)).numpy()
    first = np.isclose(views, views[0], atol=1e-6).all(axis=(1, 2, 3))
    assert 0.4 < first.mean() < 0.6
    others = views[~first]
    assert np.ptp(others, axis=0).max() < 1e-6
    assert abs(others[0] - views[0]).max() > 0.01


def test_padding_is_jittered_too():
    # google-research/mentormix: the padding is black before the jitter.
    augmentation = standard.get("mentormix", (32, 32, 3))
    draws = np.full((1, 8), 0.5, np.float32)
    draws[0, :3], draws[0, 3] = [0.0, 0.0, 0.9], ALMOST_ONE
    images = tf.fill([1, 32, 32, 3], tf.constant(100, tf.uint8))
    view = augmentation.train(images, tf.constant(draws)).numpy()
    np.testing.assert_allclose(view[0, 0, 0], 2 * 32 / 255 - 1, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["standard", "mentormix", "none"])
def test_range_of_the_training_views(name, channels):
    # google-research/mentormix, cifar_data_provider.py.
    images = pictures.random_images(64, 8, 8, channels)
    augmentation = standard.get(name, images.shape[1:])
    draws = pictures.draws_of(64, augmentation.num_draws)
    view = augmentation.train(tf.constant(images), draws).numpy()
    assert view.dtype == np.float32 and view.shape == images.shape
    assert view.min() == -1.0 and view.max() == 1.0


@pytest.mark.parametrize("name", ["standard", "mentormix", "none"])
def test_evaluation_maps_0_and_255_to_the_ends(name):
    # google-research/mentormix, cifar_data_provider.py.
    images = np.array([0, 255, 51], np.uint8).reshape(1, 1, 3, 1)
    view = standard.get(name, (1, 3, 1)).evaluate(tf.constant(images))
    np.testing.assert_array_equal(np.ravel(view)[:2], [-1.0, 1.0])
    np.testing.assert_allclose(np.ravel(view)[2], -0.6, atol=1e-6)


@pytest.mark.parametrize("name", ["mentornet", "mentornet_inception"])
def test_per_image_standardisation(name):
    # google/mentornet: mean 0 and standard deviation 1.
    images = pictures.random_images(5, 32, 32, 3)
    images[4] = 77  # no deviation to divide by
    augmentation = standard.get(name, images.shape[1:])
    view = augmentation.evaluate(tf.constant(images)).numpy()
    np.testing.assert_allclose(view.mean((1, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(view[:4].std((1, 2, 3)), 1.0, atol=1e-5)
    np.testing.assert_array_equal(view[4], 0.0)
    # In training the padding takes part in the moments.
    view = augmentation.train(
        tf.constant(images), pictures.draws_of(5, 3)
    ).numpy()
    np.testing.assert_allclose(view.mean((1, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(view[:4].std((1, 2, 3)), 1.0, atol=1e-5)


def test_none_is_the_evaluation_view():
    images = tf.constant(pictures.random_images(3))
    augmentation = standard.get("none", (8, 8, 3))
    view = augmentation.train(
        images, pictures.draws_of(3, augmentation.num_draws)
    )
    np.testing.assert_array_equal(view, augmentation.evaluate(images))


def test_an_unknown_name_is_the_users_mistake():
    with pytest.raises(errors.UserError, match=r"'cutout'.*standard.*none"):
        standard.get("cutout", (32, 32, 3))


@pytest.mark.parametrize(
    "name, mean, deviation",
    [
        ("dividemix_cifar10", 0.4914, 0.2023),
        ("dividemix_cifar100", 0.507, 0.267),
        ("bkd_cifar10", 0.4914, 0.2023),
        ("bkd_cifar100", 0.5071, 0.2675),
        ("airbench", 0.4914, 0.2470),
    ],
)
def test_normalised_by_fixed_statistics(name, mean, deviation):
    images = pictures.random_images(6, 32, 32, 3)
    augmentation = standard.get(name, (32, 32, 3))
    view = augmentation.evaluate(tf.constant(images)).numpy()
    expected = (images[..., 0] / 255 - mean) / deviation
    np.testing.assert_allclose(view[..., 0], expected, atol=1e-5)
    # Black is padded before, not after.
    drawn = augmentation.train(tf.constant(images), np.zeros([6, 3], "f4"))
    corner = drawn.numpy()[:, 0, -1, 0]
    reflected = {"bkd_cifar10": 4, "airbench": 2}.get(name)
    if reflected:
        mirrored = expected[:, reflected, reflected]
        np.testing.assert_allclose(corner, mirrored, atol=1e-5)
    else:
        np.testing.assert_allclose(corner, -mean / deviation, atol=1e-5)


def test_grey_images_take_the_mean_statistics():
    images = tf.fill([1, 8, 8, 1], tf.constant(255, tf.uint8))
    view = standard.get("dividemix_cifar10", (8, 8, 1)).evaluate(images)
    means, deviations = (0.4914 + 0.4822 + 0.4465), (0.2023 + 0.1994 + 0.2010)
    expected = (1 - means / 3) / (deviations / 3)
    np.testing.assert_allclose(view, expected, rtol=1e-5)


def test_ieg_pads_by_two():
    white = tf.fill([2, 32, 32, 3], tf.constant(255, tf.uint8))
    draws = np.array([[0.0, 0.0, 0.9], [0.5, 0.5, 0.9]], "f4")
    view = standard.get("ieg", (32, 32, 3)).train(white, draws).numpy()
    assert (view[0] == -1).sum() == 3 * (2 * 32 + 2 * 30)
    assert (view[1] == 1).all()


def test_every_name_makes_a_view():
    images = tf.constant(pictures.random_images(2))
    for name in standard.names():
        augmentation = standard.get(name, (8, 8, 3))
        draws = pictures.draws_of(2, augmentation.num_draws)
        shape = (2, *augmentation.view_shape)
        assert augmentation.train(images, draws).shape == shape
        assert augmentation.evaluate(images).shape == shape
        assert augmentation.move(images, draws).shape == shape
        assert augmentation.move(images, draws).dtype == tf.uint8


def test_statistics_say_what_a_value_means():
    images = pictures.random_images(3, 32, 32)
    for name in standard.names():
        augmentation = standard.get(name, (32, 32, 3))
        view = augmentation.evaluate(tf.constant(images)).numpy()
        if name.startswith("mentornet"):  # Of each image its own.
            assert augmentation.statistics is None
            continue
        mean, deviation = augmentation.statistics
        pixels = 255 * (np.array(mean) + view * np.array(deviation))
        side = view.shape[1]
        first = (32 - side) // 2
        middle = images[:, first : first + side, first : first + side]
        np.testing.assert_allclose(pixels, middle, atol=1e-3)


@pytest.mark.parametrize(
    "name, side, view_side",
    [
        ("dividemix_clothing1m", 256, 224),
        ("dividemix_clothing1m", 64, 56),
        ("dividemix_webvision", 320, 299),
        ("dividemix_webvision", 64, 60),
        ("ieg_webvision", 256, 224),
    ],
)
def test_views_of_a_part(name, side, view_side):
    image = pictures.random_images(1, side, side)
    augmentation = standard.get(name, image.shape[1:])
    assert augmentation.view_shape == (view_side, view_side, 3)
    mean, deviation = map(np.array, augmentation.statistics)
    first = (side - view_side) // 2
    middle = image[:, first : first + view_side, first : first + view_side]
    np.testing.assert_allclose(
        augmentation.evaluate(tf.constant(image)),
        (middle / 255 - mean) / deviation,
        atol=1e-5,
    )
    draws = pictures.draws_of(1, augmentation.num_draws)
    moved = augmentation.move(tf.constant(image), draws)
    np.testing.assert_allclose(
        augmentation.train(tf.constant(image), draws),
        (moved.numpy() / 255 - mean) / deviation,
        atol=1e-5,
    )
    if name == "dividemix_clothing1m":
        y, x = np.int64(draws[0, :2].numpy() * (side - view_side + 1))
        part = image[0, y : y + view_side, x : x + view_side]
        assert any(
            np.array_equal(moved[0], each) for each in (part, part[:, ::-1])
        )


def test_the_published_statistics():
    published = {
        "dividemix_clothing1m": [
            (0.6959, 0.6537, 0.6371),
            (0.3113, 0.3192, 0.3214),
        ],
        "dividemix_webvision": [(0.485, 0.456, 0.406), (0.229, 0.224, 0.225)],
    }
    for name, expected in published.items():
        found = standard.get(name, (64, 64, 3)).statistics
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["standard", "ieg"])
def test_the_compiled_views_have_the_bits_of_the_others(name):
    # Every value; nothing is moved by these draws.
    images = np.arange(256, dtype=np.uint8).repeat(12).reshape(4, 16, 16, 3)
    images = tf.constant(images)
    draws = np.full((4, 3), 0.5, np.float32)
    view = standard.get(name, (16, 16, 3)).train(images, draws)
    np.testing.assert_array_equal(view, standard.to_unit_range(images))
