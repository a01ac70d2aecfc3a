import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.mentor import network as mentornet_net
from tfnoisy.mentor import weighting
from tfnoisy.methods import mentormix, mixup
from tfnoisy.nets import registry
from tfnoisy.training import optimizer

SEED = tf.constant([1, 2])


@pytest.mark.parametrize(
    "weights, expected",
    [
        ([1.0, 1.0, 0.0, 0.0], [0.36553, 0.36553, 0.13447, 0.13447]),
        ([0.3, 0.3, 0.3, 0.3], [0.25, 0.25, 0.25, 0.25]),
    ],
)
def test_sampling_distribution(weights, expected):
    logits = mentormix.partner_logits(tf.constant(weights))
    np.testing.assert_allclose(tf.exp(logits), expected, atol=1e-5)


def test_partners_are_tensorflows_categorical_draws_by_xla_too():
    by_xla = tf.function(mentormix.sample_partners, jit_compile=True)
    for size in (7, 16, 100):
        seed = tf.constant([size, -5])
        weights = tf.random.stateless_uniform([size], [3, size])
        expected = tf.random.stateless_categorical(
            mentormix.partner_logits(weights)[None], size, seed
        )[0]
        for sample in (mentormix.sample_partners, by_xla):
            np.testing.assert_array_equal(sample(weights, seed), expected)


@pytest.mark.parametrize(
    "share, expected", [(0.3, 0.538), (0.5, 0.731), (0.7, 0.864), (0.9, 0.961)]
)
def test_share_of_trusted_partners(share, expected):
    weights = tf.cast(tf.range(1000) < int(1000 * share), tf.float32)
    drawn = tf.concat(
        [
            mentormix.sample_partners(weights, tf.constant([0, k]))
            for k in range(40)
        ],
        0,
    )
    trusted = tf.reduce_mean(tf.gather(weights, drawn))
    assert abs(float(trusted) - expected) < 0.01


def test_partners_are_drawn_with_replacement():
    drawn = mentormix.sample_partners(tf.ones([100]), SEED).numpy()
    assert drawn.dtype == np.int32
    assert drawn.min() >= 0 and drawn.max() < 100
    assert 40 < len(set(drawn.tolist())) < 85


def test_mixing_by_hand():
    weights = tf.constant([1.0, 1.0, 0.0, 0.0])
    lam = mentormix.mixing_coefficients(
        tf.constant([0.3, 0.7, 0.4, 0.9]), weights
    )
    np.testing.assert_allclose(lam, [0.7, 0.7, 0.4, 0.1], atol=1e-6)
    x = tf.reshape([1.0, 2.0, 3.0, 4.0], [4, 1, 1, 1])
    y = tf.one_hot([0, 1, 2, 0], 3)
    images, labels = mixup.mix(x, y, tf.constant([2, 0, 1, 3]), lam)
    assert images.shape == (4, 1, 1, 1)
    np.testing.assert_allclose(np.ravel(images), [1.6, 1.7, 2.4, 4.0], 1e-6)
    np.testing.assert_allclose(
        labels,
        [[0.7, 0, 0.3], [0.3, 0.7, 0], [0, 0.6, 0.4], [1, 0, 0]],
        atol=1e-6,
    )


def test_a_weight_of_one_half_is_trusted():
    lam = mentormix.mixing_coefficients(
        tf.constant([0.3, 0.3]), tf.constant([0.5, 0.4999])
    )
    np.testing.assert_allclose(lam, [0.7, 0.3], atol=1e-6)


def test_soft_coefficients_agree_for_binary_weights():
    draws = tf.linspace(0.0, 1.0, 11)
    for weight in (0.0, 1.0):
        weights = tf.fill([11], weight)
        np.testing.assert_allclose(
            mentormix.mixing_coefficients(draws, weights, soft=True),
            mentormix.mixing_coefficients(draws, weights),
            atol=1e-6,
        )
    soft = mentormix.mixing_coefficients(
        tf.constant([0.2]), tf.constant([0.25]), soft=True
    )
    np.testing.assert_allclose(soft, [0.25 * 0.8 + 0.75 * 0.2], atol=1e-6)


def constant_student(logits):
    """A student whose logits are the same for every image."""
    inputs = keras.Input((2, 2, 1))
    flat = keras.layers.Flatten()(inputs)
    dense = keras.layers.Dense(
        len(logits),
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(logits),
    )
    return keras.Model(inputs, dense(flat))


@pytest.mark.parametrize(
    "second_reweight, expected", [(True, 0.471737), (False, 1.074273)]
)
def test_composed_losses(second_reweight, expected):
    # Soft labels enter as they are when nothing is mixed.
    labels = tf.constant([[0.7, 0, 0.3], [0, 0.6, 0.4], [1, 0, 0]])
    method = mentormix.MentorMix(
        constant_student([1.0, 0.0, -1.0]),
        lambda *_: tf.constant([1.0, 0.0, 1.0]),
        num_steps=100,
        mixup_alpha=0.0,
        second_reweight=second_reweight,
    )
    method.compile(optimizer.TF1Momentum(0.1))
    logs = method.train_step((tf.zeros([3, 2, 2, 1]), labels))
    assert float(logs["loss"]) == pytest.approx(expected, abs=2e-6)


def compiled(mentor=None, seed=3, **kwargs):
    student = registry.build("small_cnn", 10, (8, 8, 1), seed=seed)
    method = mentormix.MentorMix(
        student,
        mentor or mentornet_net.default(),
        num_steps=kwargs.pop("num_steps", 100),
        **kwargs,
    )
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    return method


def batch_of(size=16):
    images = tf.random.stateless_normal([size, 8, 8, 1], [5, 6])
    return {"images": images, "labels": tf.range(size) % 10}


class Spy(mentormix.MentorMix):
    """Remembers the mixed batch of its last step."""

    def sample_and_mix(self, *args):
        self.mixed = super().sample_and_mix(*args)
        return self.mixed


@pytest.mark.parametrize("second_reweight", [True, False])
def test_the_gradient_is_that_of_a_plain_second_pass(second_reweight):
    weights = tf.constant(np.linspace(0, 1, 16), tf.float32)
    method = Spy(
        registry.build("small_cnn", 10, (8, 8, 1), seed=3),
        lambda *_: weights,
        num_steps=100,
        second_reweight=second_reweight,
        weight_decay=0.01,
    )
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    method.train_step(batch_of())
    images, labels = method.mixed

    reference = registry.build("small_cnn", 10, (8, 8, 1), seed=3)
    with tf.GradientTape() as tape:
        losses = tf.nn.softmax_cross_entropy_with_logits(
            labels, reference(images, training=True)
        )
        if second_reweight:
            loss = tf.reduce_sum(weights * losses) / 16
        else:
            loss = tf.reduce_mean(losses) + 0.005 * sum(
                tf.reduce_sum(v * v)
                for v in reference.trainable_variables
                if len(v.shape) > 1
            )
    gradients = tape.gradient(loss, reference.trainable_variables)
    for v, w, g in zip(
        method.student.trainable_variables,
        reference.trainable_variables,
        gradients,
    ):
        np.testing.assert_allclose(v, w - 0.1 * g, atol=1e-5)
    # Batch normalisation has seen the second pass, once, and nothing else.
    for v, w in zip(
        method.student.non_trainable_variables,
        reference.non_trainable_variables,
    ):
        np.testing.assert_allclose(v, w, atol=1e-5)


def test_a_shift_of_the_logits_changes_nothing():
    runs = []
    for shift in (0.0, 3.0):
        method = compiled()
        bias = next(
            v
            for v in method.student.trainable_variables
            if v.path.startswith("logits") and len(v.shape) == 1
        )
        bias.assign(bias + shift)
        logs = method.train_step(batch_of())
        runs.append(float(logs["loss"]))
    assert runs[0] == pytest.approx(runs[1], rel=1e-4)


def test_the_average_takes_the_weights_before_each_update():
    method = compiled(second_reweight=False)
    weights, average = [], None
    for n in range(3):
        before = method.student.trainable_variables[0].numpy()
        decay = (1 + n) / (10 + n)
        weights.append(before)
        average = before if n == 0 else decay * average + (1 - decay) * before
        method.train_step(batch_of())
        np.testing.assert_allclose(method.averages[0], average, atol=1e-6)
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


def test_the_two_moving_averages_are_apart():
    method = compiled()
    method.train_step(batch_of())
    individual = float(method.weigh_individual.moving_average)
    mixed = float(method.weigh_mixed.moving_average)
    assert individual > 0 and mixed > 0 and individual != mixed
    method = compiled(second_reweight=False)
    method.train_step(batch_of())
    assert float(method.weigh_individual.moving_average) == individual
    assert float(method.weigh_mixed.moving_average) == 0.0


def test_the_evidence_is_the_mentors_own_word():
    """Not what burn-in and dropout, which know no labels, make of it."""
    weights = np.linspace(0, 1, 16).astype(np.float32)
    batch = {**batch_of(), "ids": tf.range(16, dtype=tf.int64)[::-1] + 3}
    method, plain = (
        compiled(
            lambda *_: tf.constant(weights),
            burn_in_epoch=50,
            example_dropout_rates="0.75, 100",
            num_ids=num_ids,
        )
        for num_ids in (30, None)
    )
    assert method.evidence() is None
    for _ in range(2):
        logs = method.train_step(batch)
        assert float(logs["weight_sum"]) == 4.0
    found = method.evidence()
    np.testing.assert_array_equal(found["ids"], np.arange(3, 19))
    np.testing.assert_allclose(found["mean_weight"], weights[::-1], atol=1e-6)
    np.testing.assert_array_equal(found["label_score"], found["mean_weight"])
    np.testing.assert_array_equal(found["is_label_issue"], weights[::-1] < 0.5)
    # To keep them changes nothing else.
    for _ in range(2):
        plain.train_step(batch)
    assert plain.evidence() is None
    for v, w in zip(method.student.variables, plain.student.variables):
        np.testing.assert_array_equal(v, w)


def test_no_mixing_and_no_second_weighting_is_plain_training():
    method = compiled(
        mentor=lambda losses, *_: tf.zeros_like(losses),
        mixup_alpha=-1.0,
        second_reweight=False,
        weight_decay=0.0,
    )
    reference = registry.build("small_cnn", 10, (8, 8, 1), seed=3)
    batch = batch_of()
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(
                batch["labels"], reference(batch["images"], training=True)
            )
        )
    gradients = tape.gradient(loss, reference.trainable_variables)
    logs = method.train_step(batch)
    assert float(logs["loss"]) == pytest.approx(float(loss), rel=1e-5)
    for v, w, g in zip(
        method.student.trainable_variables,
        reference.trainable_variables,
        gradients,
    ):
        np.testing.assert_allclose(v, w - 0.1 * g, atol=1e-5)


def test_endless_burn_in_is_mixup_with_trusted_coefficients():
    method = Spy(
        registry.build("small_cnn", 10, (8, 8, 1)),
        lambda losses, *_: tf.zeros_like(losses),
        num_steps=100,
        burn_in_epoch=101,
    )
    method.compile(optimizer.TF1Momentum(0.1))
    method.step.assign(99)
    labels = tf.range(10)
    logs = method.train_step((batch_of(10)["images"], labels))
    assert float(logs["weight_sum"]) == 10.0
    own_share = tf.gather(method.mixed[1], labels, batch_dims=1).numpy()
    assert own_share.min() >= 0.5


def test_the_percentage_uses_the_step_before_the_update():
    seen = []

    def spy(losses, diffs, labels, epochs):
        seen.append(int(epochs[0]))
        return tf.ones_like(losses)

    method = compiled(mentor=spy, num_steps=50, second_reweight=False)
    for _ in range(3):
        method.train_step(batch_of())
    assert seen == [0, 2, 4]


def test_steps_repeat_bit_for_bit_and_differ_by_seed():
    def weights_after(seed):
        method = compiled(seed=3, second_reweight=False)
        method.seed = seed
        step = tf.function(method.train_step, autograph=False)
        for _ in range(3):
            step(batch_of())
        return [v.numpy() for v in method.student.trainable_variables]

    first, again, other = weights_after(1), weights_after(1), weights_after(2)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other))


def test_weights_that_are_no_numbers_end_in_a_loss_that_is_none():
    method = compiled(second_reweight=False)
    for v in method.student.trainable_variables:
        v.assign(v * np.nan)
    for _ in range(2):
        logs = method.train_step(batch_of())
    assert np.isnan(float(logs["loss"]))


def test_the_mentor_is_saved_and_never_trained():
    mentor = mentornet_net.default()
    before = [v.numpy() for v in mentor.variables]
    method = compiled(mentor=mentor)
    for _ in range(2):
        method.train_step(batch_of())
    for old, v in zip(before, mentor.variables):
        np.testing.assert_array_equal(old, v.numpy())
    saved = {id(v) for v in method.variables}
    assert {id(v) for v in mentor.variables} <= saved
    trained = {id(v) for v in method.trainable_variables}
    assert trained == {id(v) for v in method.student.trainable_variables}


def test_partners_are_uniform_in_burn_in():
    drawn = [
        mentormix.sample_partners(tf.ones([8]), tf.constant([k, 0]))
        for k in range(500)
    ]
    counts = np.bincount(np.concatenate(drawn), minlength=8)
    # 500 expected, standard deviation 21.
    assert np.abs(counts - 500).max() < 95


def test_two_replicas_take_the_mean_of_their_steps(two_replicas):
    batch = batch_of(16)
    halves = [
        {name: value[part] for name, value in batch.items()}
        for part in (slice(0, 8), slice(8, 16))
    ]

    def updated(train):
        method = compiled(mixup_alpha=0.0, second_reweight=False)
        train(method)
        return [
            tf.convert_to_tensor(v.value).numpy()
            for v in method.student.trainable_variables
        ]

    singles = [
        updated(lambda method, half=half: method.train_step(half))
        for half in halves
    ]

    def mirrored(method):
        values = two_replicas.experimental_distribute_values_from_function(
            lambda context: halves[context.replica_id_in_sync_group]
        )
        tf.function(
            lambda: two_replicas.run(method.train_step, (values,)),
            autograph=False,
        )()

    with two_replicas.scope():
        both = updated(mirrored)
    for a, b, c in zip(*singles, both):
        np.testing.assert_allclose((a + b) / 2, c, atol=1e-6)


def test_a_batch_of_one():
    method = compiled()
    logs = method.train_step(batch_of(1))
    assert np.isfinite(float(logs["loss"]))


def test_fit_with_the_users_own_data():
    method = compiled(ema_decay=0.9, second_reweight=False, num_steps=80)
    batch = batch_of(10)
    pairs = tf.data.Dataset.from_tensors((batch["images"], batch["labels"]))
    history = method.fit(
        pairs.repeat(), steps_per_epoch=40, epochs=2, verbose=0
    )
    assert history.history["loss"][1] < history.history["loss"][0]
    assert method.evaluate(pairs, verbose=0, return_dict=True)["accuracy"] > 0.8


def test_defaults_are_the_originals():
    method = compiled()
    assert method.mixup_alpha == 8.0
    assert method.second_reweight
    assert method.weight_decay == 0.0
    assert method.weigh_individual.loss_p_percentile == 0.7
    assert method.weigh_individual.moving_average_decay == 0.5
    assert compiled(second_reweight=False).weight_decay == 0.0002
    assert isinstance(method.weigh_mixed, weighting.Weighting)
