import numpy as np
import tensorflow as tf

from tfnoisy.methods import base
from tfnoisy.nets import pair, registry
from tfnoisy.training import optimizer


def make_pair():
    return pair.Pair(
        *(registry.build("small_cnn", 5, (8, 8, 1), seed=k) for k in range(2))
    )


def test_the_sum_of_the_logits():
    both = make_pair()
    images = tf.random.stateless_uniform([3, 8, 8, 1], [1, 2])
    first, second = (network(images) for network in both.networks)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(both(images), first + second, atol=1e-6)
    assert both.output_shape == (None, 5)


def test_it_has_the_variables_of_both():
    both = make_pair()
    parts = [v for net in both.networks for v in net.variables]
    assert {id(v) for v in both.variables} == {id(v) for v in parts}
    assert len(both.trainable_variables) == 2 * len(
        both.networks[0].trainable_variables
    )


def test_a_method_judges_and_saves_both(tmp_path):
    method = base.Method(make_pair())
    method.compile(optimizer.TF1Momentum(0.1))
    images = tf.random.stateless_uniform([3, 8, 8, 1], [1, 2])
    path = method.checkpoint().write(str(tmp_path / "c"))
    expected = method.evaluation_logits(images).numpy()
    for v in method.student.trainable_variables:
        v.assign(tf.zeros_like(v))
    method.checkpoint().read(path).assert_consumed()
    np.testing.assert_array_equal(method.evaluation_logits(images), expected)
