import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
from tfnoisy import errors
from tfnoisy.datasets import load, pipeline
from tfnoisy.methods.fitting import arrays

X, Y = tiny_methods.digits()[0]


def made(x=X, y=Y, name="baseline", **kwargs):
    method = tiny_methods.compiled(name)
    return arrays.training_data(method, x, y, arrays.Arguments(**kwargs))


def test_an_id_is_a_position():
    data = made(batch_size=8)
    np.testing.assert_array_equal(data.dataset.ids, np.arange(96))
    batch = next(iter(data.batches()))
    rows = batch["ids"].numpy()
    np.testing.assert_array_equal(batch["images"], X[rows])
    np.testing.assert_array_equal(batch["labels"], Y[rows])


@pytest.mark.parametrize("form", [list, tf.constant, np.asfortranarray])
def test_forms_of_arrays(form):
    data = made(form(X), form(Y))
    np.testing.assert_array_equal(data.dataset.images, X)
    np.testing.assert_array_equal(data.dataset.given_labels, Y)


def test_soft_labels_are_kept_beside_the_likeliest():
    rng = np.random.default_rng(0)
    soft = rng.dirichlet(np.ones(10), 96).astype("float32")
    data = made(y=soft)
    np.testing.assert_array_equal(data.dataset.given_labels, soft.argmax(1))
    batch = next(iter(data.batches()))
    np.testing.assert_allclose(batch["labels"], soft[batch["ids"].numpy()])
    with pytest.raises(errors.ArgumentError, match="not probabilities"):
        made(y=soft, name="dividemix")
    hard = np.eye(10)[Y]
    assert "labels" not in made(y=hard, name="dividemix").values


def test_weights_of_classes_and_examples():
    weights = np.linspace(0, 2, 96)
    data = made(sample_weight=weights)
    np.testing.assert_allclose(data.values["sample_weight"], weights, rtol=1e-6)
    data = made(class_weight={0: 3.0})
    np.testing.assert_array_equal(
        data.values["sample_weight"], np.where(Y == 0, 3, 1)
    )


def test_a_batch_is_no_larger_than_the_data():
    assert made(batch_size=500).batch_size == 96
    assert made().batch_size == 32
    own = made(name="dividemix")
    assert own.batch_size == tiny_methods.BATCH
    with pytest.raises(errors.ArgumentError, match="an argument of its own"):
        made(name="dividemix", batch_size=7)


def test_a_probe_takes_turns():
    probe_x, probe_y = tiny_methods.digits()[2]
    data = made(name="l2r", probe=(probe_x, probe_y))
    labels = data.probe.given_labels
    kinds = len(np.unique(probe_y))
    assert len(set(labels[:kinds].tolist())) == kinds
    np.testing.assert_array_equal(np.sort(labels), np.sort(probe_y))
    np.testing.assert_array_equal(
        arrays.interleaved(np.array([2, 0, 0, 2, 1, 0])), [1, 4, 0, 2, 3, 5]
    )


def test_our_own_data():
    dataset = load.load("digits", "train[:50]")
    data = made(dataset, None)
    assert data.dataset is dataset
    with pytest.raises(errors.ArgumentError, match="has labels already"):
        made(dataset, Y)
    again = made(data, None)
    assert again is data
    with pytest.raises(errors.ArgumentError, match="batch_size: a TrainingD"):
        made(data, None, batch_size=4)
    assert isinstance(data, pipeline.TrainingData)
