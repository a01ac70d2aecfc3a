import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.methods import mean_weights


def batch_of(*ids):
    return {"ids": tf.constant(ids, tf.int64)}


def discounted_mean(weights, decay=0.9):
    """sum_j d^(k - j) w_j / sum_j d^(k - j) of the visits 1..k."""
    shares = decay ** np.arange(len(weights))[::-1]
    return np.sum(shares * weights) / np.sum(shares)


def test_the_mean_is_of_each_examples_own_visits():
    means = mean_weights.MeanWeights(10)
    draws = np.random.default_rng(0).random([40, 4]).astype(np.float32)
    # Two are visited by every batch, one by every third, one by the first.
    for step, (a, b, c, d) in enumerate(draws):
        ids, weights = [7, 2], [a, b]
        if step % 3 == 0:
            ids, weights = [4, *ids], [c, *weights]
        if step == 0:
            ids, weights = [*ids, 9], [*weights, d]
        means.record(batch_of(*ids), tf.constant(weights))
    found = means.means()
    assert found["ids"].tolist() == [2, 4, 7, 9]
    assert found["ids"].dtype == np.int64
    assert found["mean_weight"].dtype == np.float32
    np.testing.assert_allclose(
        found["mean_weight"],
        [
            discounted_mean(draws[:, 1]),
            discounted_mean(draws[::3, 2]),
            discounted_mean(draws[:, 0]),
            draws[0, 3],
        ],
        rtol=1e-5,
    )


def test_the_first_visits_are_forgotten():
    means = mean_weights.MeanWeights(1)
    for step in range(60):
        means.record(batch_of(0), tf.constant([1.0 if step < 30 else 0.25]))
    # 0.9^30 is 0.042.
    assert means.means()["mean_weight"][0] == pytest.approx(0.28, abs=0.005)


def test_an_example_that_comes_twice_in_a_batch():
    means = mean_weights.MeanWeights(3)
    for _ in range(5):
        means.record(batch_of(2, 1, 2), tf.constant([0.25, 1.0, 0.75]))
    np.testing.assert_allclose(
        means.means()["mean_weight"], [1.0, 0.5], rtol=1e-6
    )


def test_several_numbers_of_each_example():
    means = mean_weights.MeanWeights(4, ("mean_weight", "mean_label"))
    for label in (1.0, 0.0):
        means.record(
            batch_of(3, 0),
            tf.constant([2.0, 0.5], tf.float64),
            tf.constant([label, 1.0], tf.float64),
        )
    found = means.means()
    np.testing.assert_allclose(found["mean_weight"], [0.5, 2.0], rtol=1e-6)
    np.testing.assert_allclose(found["mean_label"], [1.0, 0.9 / 1.9], rtol=1e-6)


def test_nothing_is_kept_without_ids():
    off = mean_weights.MeanWeights(None)
    off.record(batch_of(0, 1), tf.ones([2]))
    assert off.variables == [] and off.means() is None
    means = mean_weights.MeanWeights(3)
    assert means.means() is None
    images, labels = tf.zeros([2, 1]), tf.zeros([2])
    for batch in ((images, labels), {"images": images, "labels": labels}):
        means.record(batch, tf.ones([2]))
    assert means.means() is None


def test_replicas_share_their_visits(two_replicas):
    """Each sees other examples, but for one that both see."""
    batches = [([0, 3, 5], [0.5, 0.25, 1.0]), ([4, 3, 1], [0.1, 0.75, 0.2])]
    with two_replicas.scope():
        shared = mean_weights.MeanWeights(6)

    def values(part, dtype):
        return two_replicas.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                batches[context.replica_id_in_sync_group][part], dtype
            )
        )

    @tf.function
    def step(ids, weights):
        two_replicas.run(
            lambda i, w: shared.record({"ids": i}, w), (ids, weights)
        )

    alone = mean_weights.MeanWeights(6)
    for _ in range(3):
        step(values(0, tf.int64), values(1, tf.float32))
        ids, weights = (np.concatenate(part) for part in zip(*batches))
        alone.record(batch_of(*ids), tf.constant(weights, tf.float32))
    for replica in two_replicas.experimental_local_results(shared.sums.value):
        np.testing.assert_allclose(replica, alone.sums, rtol=1e-5)
    np.testing.assert_allclose(
        shared.means()["mean_weight"], [0.5, 0.2, 0.5, 0.1, 1.0], rtol=1e-5
    )
