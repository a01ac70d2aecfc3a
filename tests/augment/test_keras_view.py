import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy import errors
from tfnoisy.augment import keras_view


def view(shape=(8, 32, 32, 3), name="keras_randaugment:2:0.6", key=1):
    augmentation = keras_view.get(name, shape[1:])
    images = tf.cast(
        tf.random.stateless_uniform(shape, [5, 6], 0, 256, tf.int32), tf.uint8
    )
    draws = tf.random.stateless_uniform(
        [shape[0], augmentation.num_draws], [key, 0]
    )
    train = tf.function(augmentation.train)
    return images, train(images, draws).numpy()


@pytest.mark.parametrize(
    "shape", slow_cases.but([(4, 8, 8, 1)], [(8, 32, 32, 3), (4, 8, 8, 1)])
)
def test_views_are_functions_of_the_draws(shape):
    _, first = view(shape)
    _, again = view(shape)
    np.testing.assert_array_equal(first, again)
    assert first.shape == shape and first.dtype == np.float32
    assert first.min() >= -1 and first.max() <= 1
    others = [view(shape, key=key)[1] for key in range(2, 6)]
    assert all(np.abs(other - first).max() > 0.05 for other in others)


@pytest.mark.parametrize(
    "name",
    [
        "keras_randaugment:0",
        "keras_randaugment:2:1.5",
        "keras_randaugment:x",
        "keras_randaugment:1:0.5:3",
        "keras_randaugments",
    ],
)
def test_malformed_names(name):
    with pytest.raises(errors.UserError, match="keras_randaugment:2:0.5"):
        keras_view.get(name, (32, 32, 3))
