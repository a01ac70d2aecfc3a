import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import mentornet
from tfnoisy.nets import mentornet as mentornet_net
from tfnoisy.nets import registry
from tfnoisy.training import optimizer

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
    assert float(mentornet.loss_percentile(losses, p)) == expected


def test_moving_average_weights_and_threshold():
    rows = [
        ([0.1, 0.5, 1.0, 2.0], 1.0, 0.5, [1, 1, 0, 0], [1, 1, 0.5, 0]),
        ([0.2, 0.4, 0.8, 1.6], 0.8, 0.65, [1, 1, 0, 0], [1, 1, 0.85, 0.05]),
        ([0.1, 0.3, 0.6, 3.0], 0.6, 0.625, [1, 1, 1, 0], [1, 1, 1, 0]),
    ]
    steps = mentornet.Weighting(below, loss_p_percentile=0.7, name="one")
    ramps = mentornet.Weighting(linear, loss_p_percentile=0.7, name="two")
    for losses, q, m, step, ramp in rows:
        v, percentile = steps.weigh(tf.constant(losses), 50, SEED)
        assert float(percentile) == pytest.approx(q)
        assert float(steps.moving_average) == pytest.approx(m)
        np.testing.assert_allclose(v, step)
        v, _ = ramps.weigh(tf.constant(losses), 50, SEED)
        np.testing.assert_allclose(v, ramp, atol=1e-6)
        np.testing.assert_allclose(
            mentornet.threshold_weights(tf.constant(losses), 0.7),
            [1, 1, 0, 0],
        )


def test_threshold_truncates_its_percentage():
    losses = tf.range(201, dtype=tf.float32)
    # int(100 * 0.29) is 28, int(100 * 0.57) is 56.
    assert float(tf.reduce_sum(mentornet.threshold_weights(losses, 0.29))) == 56
    assert (
        float(tf.reduce_sum(mentornet.threshold_weights(losses, 0.57))) == 112
    )


@pytest.mark.parametrize(
    "step, percentage",
    [(29, 28), (57, 56), (58, 57), (0, 0), (30, 30), (99, 99), (100, 99)],
)
def test_percentage_is_computed_in_double_precision(step, percentage):
    assert int(mentornet.training_percentage(step, 100)) == percentage


def test_burn_in_bounds():
    losses = tf.constant([0.0, 5.0, 5.0, 5.0])
    weighting = mentornet.Weighting(
        below, burn_in_epoch=10, loss_p_percentile=0.1
    )
    v, _ = weighting.weigh(losses, 8, SEED)
    np.testing.assert_array_equal(v, [1, 1, 1, 1])
    v, _ = weighting.weigh(losses, 9, SEED)
    np.testing.assert_array_equal(v, [1, 0, 0, 0])
    assert int(mentornet.training_percentage(17999, 200000)) == 8
    assert int(mentornet.training_percentage(18000, 200000)) == 9
    for never in (0, 1):
        weighting = mentornet.Weighting(
            below, burn_in_epoch=never, loss_p_percentile=0.1
        )
        v, _ = weighting.weigh(losses, 0, SEED)
        np.testing.assert_array_equal(v, [1, 0, 0, 0])


def test_the_moving_average_moves_during_burn_in():
    weighting = mentornet.Weighting(below, burn_in_epoch=50)
    weighting.weigh(tf.constant([2.0, 2.0]), 0, SEED)
    assert float(weighting.moving_average) == 1.0


def test_fixed_epoch_replaces_the_percentage_everywhere():
    seen = []

    def spy(losses, diffs, labels, epochs):
        seen.append(epochs.numpy().tolist())
        assert not np.any(labels.numpy())
        return tf.ones_like(losses)

    weighting = mentornet.Weighting(
        spy,
        burn_in_epoch=18,
        fixed_epoch_after_burn_in=True,
        example_dropout_rates="0.5, 50, 1.0, 50",
    )
    for epoch in (5, 18, 70):
        v, _ = weighting.weigh(tf.ones([4]), epoch, SEED)
        # Percent 70 would drop all; it counts as 18, which drops half.
        assert float(tf.reduce_sum(v)) == 2.0
    assert seen == [[5] * 4, [18] * 4, [18] * 4]


def test_dropout_schedule():
    rates = mentornet.dropout_schedule("0.5,17,0.05,78,1.0,5")
    assert len(rates) == 100
    assert (rates[16], rates[17], rates[94], rates[95]) == (0.5, 0.05, 0.05, 1)
    assert mentornet.dropout_schedule("0.0, 100") == [0.0] * 100
    words = ["0.5", " 17", "0.05", "78", "1.0", "5"]
    assert mentornet.dropout_schedule(words) == rates


@pytest.mark.parametrize(
    "text",
    ["0.5,17", "0.5,17,0.05", "1.5,100", "-0.1,100", "a,100", "0.5,99.5", ""],
)
def test_dropout_schedules_that_are_refused(text):
    with pytest.raises(errors.UserError, match="sum to 100"):
        mentornet.dropout_schedule(text)


@pytest.mark.parametrize(
    "rate, kept", [(0.5, 64), (0.05, 121), (0.9, 12), (1.0, 0), (0.0, 128)]
)
def test_example_dropout_keeps_an_exact_number(rate, kept):
    weights = tf.linspace(0.1, 1.0, 128)
    dropped = mentornet.drop_examples(weights, rate, SEED).numpy()
    alive = dropped > 0
    assert alive.sum() == kept
    np.testing.assert_array_equal(dropped[alive], weights.numpy()[alive])


def test_example_dropout_is_uniform():
    counts = np.zeros(16)
    for number in range(400):
        counts += mentornet.drop_examples(
            tf.ones([16]), 0.5, tf.constant([number, 0])
        ).numpy()
    # 200 expected, standard deviation 10.
    assert np.abs(counts - 200).max() < 45


def test_dropout_comes_after_burn_in():
    weighting = mentornet.Weighting(
        below, burn_in_epoch=100, example_dropout_rates="0.5, 100"
    )
    v, _ = weighting.weigh(tf.ones([8]), 0, SEED)
    assert float(tf.reduce_sum(v)) == 4.0


def test_utilisation_divides_by_two_more_than_the_step():
    utilisation = mentornet.Utilisation()
    v = tf.constant([1.0, 0.5, 0.001, 0.0])
    assert float(utilisation.count(v, 0)) == pytest.approx(0.5 / 2)
    assert float(utilisation.count(v, 1)) == pytest.approx(1.0 / 3)


def compiled(mentor, **kwargs):
    student = registry.build("small_cnn", 10, (8, 8, 1), seed=3)
    method = mentornet.MentorNet(student, mentor, num_steps=100, **kwargs)
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    return method


def batch_of(size=16):
    images = tf.random.stateless_normal([size, 8, 8, 1], [5, 6])
    return {"images": images, "labels": tf.range(size) % 10}


def test_a_step_weighs_losses_and_decay_by_constants():
    weights = tf.constant(np.linspace(0, 1, 16), tf.float32)
    method = compiled(
        lambda *_: weights,
        weight_decay=0.01,
        example_dropout_rates="0.0, 100",
    )
    reference = registry.build("small_cnn", 10, (8, 8, 1), seed=3)
    batch = batch_of()
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["labels"], reference(batch["images"], training=True)
        )
        decay = 0.01 * sum(
            tf.reduce_sum(v * v) / 2
            for v in reference.trainable_variables
            if len(v.shape) > 1
        )
        loss = tf.reduce_sum(weights * losses) / 16 + decay * 0.5
    gradients = tape.gradient(loss, reference.trainable_variables)
    logs = method.train_step(batch)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    for v, w, g in zip(
        method.student.trainable_variables,
        reference.trainable_variables,
        gradients,
    ):
        np.testing.assert_allclose(v, w - 0.1 * g, atol=1e-5)


def test_the_shipped_mentor_is_never_trained():
    mentor = mentornet_net.default()
    before = [v.numpy() for v in mentor.variables]
    method = compiled(mentor)
    for _ in range(3):
        logs = method.train_step(batch_of())
    assert 0.0 <= float(logs["data_util"]) <= 1.0
    for old, v in zip(before, mentor.variables):
        np.testing.assert_array_equal(old, v.numpy())
    paths = {v.path for v in method.trainable_variables}
    assert paths == {v.path for v in method.student.trainable_variables}


def test_all_weights_dropped_moves_by_momentum_alone():
    method = compiled(
        lambda losses, *_: tf.ones_like(losses),
        example_dropout_rates="0.0, 1, 1.0, 99",
        weight_decay=0.1,
    )
    for _ in range(2):
        before = [v.numpy() for v in method.student.trainable_variables]
        logs = method.train_step(batch_of())
    assert float(logs["loss"]) == 0.0
    for old, v in zip(before, method.student.trainable_variables):
        accumulator = method.optimizer.accumulator(v)
        np.testing.assert_allclose(v, old - 0.1 * accumulator, atol=1e-6)
