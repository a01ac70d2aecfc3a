import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import registry, whitening


def images(count=64, shape=(12, 10, 3), seed=1):
    """Returns noise whose neighbours are alike, as those of pictures are."""
    drawn = tf.random.stateless_normal([count, *shape], [seed, 2])
    mixed = drawn + tf.roll(drawn, 1, 1) + tf.roll(drawn, 1, 2)
    return tf.matmul(
        mixed, tf.constant([[1.0, 0.6, 0], [0, 1, 0.3], [0, 0, 1]])
    )


def patches_of(x):
    return np.array(
        [
            x[:, i : i + 2, j : j + 2].reshape(len(x), -1)
            for i in range(x.shape[1] - 1)
            for j in range(x.shape[2] - 1)
        ]
    ).reshape(-1, 12)


def test_whitened_patches_have_unit_covariance():
    layer = whitening.Whitening(2)
    layer.build((None, 12, 10, 3))
    x = images()
    layer.adapt(x)
    outputs = np.asarray(layer(x))
    assert outputs.shape == (64, 11, 9, 24)
    white = outputs[..., :12].reshape(-1, 12)
    covariance = white.T @ white / len(white)
    # But for what is added to the eigenvalues.
    np.testing.assert_allclose(covariance, np.eye(12), atol=5e-3)
    np.testing.assert_allclose(outputs[..., 12:], -outputs[..., :12], atol=1e-5)


def test_filters_are_the_scaled_eigenvectors():
    x = patches_of(np.asarray(images(), np.float64))
    covariance = x.T @ x / len(x)
    vectors = whitening.whitening_vectors(covariance)
    scaled = vectors @ covariance @ vectors.T
    values = np.linalg.eigvalsh(covariance)[::-1]
    np.testing.assert_allclose(
        scaled, np.diag(values / (values + 5e-4)), atol=1e-9
    )
    largest = np.abs(vectors).argmax(1)
    assert (vectors[np.arange(12), largest] > 0).all()


def test_a_constant_channel_does_not_break_it():
    layer = whitening.Whitening(2)
    layer.build((None, 12, 10, 3))
    layer.adapt(images() * [1.0, 1.0, 0.0])
    assert np.isfinite(layer.kernel.numpy()).all()


def test_blocks_make_no_difference(monkeypatch):
    kernels = []
    for block in (7, 64):
        monkeypatch.setattr(whitening, "_BLOCK", block)
        layer = whitening.Whitening(2)
        layer.build((None, 12, 10, 3))
        layer.adapt(images())
        kernels.append(layer.kernel.numpy())
    np.testing.assert_allclose(*kernels, atol=1e-5)


def test_a_network_is_adapted_and_its_filters_are_not_trained(tmp_path):
    network = registry.build("resnet9_half", 10, (12, 10, 3))
    kernel = network.get_layer("whitening").kernel
    before = kernel.numpy()
    np.testing.assert_array_equal(before.sum((0, 1, 2))[:12], np.ones(12))
    asked = []

    def some(most):
        asked.append(most)
        return images()

    whitening.adapt(network, some)
    assert asked == [5000 * 1024 // 120]
    assert np.abs(kernel.numpy() - before).max() > 0.1
    assert all(v is not kernel for v in network.trainable_variables)
    network.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded(images()), network(images()))


def test_other_networks_are_not_asked():
    network = registry.build("small_cnn", 10, (8, 8, 1))
    whitening.adapt(network, lambda most: pytest.fail("asked for images"))


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "float64"])
def test_other_types(dtype):
    network = registry.build("resnet9_half", 10, (12, 10, 3), dtype=dtype)
    logits = network(tf.cast(images(4), network.input.dtype), training=True)
    assert logits.dtype == ("float64" if dtype == "float64" else "float32")
    assert np.isfinite(logits).all()
