import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods.fitting import arrays, streams

X, Y = tiny_methods.digits()[0]


class Chunks(keras.utils.PyDataset):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        rows = slice(16 * index, 16 * index + 16)
        return X[rows], Y[rows]


def pairs(x=X, y=Y, size=16):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(size)


def generator():
    for first in range(0, 96, 16):
        yield X[first : first + 16], Y[first : first + 16]


@pytest.mark.parametrize("make", [pairs, Chunks, generator])
def test_batches_get_names(make):
    stream = streams.as_stream(make())
    assert (stream.first is not None) == (make is generator)
    assert streams.image_shape_of(stream) == (8, 8, 1)
    first = streams.first_batch(stream)
    np.testing.assert_array_equal(first["labels"], Y[:16])
    found = list(stream.dataset.as_numpy_iterator())
    np.testing.assert_array_equal(
        np.concatenate([b["labels"] for b in found]), Y
    )
    np.testing.assert_array_equal(
        np.concatenate([b["images"] for b in found]), X
    )


def test_arrays_are_no_stream():
    for other in (X, list(X), None, "cifar10", {"images": X}):
        assert streams.as_stream(other) is None


def test_a_pydataset_keeps_its_length():
    dataset = streams.as_stream(Chunks()).dataset
    assert int(dataset.cardinality()) == 6


def test_what_a_data_set_says_itself_is_refused_beside_it():
    method = tiny_methods.compiled("baseline")
    for name, value in {"sample_weight": np.ones(96), "batch_size": 8}.items():
        given = arrays.Arguments(**{name: value})
        with pytest.raises(errors.ArgumentError, match=f"{name}: "):
            streams.checked(method, streams.as_stream(pairs()), given)


def test_weights_by_class_go_with_the_labels():
    method = tiny_methods.compiled("baseline")
    given = arrays.Arguments(class_weight={3: 2.0, 5: 0.0})
    dataset, _ = streams.checked(method, streams.as_stream(pairs()), given)
    weights = np.concatenate(
        [b["sample_weight"] for b in dataset.as_numpy_iterator()]
    )
    expected = np.ones(96)
    expected[Y == 3], expected[Y == 5] = 2, 0
    np.testing.assert_array_equal(weights, expected)


def test_examples_are_collected_in_the_order_of_their_ids():
    method = tiny_methods.make("dividemix")
    order = np.random.default_rng(0).permutation(96)
    dataset = tf.data.Dataset.from_tensor_slices(
        {"images": X[order], "labels": Y[order], "ids": order}
    ).batch(10)
    images, labels, ids = streams.collected(
        method, streams.as_stream(dataset), arrays.Arguments()
    )
    np.testing.assert_array_equal(images, X)
    np.testing.assert_array_equal(labels, Y)
    np.testing.assert_array_equal(ids, np.arange(96))


@pytest.mark.parametrize(
    "dataset, words",
    [
        (pairs().repeat(), "without repeat"),
        (pairs(X[:0], Y[:0]), "is empty"),
        (pairs().unbatch().shuffle(96, seed=1).batch(16), "is shuffled"),
        (
            pairs().map(lambda x, y: (x + tf.random.uniform([]), y)),
            "images change from pass to pass",
        ),
        (
            pairs().map(
                lambda x, y: {
                    "images": x,
                    "labels": y,
                    "ids": tf.zeros_like(y, tf.int64),
                }
            ),
            "the id 0 had the label|come twice in a pass",
        ),
    ],
)
def test_what_cannot_be_collected(dataset, words):
    method = tiny_methods.make("dividemix")
    with pytest.raises(errors.ArgumentError, match=words):
        streams.collected(
            method, streams.as_stream(dataset), arrays.Arguments()
        )


def test_batches_are_cut_for_replicas(two_replicas):
    cut = streams.of_replicas(streams.as_stream(pairs()).dataset, two_replicas)
    found = [len(b["labels"]) for b in cut.take(20)]
    assert found == [8] * 20
    with pytest.raises(errors.ArgumentError, match="cannot be shared by 2"):
        streams.of_replicas(
            streams.as_stream(pairs(size=15)).dataset, two_replicas
        )


@pytest.mark.parametrize("augment", [None, lambda images, seed: images + 9.0])
def test_a_strong_view_that_comes_first_is_of_the_images(augment):
    method = tiny_methods.make(
        "sop_plus", strong="randaugment_promix", value_range=(0.0, 1.0)
    )
    dataset = streams.as_stream(pairs(0 * X)).dataset
    arguments = arrays.Arguments(augment=augment)
    dataset = streams.with_views(method, dataset, 0, arguments)
    low = 9.0 if augment else 0.0
    seen = []
    for batch in dataset:
        np.testing.assert_array_equal(batch["images"], 0 * X[:16] + low)
        seen.append(batch["images_strong"] - low)
    # Black but for the grey square.
    seen = np.concatenate(seen)
    assert 0.05 < np.mean(seen > 0.4) < 0.4
    assert seen.min() == 0 and seen.max() <= 1
