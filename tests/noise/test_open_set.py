import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.datasets import dataset
from tfnoisy.noise import models, open_set, spec


def _source(images, ids=None):
    count = len(images)
    return dataset.ImageDataset(
        name="other",
        images=images,
        given_labels=np.zeros(count, np.int64),
        clean_labels=np.zeros(count, np.int64),
        ids=np.arange(count) if ids is None else ids,
        class_names=("thing",),
    )


def _flat(count, shape, first=0):
    """Images of one colour each, so that resizing keeps them."""
    colour = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(colour.reshape(-1, 1, 1, 1), [count, *shape]).copy()


def test_source_names():
    assert open_set.source_name("cifar10", spec.parse("openset:0.2")) == (
        "cifar100"
    )
    named = spec.parse("openset:0.2:svhn")
    assert open_set.source_name("digits", named) == "svhn"
    with pytest.raises(errors.UserError, match="name one, e"):
        open_set.source_name("digits", spec.parse("openset:0.2"))
    with pytest.raises(errors.UserError, match="another data set than svhn"):
        open_set.source_name("svhn", named)


def test_choose_takes_a_share_and_uniform_images():
    source = _source(_flat(5, (2, 2, 1)), np.array([40, 10, 20, 50, 30]))
    chosen = open_set.choose(source, 0.3, models.uniforms(1, np.arange(9000)))
    taken = chosen[chosen >= 0]
    assert abs(len(taken) / 9000 - 0.3) < 0.02
    ids, counts = np.unique(taken, return_counts=True)
    assert ids.tolist() == [10, 20, 30, 40, 50]
    assert np.all(np.abs(counts / len(taken) - 0.2) < 0.04)


@pytest.mark.parametrize("shape", [(4, 4, 1), (9, 6, 3), (2, 2, 3), (3, 3, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_replace_puts_the_right_image_made_to_fit(shape, channels):
    source = _source(_flat(4, shape, first=100), np.array([7, 5, 6, 4]))
    images = _flat(6, (4, 4, channels))
    before = images.copy()
    source_ids = np.array([-1, 5, -1, 7, 4, -1])
    replaced = open_set.replace(images, source, source_ids)
    assert replaced.dtype == np.uint8 and replaced.shape == images.shape
    for row, colour in enumerate([0, 101, 2, 100, 103, 5]):
        assert np.all(replaced[row] == colour)
    assert np.array_equal(images, before)


def test_shrinking_averages_areas():
    checkers = np.zeros([1, 8, 8, 1], np.uint8)
    checkers[:, ::2, ::2] = 200
    source = _source(checkers)
    replaced = open_set.replace(_flat(1, (4, 4, 1)), source, np.array([0]))
    assert np.all(replaced == 50)


def test_channels_that_do_not_fit_are_refused():
    source = _source(_flat(2, (4, 4, 4)))
    with pytest.raises(errors.UserError, match="have 4 channels"):
        open_set.replace(_flat(2, (4, 4, 3)), source, np.array([0, -1]))
