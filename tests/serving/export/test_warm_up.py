import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.serving.export import warm_up
from tfnoisy.serving.loader import c_loader


def test_a_request_for_each_signature_and_batch_size(exported):
    found = {}
    for request in warm_up.read(exported.path):
        assert request.model_spec.name == "digits"
        [(key, values)] = request.inputs.items()
        # By TensorFlow's own reading, as in the server.
        dtype = tf.as_dtype(values.dtype)
        array = tf.io.parse_tensor(values.SerializeToString(), dtype).numpy()
        found[request.model_spec.signature_name, len(array)] = key, array
    assert sorted(found) == [
        (name, size)
        for name in (
            "features",
            "serving_bytes",
            "serving_default",
            "serving_uint8",
        )
        for size in (1, 8, 64)
    ]
    image = load.load("digits", "test").images[0]
    for name, dtype in (
        ("serving_default", np.float32),
        ("serving_uint8", np.uint8),
        ("features", np.float32),
    ):
        key, array = found[name, 1]
        assert key == "images" and array.dtype == dtype
        np.testing.assert_array_equal(array, image[None])
        _, batch = found[name, 64]
        assert batch.shape == (64, 8, 8, 1) and batch.dtype == dtype
    key, files = found["serving_bytes", 8]
    assert key == "image_bytes"
    for file in files:
        np.testing.assert_array_equal(tf.io.decode_png(file), image)


def test_batches_take_no_room(tmp_path):
    """Photographs of 224 x 224 in float32 would take 38 MB."""
    image = np.zeros([224, 224, 3], np.uint8)
    spec = tf.TensorSpec([None, 224, 224, 3], tf.float32, "images")
    (tmp_path / "1").mkdir()
    warm_up.write(tmp_path / "1", "m", {"serving_default": (None, spec)}, image)
    size = (tmp_path / "1" / warm_up.FILE).stat().st_size
    assert size == pytest.approx(224 * 224 * 3 * 4, rel=0.01)


def test_a_server_would_answer_them_all(exported):
    with c_loader.Session(exported.path) as session:
        assert warm_up.replay(session, exported.path) == 4 * 3


def test_a_request_that_does_not_fit_is_found(exported, tmp_path):
    spec = tf.TensorSpec([None, 9, 9, 1], tf.uint8, "images")
    image = np.zeros([9, 9, 1], np.uint8)
    warm_up.write(tmp_path, "m", {"serving_uint8": (None, spec)}, image)
    with (
        c_loader.Session(exported.path) as session,
        pytest.raises(errors.UserError, match="not compatible"),
    ):
        warm_up.replay(session, tmp_path)
