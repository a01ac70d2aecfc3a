import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tfnoisy.audit import figures, label_quality

BIN = 1000 / figures.BINS


def judged(score, threshold=0.5, **kwargs):
    count = len(score)
    labels = np.arange(count) % 2
    return label_quality.LabelQuality.from_clean_probability(
        np.arange(count),
        labels,
        labels,
        score,
        2,
        threshold=threshold,
        **kwargs,
    )


def bars(path):
    """Returns [(bin, lower edge, upper edge)], as shares of the height."""
    found = re.findall(r"M([\d.]+) ([\d.-]+)h[\d.]+v([\d.]+)h-[\d.]+z", path)
    assert "".join(found[0]) and path.count("M") == len(found)
    return [
        (
            round((float(x) - 1) / BIN),
            1 - (float(y) + float(height)) / 1000,
            1 - float(y) / 1000,
        )
        for x, y, height in found
    ]


def test_bars_are_stacked_counts():
    score = np.repeat([0.01, 0.31, 0.51, 0.99], [4, 2, 3, 5])
    clean = np.arange(14) % 2
    clean[[0, 4, 5]] = -1
    drawn = figures.histogram(judged(score, clean_labels=clean))
    right, wrong = drawn["series"]
    assert (right["name"], right["count"]) == ("right", 11)
    assert (wrong["name"], wrong["count"]) == ("wrong", 3)
    top = 1.05 * 5
    for found, expected in (
        (right, [(0, 0, 3), (25, 0, 3), (49, 0, 5)]),
        (wrong, [(0, 3, 4), (15, 0, 2)]),
    ):
        np.testing.assert_allclose(
            bars(found["path"]),
            [(k, low / top, high / top) for k, low, high in expected],
            atol=2e-4,
        )
    assert drawn["cut_off"] == [] and drawn["curves"] == []


def test_without_the_truth_the_flagged_are_drawn():
    drawn = figures.histogram(judged(np.array([0.1, 0.2, 0.9]), 0.15))
    assert [(s["name"], s["count"]) for s in drawn["series"]] == [
        ("kept", 2),
        ("flagged", 1),
    ]
    assert drawn["cuts"] == [{"name": "threshold", "x": 15.0, "value": 0.15}]


def test_a_bar_that_dwarfs_the_others_is_cut_off():
    score = np.repeat([0.01, 0.51, 0.53, 0.55, 0.99], [500, 10, 11, 12, 300])
    drawn = figures.histogram(judged(score))
    low, high = drawn["cut_off"]
    assert (low["low"], low["high"], low["count"]) == (0.0, 0.02, 500)
    assert (high["low"], high["count"]) == (0.98, 300)
    assert drawn["cut_off_at"] == [
        {"x": 2.0, "left": False, "text": "500"},
        {"x": 98.0, "left": True, "text": "300"},
    ]
    tops = [bar[2] for s in drawn["series"] for bar in bars(s["path"])]
    assert max(tops) == 1 and sorted(tops)[-3] == pytest.approx(
        1 / 1.3, abs=1e-4
    )


def test_curves_have_the_bars_scale():
    rng = np.random.default_rng(0)
    losses = np.abs(
        np.concatenate([rng.normal(1, 0.3, 6000), rng.normal(5, 1, 4000)])
    )
    count = np.arange(len(losses))
    found = label_quality.LabelQuality.from_losses(
        count, count % 2, count % 2, losses, 2
    )
    drawn = figures.histogram(found)
    assert [curve["name"] for curve in drawn["curves"]] == ["clean", "noisy"]
    heights = []
    for curve in drawn["curves"]:
        points = re.findall(r"[ML](\d+) ([\d.-]+)", curve["path"])
        assert len(points) == 400 and points[0][0] == "0"
        heights.append([1 - float(y) / 1000 for _, y in points])
    # Together the curves enclose what the bars do.
    area = np.sum(heights) / 400
    bar_area = sum(
        high - low for s in drawn["series"] for _, low, high in bars(s["path"])
    )
    assert area == pytest.approx(bar_area / figures.BINS, rel=0.03)
    (cut,) = drawn["cuts"]
    assert 20 < cut["x"] < 45 and cut["value"] == cut["x"] / 100


@pytest.mark.parametrize("largest", [1, 2, 3, 9, 10, 37, 480, 15000])
def test_ticks_are_round_and_few(largest):
    drawn = figures.histogram(judged(np.full(largest, 0.4)))
    ticks = drawn["y_ticks"]
    assert 2 <= len(ticks) <= 6
    assert ticks[0] == {"y": 100.0, "text": "0"}
    assert all(0 <= tick["y"] <= 100 for tick in ticks)
    values = [int(tick["text"].replace(",", "")) for tick in ticks]
    assert len(set(values)) == len(values)
    assert str(values[1]).rstrip("0") in {"1", "2", "5"}


def decode(uri):
    kind, data = re.fullmatch(r"data:image/(\w+);base64,(.+)", uri).groups()
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.format.lower() == kind
    return image


@pytest.mark.parametrize("channels, mode", [(1, "L"), (3, "RGB")])
def test_small_images_are_kept_as_they_are(channels, mode):
    pixels = np.random.default_rng(0).integers(
        256, size=(8, 5, channels), dtype=np.uint8
    )
    uri, width, height = figures.thumbnail_uri(pixels, 100, 8)
    assert (width, height) == (5, 8)
    image = decode(uri)
    assert image.mode == mode
    np.testing.assert_array_equal(
        np.asarray(image).reshape(pixels.shape), pixels
    )


def test_large_images_are_made_smaller():
    ramp = np.linspace(0, 255, 300).astype(np.uint8)
    pixels = np.broadcast_to(ramp[np.newaxis, :, np.newaxis], (200, 300, 3))
    uri, width, height = figures.thumbnail_uri(pixels, 90, 64)
    assert (width, height) == (90, 60)
    image = decode(uri)
    assert image.size == (90, 60) and image.format == "WEBP"
    middle = np.asarray(image.convert("RGB"))[30, 45]
    np.testing.assert_allclose(middle, 127, atol=8)


def test_matrix_picture():
    image = decode(
        figures.matrix_png(np.array([[1, 0], [0.25, 0.75]]), (9, 8, 7))
    )
    assert image.mode == "RGBA"
    pixels = np.asarray(image)
    assert pixels[0, 0].tolist() == [9, 8, 7, 255]
    assert pixels[0, 1, 3] == 0
    assert pixels[1, 0, 3] == 128
