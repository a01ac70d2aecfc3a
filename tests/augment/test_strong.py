"""The strong view against Pillow's, image by image, on the same draws."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import golden
from tfnoisy import randomness
from tfnoisy.augment import image_ops, pillow_view, policies, standard, strong
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import load, pipeline

NUM_IMAGES = 203  # Not a multiple of anything.


@pytest.fixture(scope="module")
def images():
    digits = load.load("digits", "train", image_size=32).images[..., 0]
    images = np.stack(
        [digits[k : k + NUM_IMAGES] for k in range(3)], axis=-1
    ).astype(int)
    dim = np.arange(NUM_IMAGES)[:, None, None, None]
    return np.clip(images * (30 + dim % 70) // 100 + dim % 90, 0, 255).astype(
        np.uint8
    )


def draws_for(policy, seed=0, count=NUM_IMAGES):
    return randomness.uniform_by_id(
        seed, "augment_strong", count, strong.num_draws(policy)
    )


def view_of(images, draws, policy):
    """Returns the view, traced: op by op it takes many times as long."""
    traced = tf.function(
        lambda *of_images: strong.view(*of_images, policy), autograph=False
    )
    return traced(images, draws)


def by_pillow(images, policy, draws, mirror=True):
    choices = pillow_view.pillow_choices(policy, draws.numpy(), mirror)
    return np.stack(
        [
            pillow_view.pillow_view(image, *choice)
            for image, choice in zip(pillow_view.truncate(images), choices)
        ]
    )


@pytest.mark.parametrize(
    "name, jit",
    [
        ("autoaugment_cifar10", False),
        ("autoaugment_svhn", False),
        ("autoaugment_ieg", False),
        ("autoaugment_ieg", True),
        ("randaugment:2:9", False),
        ("randaugment:3:4", False),
        ("randaugment_ieg", False),
    ],
)
def test_is_pillows(images, name, jit):
    policy = policies.get(name)
    for mirror in (True, False) if name == "autoaugment_svhn" else (True,):
        augmentation = strong.get(name, images.shape[1:], mirror, jit)
        draws = draws_for(policy)
        views = augmentation.train(tf.constant(images), draws).numpy()
        np.testing.assert_allclose(
            views, by_pillow(images, policy, draws, mirror), atol=1e-6
        )


@pytest.mark.parametrize("jit", [False, True])
def test_is_promix_own(jit):
    expected = golden.read("promix_steps")["views"]
    count, height, width = len(expected), 8, 6
    n = np.arange(count * height * width * 3)
    n = n.reshape(count, height, width, 3)
    waves = np.sin(0.37 * n + 0.1 * n[..., :1] ** 0.5)
    pixels = np.uint8(127.5 + (60 + n[:, :1, :1, :1] // 144) * waves)
    augmentation = strong.get(
        "randaugment_promix", pixels.shape[1:], mirror=True, jit=jit
    )
    draws = np.random.RandomState(3).random_sample(
        [count, augmentation.num_draws]
    )
    draws = tf.constant(draws, tf.float32)
    moved = augmentation.move(tf.constant(pixels), draws)
    assert [view.tobytes().hex() for view in moved.numpy()] == expected
    np.testing.assert_array_equal(
        augmentation.train(tf.constant(pixels), draws),
        standard.to_unit_range(moved),
    )


@pytest.mark.parametrize(
    "place, side, rows, columns",
    [
        ((2.9, 3.1), 0.0, [], []),
        ((2.9, 3.1), 0.2, [2], [3]),
        ((2.9, 3.1), 2.0, [1, 2, 3], [2, 3, 4]),
        ((0.2, 4.9), 3.5, [0, 1, 2, 3], [3, 4]),
    ],
)
def test_a_square_ends_where_pillows_does(place, side, rows, columns):
    images = tf.zeros([1, 7, 5, 1], tf.uint8)
    sizes = [tf.constant([x], tf.float64) for x in (*place, side)]
    found = image_ops.square(images, *sizes, fill=9).numpy()[0, ..., 0]
    expected = np.zeros([7, 5])
    expected[np.ix_(rows, columns)] = 9
    np.testing.assert_array_equal(found, expected)
    image = Image.new("L", (5, 7))
    near = [int(max(0, x - side / 2)) for x in place]
    if side:
        ImageDraw.Draw(image).rectangle(
            (near[1], near[0], near[1] + side, near[0] + side), 9
        )
    np.testing.assert_array_equal(found, np.asarray(image))


def only(monkeypatch, table, finish="cifar"):
    """Makes a policy of one sub-policy."""
    monkeypatch.setattr(policies, "_CIFAR10", table)
    monkeypatch.setattr(policies, "_IMAGENET", table)
    return policies.get(
        "autoaugment_cifar10" if finish == "cifar" else "autoaugment_imagenet"
    )


@pytest.mark.parametrize(
    "table",
    ["Cut 1.0 9 + Rot 1.0 9", "Cut 1.0 6 + Equ 1.0 9", "Rot 1.0 9 + AuC 1.0 0"]
    + ["ShX 1.0 9 + Inv 1.0 0", "TrX 1.0 9 + Con 1.0 9", "ShY 1 8 + Sha 1 9"],
)
def test_alpha(images, monkeypatch, table):
    policy = only(monkeypatch, table)
    draws = draws_for(policy, seed=5)
    views = view_of(tf.constant(images), draws, policy).numpy()
    np.testing.assert_allclose(
        views, by_pillow(images, policy, draws), atol=1e-6
    )


def still_draws(policy, count=NUM_IMAGES, cutout=0.0):
    """Draws that move nothing: crop at the centre, no flip."""
    draws = np.zeros([count, strong.num_draws(policy)], np.float32)
    draws[:, -5:] = [0.5, 0.5, 0.9, cutout, cutout]
    return tf.constant(draws)


def test_what_lies_outside_is_grey_unless_alpha_is_dropped(monkeypatch):
    white = tf.fill([1, 32, 32, 3], tf.constant(255, tf.uint8))
    moved = only(monkeypatch, "TrX 1.0 9 + TrX 0.0 9")
    view = view_of(white, still_draws(moved, 1), moved).numpy()
    np.testing.assert_array_equal(view[0, 8:, :9], 0.0)
    np.testing.assert_array_equal(view[0, 8:, 9:], 1.0)
    dropped = only(monkeypatch, "TrX 1.0 9 + AuC 1.0 0")
    view = view_of(white, still_draws(dropped, 1), dropped).numpy()
    np.testing.assert_array_equal(view[0, 8:, :9], -1.0)


def test_truncation_takes_one_off_63_values():
    values = np.arange(256, dtype=np.uint8)
    truncated = pillow_view.truncate(values).astype(int)
    assert np.unique(values - truncated).tolist() == [0, 1]
    assert np.sum(values != truncated) == 63
    policy = policies.get("autoaugment_ieg")
    images = np.broadcast_to(values[:, None, None, None], [256, 32, 32, 3])
    # Sub-policy 1 with nothing applied.
    draws = still_draws(policy, 256).numpy()
    draws[:, 1:9] = 0.99
    view = view_of(tf.constant(images), tf.constant(draws), policy)
    np.testing.assert_allclose(
        view[:, 20, 20, 0], (truncated - 127.5) / 127.5, atol=1e-6
    )


def test_crop_flip_and_cutout(monkeypatch):
    policy = only(monkeypatch, "Inv 0.0 0 + Inv 0.0 0")
    image = np.full([32, 32, 3], 255, np.uint8)
    image[0, 0] = image[31, 31] = 0
    draws = draws_for(policy, seed=2, count=1500)
    batch = tf.constant(np.broadcast_to(image, [1500, 32, 32, 3]))
    views = view_of(batch, draws, policy).numpy()[..., 0]
    ends = draws.numpy()[:, -5:]
    offsets = np.floor(ends[:, :2] * 8).astype(int)
    assert offsets.min() == 0 and offsets.max() == 7
    flipped = ends[:, 2] < 0.5
    assert 0.47 < flipped.mean() < 0.53
    for view, (y, x), flip in zip(views, offsets, flipped):
        if flip:
            view = view[:, ::-1]
        # Padding of grey where the crop reaches beyond the image.
        rows = np.all(view == 0, axis=1)
        assert rows[: max(0, 4 - y)].all()
        assert rows[32 - max(0, y - 4) :].all()
        columns = np.all(view == 0, axis=0)
        assert columns[: max(0, 4 - x)].all()
        assert columns[32 - max(0, x - 4) :].all()
        # The corner's black pixel is where the crop puts it, unless cut out.
        if y <= 4 and x <= 4:
            assert view[4 - y, 4 - x] in (-1.0, 0.0)
    centred = views[(offsets == 4).all(axis=1)]
    squares = (centred == 0).sum(axis=(1, 2))
    assert 64 <= squares.min() < 256 and squares.max() == 256


def test_cutout_ends_at_the_border(monkeypatch):
    policy = only(monkeypatch, "Inv 0.0 0 + Inv 0.0 0")
    white = tf.fill([1, 32, 32, 3], tf.constant(255, tf.uint8))
    for cutout, area in ((0.0, 64), (0.5, 256), (0.999, 81)):
        view = view_of(white, still_draws(policy, 1, cutout), policy)
        assert np.sum(view.numpy()[..., 0] == 0) == area


def test_imagenet(images, monkeypatch):
    def enhance(image):
        return ImageEnhance.Color(image).enhance(1.72)

    def add(image):
        table = [min(v + 77, 255) if v < 128 else v for v in range(256)]
        return image.point(table * 3)

    for table, expected in (
        ("Rot 1.0 9 + Col 1.0 9", lambda x, s: enhance(turn(x, s))),
        ("SoA 1.0 7 + Pos 1.0 6", lambda x, _: ImageOps.posterize(add(x), 2)),
        ("Sol 1.0 4 + Equ 1.0 0", lambda x, _: solarized(x)),
    ):
        policy = only(monkeypatch, table, "imagenet")
        draws = draws_for(policy, seed=8)
        views = view_of(tf.constant(images), draws, policy).numpy()
        draws = draws.numpy()
        for k in range(0, NUM_IMAGES, 9):
            sign = -1 if draws[k, 2] < 0.5 else 1
            result = np.array(expected(Image.fromarray(images[k]), sign))
            row, column = (draws[k, -2:] * 32).astype(int)
            result[
                max(0, row - 8) : row + 8, max(0, column - 8) : column + 8
            ] = 0
            np.testing.assert_allclose(
                views[k], result / 127.5 - 1.0, atol=1e-6
            )


def turn(image, sign):
    return image.rotate(27 * sign, fillcolor=(128, 128, 128))


def solarized(image):
    return ImageOps.equalize(ImageOps.solarize(image, 102))


def test_an_image_does_not_depend_on_its_batch(images):
    policy = policies.get("autoaugment_ieg")
    draws = draws_for(policy)
    together = view_of(tf.constant(images), draws, policy).numpy()
    rows = [150, 3, 77]
    few = view_of(tf.constant(images[rows]), tf.gather(draws, rows), policy)
    np.testing.assert_array_equal(few, together[rows])


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (12, 20, 3)])
def test_other_shapes(images, shape):
    height, width, channels = shape
    batch = tf.constant(images[:37, :height, :width, :channels])
    augmentation = strong.get("randaugment:2:9", shape, jit=False)
    draws = randomness.uniform_by_id(
        0, "augment_strong", 37, augmentation.num_draws
    )
    views = augmentation.train(batch, draws).numpy()
    assert views.shape == batch.shape and views.dtype == np.float32
    assert views.min() >= -1 and views.max() <= 1 and views.std() > 0.05


def test_in_the_pipeline(images):
    data = dataset_lib.ImageDataset(
        name="some",
        images=images,
        given_labels=np.zeros(NUM_IMAGES, int),
        clean_labels=None,
        ids=np.arange(NUM_IMAGES),
        class_names=("a",),
    )
    augmentation = strong.get("autoaugment_ieg", (32, 32, 3))
    batch = next(
        iter(pipeline.training_batches(data, augmentation, 64, seed=4))
    )
    ids = batch["ids"].numpy()
    draws = randomness.uniform_by_id(
        4, "augment", NUM_IMAGES, augmentation.num_draws, 0
    )
    np.testing.assert_allclose(
        batch["images"],
        by_pillow(
            images[ids],
            policies.get("autoaugment_ieg"),
            tf.gather(draws, ids),
        ),
        atol=1e-6,
    )
