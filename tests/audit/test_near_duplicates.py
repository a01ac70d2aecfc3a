import numpy as np
import pytest

from tfnoisy.audit import geometry, near_duplicates, thumbnails


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (count, 8, 8, 3))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def found():
    images = pictures(40)
    images[30] = images[0]
    images[31] = images[1][:, ::-1]
    images[32] = images[2] * 0.8
    images[33] = images[3][2:30, 2:30].repeat(8, 0).repeat(8, 1)[3::7, 3::7]
    features = np.random.default_rng(1).normal(size=(40, 20))
    features[30:34] = features[:4] + 0.01
    pixels = thumbnails.Thumbnails(
        images, tuple(image.tobytes() for image in images)
    )
    return near_duplicates.find(geometry.measure(features), pixels)


def test_each_rule_finds_its_kind(found):
    pairs = zip(found.first.tolist(), found.second.tolist(), strict=True)
    rules = dict(zip(pairs, found.rules, strict=True))
    assert rules == {
        (0, 30): "same pixels",
        (1, 31): "pixels",
        (2, 32): "pixels",
        (3, 33): "crop",
    }


def test_pairs_become_groups(found):
    groups = found.groups(40)
    np.testing.assert_array_equal(groups[30:34], [0, 1, 2, 3])
    assert len(np.unique(groups)) == 36
