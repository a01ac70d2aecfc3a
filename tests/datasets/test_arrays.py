import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.datasets import arrays


def test_resize_halves_by_averaging():
    image = np.array([[0, 100], [100, 200]], np.uint8).repeat(4, 0).repeat(4, 1)
    resized = arrays.resize(image[..., np.newaxis], 2)
    assert resized.dtype == tf.uint8 and resized.shape == (2, 2, 1)
    # The triangle kernel sees a little of the neighbouring quarter.
    assert abs(int(resized[0, 0, 0]) + int(resized[1, 1, 0]) - 200) <= 1
    assert resized[0, 1, 0] == 100 == resized[1, 0, 0]
    assert int(resized[0, 0, 0]) < 30


def test_resize_keeps_constants_and_what_fits():
    batch = np.full([3, 5, 9, 3], 255, np.uint8)
    resized = arrays.resize(batch, 4)
    assert resized.shape == (3, 4, 4, 3)
    assert np.all(resized == 255)
    square = batch[:, :, :5]
    assert arrays.resize(square, 5) is square
    assert arrays.resize(batch, None) is batch


@pytest.mark.parametrize("count", [1, 256, 600])
def test_collect(count):
    examples = tf.data.Dataset.range(count).map(
        lambda i: {"a": tf.stack([i, 2 * i]), "b": tf.as_string(i)}
    )
    columns = arrays.collect(examples, count)
    np.testing.assert_array_equal(columns["a"][:, 1], 2 * np.arange(count))
    assert columns["b"][-1] == str(count - 1).encode()


@pytest.mark.parametrize("expected", [9, 11])
def test_collect_counts(expected):
    examples = tf.data.Dataset.range(10).map(lambda i: {"a": i})
    with pytest.raises(ValueError, match="expected"):
        arrays.collect(examples, expected)
