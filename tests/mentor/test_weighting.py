import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.mentor import weighting

SEED = tf.constant([1, 2])


def below(losses, diffs, labels, epochs):
    """A mentor by hand: 1 where the difference is not positive."""
    return tf.cast(diffs <= 0, tf.float32)


def linear(losses, diffs, labels, epochs):
    return tf.clip_by_value(1.0 - diffs, 0.0, 1.0)


@pytest.mark.parametrize(
    "count, p, expected",
    [
        *[
            (4, p, e)
            for p, e in zip(
                [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9],
                [0, 1, 1, 1, 2, 2, 2, 2, 3],
            )
        ],
        *[
            (8, p, e)
            for p, e in zip(
                [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9],
                [1, 1, 2, 3, 4, 5, 5, 6, 6],
            )
        ],
        *[
            (128, p, e)
            for p, e in zip(
                [0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8],
                [13, 25, 38, 63, 76, 89, 95, 102],
            )
        ],
        (1, 0.7, 0),
        (4, 0.0, 0),
        (4, 1.0, 3),
    ],
)
def test_percentile(count, p, expected):
    losses = tf.reverse(tf.range(count, dtype=tf.float32), [0])
    assert float(weighting.loss_percentile(losses, p)) == expected


def test_moving_average_weights_and_threshold():
    rows = [
        ([0.1, 0.5, 1.0, 2.0], 1.0, 0.5, [1, 1, 0, 0], [1, 1, 0.5, 0]),
        ([0.2, 0.4, 0.8, 1.6], 0.8, 0.65, [1, 1, 0, 0], [1, 1, 0.85, 0.05]),
        ([0.1, 0.3, 0.6, 3.0], 0.6, 0.625, [1, 1, 1, 0], [1, 1, 1, 0]),
    ]
    steps = weighting.Weighting(below, loss_p_percentile=0.7, name="one")
    ramps = weighting.Weighting(linear, loss_p_percentile=0.7, name="two")
    for losses, q, m, step, ramp in rows:
        v, percentile = steps.weigh(tf.constant(losses), 50, SEED)
        assert float(percentile) == pytest.approx(q, rel=1e-5)
        assert float(steps.moving_average) == pytest.approx(m, rel=1e-5)
        np.testing.assert_allclose(v, step)
        v, _ = ramps.weigh(tf.constant(losses), 50, SEED)
        np.testing.assert_allclose(v, ramp, atol=1e-6)
        np.testing.assert_allclose(
            weighting.threshold_weights(tf.constant(losses), 0.7),
            [1, 1, 0, 0],
        )


def test_threshold_truncates_its_percentage():
    losses = tf.range(201, dtype=tf.float32)
    # int(100 * 0.29) is 28, int(100 * 0.57) is 56.
    assert float(tf.reduce_sum(weighting.threshold_weights(losses, 0.29))) == 56
    assert (
        float(tf.reduce_sum(weighting.threshold_weights(losses, 0.57))) == 112
    )


@pytest.mark.parametrize(
    "step, percentage",
    [(29, 28), (57, 56), (58, 57), (0, 0), (30, 30), (99, 99), (100, 99)],
)
def test_percentage_is_computed_in_double_precision(step, percentage):
    assert int(weighting.training_percentage(step, 100)) == percentage


def test_burn_in_bounds():
    losses = tf.constant([0.0, 5.0, 5.0, 5.0])
    weigher = weighting.Weighting(
        below, burn_in_epoch=10, loss_p_percentile=0.1
    )
    v, _ = weigher.weigh(losses, 8, SEED)
    np.testing.assert_array_equal(v, [1, 1, 1, 1])
    v, _ = weigher.weigh(losses, 9, SEED)
    np.testing.assert_array_equal(v, [1, 0, 0, 0])
    assert int(weighting.training_percentage(17999, 200000)) == 8
    assert int(weighting.training_percentage(18000, 200000)) == 9
    for never in (0, 1):
        weigher = weighting.Weighting(
            below, burn_in_epoch=never, loss_p_percentile=0.1
        )
        v, _ = weigher.weigh(losses, 0, SEED)
        np.testing.assert_array_equal(v, [1, 0, 0, 0])


def test_what_the_mentor_says_and_what_is_made_of_it():
    """Two halves, which together are the whole."""
    losses = tf.constant([0.0, 5.0, 5.0, 5.0, 0.1, 0.2])

    def make():
        return weighting.Weighting(
            below,
            loss_p_percentile=0.5,
            burn_in_epoch=10,
            example_dropout_rates="0.5, 100",
        )

    whole, halves = make(), make()
    for epoch, total in ((3, 3.0), (60, None)):
        v, q = whole.weigh(losses, epoch, SEED)
        mentor_weights, q_of_halves = halves.ask_mentor(losses, epoch)
        np.testing.assert_array_equal(mentor_weights, [1, 0, 0, 0, 1, 1])
        np.testing.assert_array_equal(
            halves.burn_in_and_drop(mentor_weights, epoch, SEED), v
        )
        assert q == q_of_halves
        assert float(whole.moving_average) == float(halves.moving_average)
        # In the burn-in all count alike, of which dropout leaves a half.
        assert total in (None, float(tf.reduce_sum(v)))


def test_the_moving_average_moves_during_burn_in():
    weigher = weighting.Weighting(below, burn_in_epoch=50)
    weigher.weigh(tf.constant([2.0, 2.0]), 0, SEED)
    assert float(weigher.moving_average) == 1.0


def test_fixed_epoch_replaces_the_percentage_everywhere():
    seen = []

    def spy(losses, diffs, labels, epochs):
        seen.append(epochs.numpy().tolist())
        assert not np.any(labels.numpy())
        return tf.ones_like(losses)

    weigher = weighting.Weighting(
        spy,
        burn_in_epoch=18,
        fixed_epoch_after_burn_in=True,
        example_dropout_rates="0.5, 50, 1.0, 50",
    )
    for epoch in (5, 18, 70):
        v, _ = weigher.weigh(tf.ones([4]), epoch, SEED)
        # Percent 70 would drop all; it counts as 18, which drops half.
        assert float(tf.reduce_sum(v)) == 2.0
    assert seen == [[5] * 4, [18] * 4, [18] * 4]


def test_dropout_schedule():
    rates = weighting.dropout_schedule("0.5,17,0.05,78,1.0,5")
    assert len(rates) == 100
    assert (rates[16], rates[17], rates[94], rates[95]) == (0.5, 0.05, 0.05, 1)
    assert weighting.dropout_schedule("0.0, 100") == [0.0] * 100
    words = ["0.5", " 17", "0.05", "78", "1.0", "5"]
    assert weighting.dropout_schedule(words) == rates


@pytest.mark.parametrize(
    "text",
    ["0.5,17", "0.5,17,0.05", "1.5,100", "-0.1,100", "a,100", "0.5,99.5", ""],
)
def test_dropout_schedules_that_are_refused(text):
    with pytest.raises(errors.UserError, match="sum to 100"):
        weighting.dropout_schedule(text)


@pytest.mark.parametrize(
    "rate, kept", [(0.5, 64), (0.05, 121), (0.9, 12), (1.0, 0), (0.0, 128)]
)
def test_example_dropout_keeps_an_exact_number(rate, kept):
    weights = tf.linspace(0.1, 1.0, 128)
    dropped = weighting.drop_examples(weights, rate, SEED).numpy()
    alive = dropped > 0
    assert alive.sum() == kept
    np.testing.assert_array_equal(dropped[alive], weights.numpy()[alive])


def test_example_dropout_is_uniform():
    counts = np.zeros(16)
    drop = tf.function(weighting.drop_examples)
    for number in range(400):
        counts += drop(tf.ones([16]), 0.5, tf.constant([number, 0])).numpy()
    # 200 expected, standard deviation 10.
    assert np.abs(counts - 200).max() < 45


def test_dropout_comes_after_burn_in():
    weigher = weighting.Weighting(
        below, burn_in_epoch=100, example_dropout_rates="0.5, 100"
    )
    v, _ = weigher.weigh(tf.ones([8]), 0, SEED)
    assert float(tf.reduce_sum(v)) == 4.0


def test_utilisation_divides_by_two_more_than_the_step():
    utilisation = weighting.Utilisation()
    v = tf.constant([1.0, 0.5, 0.001, 0.0])
    assert float(utilisation.count(v, 0)) == pytest.approx(0.5 / 2)
    assert float(utilisation.count(v, 1)) == pytest.approx(1.0 / 3)
