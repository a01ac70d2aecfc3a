"""A contact sheet: what the augmentations do to images, for people to see."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from tfnoisy import errors, output_file, randomness
from tfnoisy.augment import standard, strong

_MARGIN, _TITLE_HEIGHT = 4, 14


def write(
    path, dataset, standard_names, strong_names, views=3, seed=0, tile=96
):
    """Writes originals, standard views and strong views as a PNG.

    A row is an image; a view is that of one epoch.  Grey in a strong view is
    what is cut out or comes from outside the image.

    Args:
        path: the PNG file; its folder is made.
        dataset: an `ImageDataset`; all of it is drawn.
        standard_names: names of `standard.get`.
        strong_names: names of `policies.get`.
        views: how many of each name.
        seed: of the draws.
        tile: side of a drawn image in pixels, at least.

    Raises:
        UserError: for a name that does not exist or a path that is no PNG.
    """
    output_file.check_png(path, "--output")
    if views < 1:
        raise errors.UserError(f"--views starts at 1, not {views}")
    shape = dataset.images.shape[1:]
    kinds = [
        (standard.get(name, shape, dataset.mirror), "augment")
        for name in standard_names
    ] + [
        # XLA pays off for an epoch, not for a few images.
        (strong.get(name, shape, dataset.mirror, jit=False), "augment_strong")
        for name in strong_names
    ]
    images = dataset.images[:]
    columns = [("original", images)]
    for augmentation, stream in kinds:
        for epoch in range(views):
            draws = randomness.uniform_by_id(
                seed, stream, dataset.num_ids, augmentation.num_draws, epoch
            )
            view = augmentation.train(
                tf.constant(images), tf.gather(draws, dataset.ids)
            )
            title = augmentation.name if epoch == 0 else ""
            columns.append((title, to_bytes(view.numpy())))
    contents = io.BytesIO()
    sheet(columns, tile).save(contents, "PNG")
    output_file.write(path, contents.getvalue())


def to_bytes(views):
    """Turns views in -1..1 into uint8; standardised ones by their range."""
    if np.abs(views).max() > 1:
        low = views.min(axis=(1, 2, 3), keepdims=True)
        high = views.max(axis=(1, 2, 3), keepdims=True)
        views = 2 * (views - low) / np.maximum(high - low, 1e-6) - 1
    return np.uint8(np.round((views + 1) * 127.5))


def sheet(columns, tile=96):
    """Draws images in columns.

    Args:
        columns: [(title, uint8 [N, H, W, C]), ...]; a title runs on over
            columns without one.
        tile: side of a drawn image in pixels, at least.

    Returns:
        A Pillow image in mode RGB.
    """
    count, height, width = columns[0][1].shape[:3]
    scale = max(1, -(-tile // max(height, width)))
    row_height = height * scale + _MARGIN
    column_width = width * scale + _MARGIN
    drawn = Image.new(
        "RGB",
        (
            _MARGIN + column_width * len(columns),
            _TITLE_HEIGHT + _MARGIN + row_height * count,
        ),
        "white",
    )
    pen = ImageDraw.Draw(drawn)
    for k, (title, images) in enumerate(columns):
        left = _MARGIN + k * column_width
        pen.text((left, 1), title, fill="black")
        rgb = np.broadcast_to(images, (*images.shape[:3], 3))
        for row, image in enumerate(rgb):
            drawn.paste(
                Image.fromarray(np.ascontiguousarray(image)).resize(
                    (width * scale, height * scale), Image.Resampling.NEAREST
                ),
                (left, _TITLE_HEIGHT + _MARGIN + row * row_height),
            )
    return drawn
