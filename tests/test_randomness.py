import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import randomness


def test_streams_keep_their_numbers():
    # A stream's number is part of every manifest and run: append, never move.
    assert list(randomness.STREAMS)[:11] == [
        "noise",
        "shuffle",
        "augment",
        "augment_strong",
        "mix",
        "partner",
        "dropout",
        "holdout",
        "probe",
        "mentornet",
        "evaluation",
    ]
    numbers = list(randomness.STREAMS.values())
    assert numbers == list(range(len(numbers)))


def test_the_numbers_of_today_are_those_of_tomorrow():
    np.testing.assert_array_equal(
        randomness.stream_seed(7, "augment"), np.array([7, 2], np.int32)
    )
    np.testing.assert_array_equal(
        randomness.stream_seed(7, "augment", 3, 1), [396623707, 1]
    )
    np.testing.assert_allclose(
        randomness.uniform_by_id(7, "augment", 2, 3, 5),
        [[0.8251809, 0.2676319, 0.4716898], [0.9182569, 0.6829814, 0.6463242]],
        rtol=1e-6,
    )


def test_every_counter_and_their_order_count():
    seeds = [
        tuple(randomness.stream_seed(seed, stream, *counters).numpy())
        for seed in (0, 1, -1)
        for stream in randomness.STREAMS
        for counters in [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (2, 3, 4)]
    ]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize("kind", [int, np.int64, tf.constant])
def test_tensors_and_integers_count_alike_in_graphs_too(kind):
    expected = randomness.stream_seed(3, "mix", 41, 2).numpy()
    assert expected.dtype == np.int32 and expected.shape == (2,)

    @tf.function
    def in_graph(seed, step, replica):
        return randomness.stream_seed(seed, "mix", step, replica)

    for function in (
        in_graph,
        lambda *args: randomness.stream_seed(args[0], "mix", *args[1:]),
    ):
        found = function(kind(3), kind(41), kind(2))
        np.testing.assert_array_equal(found, expected)


def test_a_stream_must_have_a_name():
    with pytest.raises(KeyError):
        randomness.stream_seed(0, "nowhere")


def test_the_draws_of_an_id_do_not_depend_on_the_number_of_ids():
    # Large enough that TensorFlow splits the work over its threads.
    whole = randomness.uniform_by_id(1, "augment", 200_003, 8, 4).numpy()
    assert whole.dtype == np.float32
    for num_ids in (1, 2, 17, 4096, 100_001):
        part = randomness.uniform_by_id(1, "augment", num_ids, 8, 4)
        np.testing.assert_array_equal(part, whole[:num_ids])
    assert whole.min() >= 0.0 and whole.max() < 1.0
    np.testing.assert_allclose(whole.mean(0), 0.5, atol=0.004)
    np.testing.assert_allclose(whole.var(0), 1 / 12, atol=0.001)
    assert abs(np.corrcoef(whole.T) - np.eye(8)).max() < 0.012


def test_streams_epochs_and_seeds_are_independent():
    draws = [
        randomness.uniform_by_id(seed, stream, 50_000, 1, epoch)[:, 0].numpy()
        for seed in (0, 1)
        for stream in ("shuffle", "augment")
        for epoch in (0, 1)
    ]
    assert abs(np.corrcoef(draws) - np.eye(len(draws))).max() < 0.025


def seeds():
    """Of which some are negative."""
    return [randomness.stream_seed(3, "mix", step, 1) for step in range(6)]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("shape", [[], [7], [3, 5, 2]], ids=str)
def test_draws_are_tensorflows_and_xlas_too(dtype, shape):
    by_xla = tf.function(randomness.uniform, jit_compile=True)
    integers_by_xla = tf.function(randomness.integers, jit_compile=True)
    for seed in seeds():
        np.testing.assert_array_equal(
            by_xla(seed, shape, dtype),
            tf.random.stateless_uniform(shape, seed, dtype=dtype),
        )
        np.testing.assert_array_equal(
            integers_by_xla(seed, shape, 17),
            tf.random.stateless_uniform(shape, seed, 0, 17, tf.int32),
        )
    draws = randomness.uniform(seed, shape, dtype)
    assert draws.dtype == dtype and draws.shape == shape


def test_xla_makes_the_same_seeds():
    by_xla = tf.function(
        lambda step: randomness.stream_seed(3, "mix", step, 1),
        jit_compile=True,
    )
    for step, seed in enumerate(seeds()):
        np.testing.assert_array_equal(by_xla(tf.constant(step)), seed)
    assert any(np.any(seed < 0) for seed in seeds())
