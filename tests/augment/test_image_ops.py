"""Every operation against Pillow's, on 100 images at every magnitude."""

import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from tfnoisy.augment import image_ops, policies

NUM_IMAGES = 100
MAGNITUDES = policies.get("autoaugment_ieg").magnitudes


def generated_images():
    """Digits in colour, of all brightnesses and some of few values."""
    digits = sklearn.datasets.load_digits().images[: NUM_IMAGES + 2]
    images = []
    for k in range(NUM_IMAGES):
        rgb = np.stack(digits[k : k + 3], -1) * (3 + k % 13) + 2 * (k % 17)
        image = Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8))
        images.append(image.resize((32, 32), Image.Resampling.BICUBIC))
    images[0] = Image.new("RGB", (32, 32), (7, 7, 255))
    images[1] = Image.fromarray(np.indices((32, 32, 3)).sum(0).astype(np.uint8))
    return np.stack([np.asarray(image) for image in images])


def cifar_images():
    try:
        data = tfds.load(
            "cifar10", split=f"test[:{NUM_IMAGES}]", download=False
        )
    except Exception as error:
        pytest.skip(f"CIFAR-10 is not in the TFDS directory: {error!r:.80}")
    return np.stack([row["image"] for row in tfds.as_numpy(data)])


@pytest.fixture(
    scope="module",
    params=["generated", pytest.param("cifar", marks=pytest.mark.cifar)],
)
def images(request):
    if request.param == "cifar":
        return cifar_images()
    return generated_images()


def affine(matrix):
    return lambda image: image.transform(
        image.size, Image.Transform.AFFINE, matrix
    )


def enhance(enhancer, factor):
    return lambda image: enhancer(image).enhance(factor)


def filtered(kernel):
    return lambda image: image.filter(kernel)


def solarize_add(addition):
    table = [min(v + addition, 255) if v < 128 else v for v in range(256)]
    return lambda image: image.point(table * len(image.getbands()))


def posterize(bits):
    # Pillow took 0 bits for black before it refused them.
    if bits == 0:
        return lambda image: Image.new(image.mode, image.size)
    return lambda image: ImageOps.posterize(image, bits)


def cut(side):
    def paste(image):
        image = image.copy()
        half = side // 2
        box = [max(0, 5 - half), max(0, 20 - half), 5 + half, 20 + half]
        box[3] = min(box[3], 32)
        if half:
            image.paste((1, 2, 3), tuple(box))
        return image

    return paste


# name: magnitude at a level -> (ours on a batch, Pillow's on an image).
OPERATIONS = {
    "Identity": lambda m: (image_ops.identity, lambda image: image),
    "AutoContrast": lambda m: (image_ops.autocontrast, ImageOps.autocontrast),
    "Equalize": lambda m: (image_ops.equalize, ImageOps.equalize),
    "Invert": lambda m: (image_ops.invert, ImageOps.invert),
    "Posterize": lambda m: (
        lambda x: image_ops.posterize(x, [int(m)] * len(x)),
        posterize(int(m)),
    ),
    "Solarize": lambda m: (
        lambda x: image_ops.solarize(x, [int(m)] * len(x)),
        lambda image: ImageOps.solarize(image, int(m)),
    ),
    "SolarizeAdd": lambda m: (
        lambda x: image_ops.solarize_add(x, [int(m)] * len(x)),
        solarize_add(int(m)),
    ),
    "Rotate": lambda m: (
        lambda x: image_ops.rotate(x, [m] * len(x)),
        lambda image: image.rotate(m),
    ),
    "ShearX": lambda m: (
        lambda x: image_ops.shear_x(x, np.full(len(x), m)),
        affine((1, m, 0, 0, 1, 0)),
    ),
    "ShearY": lambda m: (
        lambda x: image_ops.shear_y(x, np.full(len(x), m)),
        affine((1, 0, 0, m, 1, 0)),
    ),
    "TranslateX": lambda m: (
        lambda x: image_ops.translate_x(x, [m] * len(x)),
        affine((1, 0, m, 0, 1, 0)),
    ),
    "TranslateY": lambda m: (
        lambda x: image_ops.translate_y(x, [m] * len(x)),
        affine((1, 0, 0, 0, 1, m)),
    ),
    "Brightness": lambda m: (
        lambda x: image_ops.brightness(x, [m] * len(x)),
        enhance(ImageEnhance.Brightness, m),
    ),
    "Color": lambda m: (
        lambda x: image_ops.color(x, [m] * len(x)),
        enhance(ImageEnhance.Color, m),
    ),
    "Contrast": lambda m: (
        lambda x: image_ops.contrast(x, [m] * len(x)),
        enhance(ImageEnhance.Contrast, m),
    ),
    "Sharpness": lambda m: (
        lambda x: image_ops.sharpness(x, [m] * len(x)),
        enhance(ImageEnhance.Sharpness, m),
    ),
    "Cutout": lambda m: (
        lambda x: image_ops.cutout(
            x, [20] * len(x), [5] * len(x), [m] * len(x), (1, 2, 3)
        ),
        cut(int(m)),
    ),
    "Smooth": lambda m: (image_ops.smooth, filtered(ImageFilter.SMOOTH)),
    "Blur": lambda m: (image_ops.blur, filtered(ImageFilter.BLUR)),
}


def magnitudes_of(name):
    """Returns the signed magnitudes at levels 0..10, once each."""
    if name not in policies.OP:
        return [0.0]
    found = {float(m) for m in MAGNITUDES[policies.OP[name]]}
    if name in policies.MOVES:
        found |= {-m for m in found}
    return sorted(found)


def by_pillow(images, function):
    return np.stack(
        [np.asarray(function(Image.fromarray(image))) for image in images]
    )


def test_agrees_with_pillow_bit_for_bit(images, capsys):
    table, wrong = [], []
    for name, at_level in OPERATIONS.items():
        equal, near, largest = [], [], 0
        for magnitude in magnitudes_of(name):
            ours, pillows = at_level(magnitude)
            difference = np.abs(
                ours(tf.constant(images)).numpy().astype(int)
                - by_pillow(images, pillows)
            )
            equal.append(np.mean(difference == 0))
            near.append(np.mean(difference <= 1))
            largest = max(largest, difference.max())
        table.append(
            f"{name:13}{len(equal):11}{np.mean(equal):9.3%}"
            f"{np.mean(near):14.3%}{largest:10}"
        )
        if largest:
            wrong.append(name)
    with capsys.disabled():
        print(
            f"\n{'operation':13} magnitudes    equal  within 1 level  largest"
        )
        print("\n".join(table))
    assert not wrong


def test_each_image_has_its_own_parameter(images):
    few = images[:22]
    levels = np.arange(22) % 11
    for name, function in {
        "Posterize": image_ops.posterize,
        "Solarize": image_ops.solarize,
        "Rotate": image_ops.rotate,
        "ShearX": image_ops.shear_x,
        "TranslateY": image_ops.translate_y,
        "Color": image_ops.color,
        "Contrast": image_ops.contrast,
        "Sharpness": image_ops.sharpness,
    }.items():
        own = MAGNITUDES[policies.OP[name]][levels]
        together = function(tf.constant(few), tf.constant(own)).numpy()
        for k in range(22):
            pillows = OPERATIONS[name](float(own[k]))[1]
            np.testing.assert_array_equal(
                together[k], by_pillow(few[k : k + 1], pillows)[0], name
            )


def test_autocontrast_for_every_range():
    low, high = np.triu_indices(256, 1)
    rows = slice(None, None, 37)
    low, high = low[rows], high[rows]
    # Rows of 256 pixels that hold each value between the ends.
    pixels = np.clip(np.arange(256), low[:, None], high[:, None])
    pixels = pixels.astype(np.uint8)[:, None, :, None]
    ours = image_ops.autocontrast(tf.constant(pixels)).numpy()
    for k in range(len(low)):
        image = Image.fromarray(pixels[k, ..., 0])
        np.testing.assert_array_equal(
            ours[k, ..., 0], np.asarray(ImageOps.autocontrast(image))
        )


def test_grey_images(images):
    grey = images[..., :1]
    batch = tf.constant(grey)
    factors = np.full(len(grey), 1.54, np.float32)
    for ours, pillows in (
        (image_ops.autocontrast(batch), ImageOps.autocontrast),
        (image_ops.equalize(batch), ImageOps.equalize),
        (
            image_ops.contrast(batch, factors),
            enhance(ImageEnhance.Contrast, 1.54),
        ),
        (image_ops.color(batch, factors), enhance(ImageEnhance.Color, 1.54)),
        (image_ops.rotate(batch, factors * 10), lambda x: x.rotate(15.4)),
    ):
        np.testing.assert_array_equal(
            ours[..., 0], by_pillow(grey[..., 0], pillows)
        )


@pytest.mark.parametrize("degrees", [0, 90, 180, -90, 37.5])
def test_rotation_of_an_oblong(images, degrees):
    oblong = images[:5, :21]
    ours = image_ops.rotate(tf.constant(oblong), [degrees] * 5, fill=9)
    pillows = by_pillow(oblong, lambda x: x.rotate(degrees, fillcolor=(9,) * 3))
    np.testing.assert_array_equal(ours, pillows)


def test_fill_by_channel(images):
    ours = image_ops.translate_x(tf.constant(images), [-3] * 100, (1, 2, 3))
    np.testing.assert_array_equal(
        ours[:, :, :3], np.broadcast_to([1, 2, 3], [100, 32, 3, 3])
    )
    np.testing.assert_array_equal(ours[:, :, 3:], images[:, :, :-3])


def test_solarize_add_leaves_the_bright():
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    ours = image_ops.solarize_add(tf.constant(values), [200]).numpy().ravel()
    assert ours[0] == 200 and ours[55] == 255 and ours[127] == 255
    np.testing.assert_array_equal(ours[128:], np.arange(128, 256))


def test_cutout_is_clipped_at_the_border():
    cut = image_ops.cutout(
        tf.ones([3, 32, 32, 1]), [0, 16, 31], [0, 16, 31], 16
    )
    np.testing.assert_array_equal(
        1024 - tf.reduce_sum(cut, [1, 2, 3]), [64, 256, 81]
    )
