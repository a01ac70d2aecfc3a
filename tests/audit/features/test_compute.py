import numpy as np
import pytest

from tfnoisy.audit.features import compute, networks


class Counting:
    """An extractor of two numbers that counts what it is asked for."""

    name, size, fingerprint, batch_size = "mean", 2, "ef" * 32, 4

    def __init__(self):
        self.asked = 0

    def __call__(self, images):
        self.asked += len(images)
        assert len(images) <= self.batch_size
        flat = images.reshape(len(images), -1).astype(np.float32)
        return np.stack([flat.mean(axis=1), flat.max(axis=1)], axis=1)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (30, 4, 4, 3), np.uint8)


def test_each_image_is_computed_once(images, tmp_path, monkeypatch):
    monkeypatch.setattr(compute, "_CHUNK_IMAGES", 7)
    images[20] = images[3]
    images[6] = images[5]
    extractor = Counting()
    values, computed, path = compute.extract(images, extractor, tmp_path)
    assert computed == extractor.asked == 28
    wanted = images.reshape(30, -1)
    np.testing.assert_allclose(values[:, 0], wanted.mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(values[:, 1], wanted.max(axis=1))
    again, computed, same = compute.extract(images[::-1], Counting(), tmp_path)
    assert computed == 0
    assert same == path
    np.testing.assert_array_equal(again, values[::-1])
    images[0] += 1
    _, computed, _ = compute.extract(images, Counting(), tmp_path)
    assert computed == 1


def test_goes_on_where_it_was_stopped(images, tmp_path, monkeypatch):
    class Stopped(Counting):
        def __call__(self, batch):
            if self.asked >= 12:
                raise KeyboardInterrupt
            return super().__call__(batch)

    with pytest.raises(KeyboardInterrupt):
        compute.extract(images, Stopped(), tmp_path)
    values, computed, _ = compute.extract(images, Counting(), tmp_path)
    assert computed == 18
    straight, _, _ = compute.extract(images, Counting(), tmp_path / "other")
    np.testing.assert_array_equal(values, straight)


def test_without_a_disk_it_is_in_memory(images, tmp_path):
    (tmp_path / "file").write_text("")
    values, computed, path = compute.extract(
        images, Counting(), tmp_path / "file"
    )
    assert (computed, path) == (30, None)
    assert values.shape == (30, 2)


def test_efficientnet_sees_grey_and_coloured_images_of_any_size():
    extractor = networks.get("efficientnet_lite0")
    grey = np.random.default_rng(1).integers(0, 256, (2, 40, 30, 1), np.uint8)
    values = extractor(grey)
    assert values.shape == (2, extractor.size) == (2, 1280)
    coloured = extractor(np.repeat(grey, 3, axis=-1))
    np.testing.assert_allclose(values, coloured, atol=1e-4)
    assert np.abs(values[0] - values[1]).max() > 0.1
