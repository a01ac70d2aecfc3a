import types

import numpy as np
import pytest
import tensorflow as tf

import golden
import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import base
from tfnoisy.methods.ido import beta_mixture, ido

# The sheet's, of the authors' loss.
WEAK = [[1.0, 0.5, 0.0], [0.5, 0.0, -0.5]]
STRONG = [[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
P = [[0.9, 0.08], [0.1, 0.85]]
F = [[0.3, 0.02], [0.95, 0.6]]


def test_the_loss_and_its_gradients():
    weak, strong, p, f = map(tf.constant, (WEAK, STRONG, P, F))
    omega = ido.similarity_weights(p, f)
    np.testing.assert_allclose(omega, [1.1716, 0.1550], atol=1e-6)
    with tf.GradientTape() as tape:
        tape.watch([weak, strong])
        parts = [
            ido.supervised_loss(p[:, 0], tf.one_hot([0, 2], 3), weak, strong),
            ido.similarity_loss(omega, weak, strong),
            ido.entropy_loss(p[:, 0], weak, strong),
        ]
        loss = tf.add_n(parts)
    np.testing.assert_allclose(parts, [0.544138, 0.478100, 0.514584], atol=1e-6)
    assert float(loss) == pytest.approx(1.536822, abs=1e-6)
    of_weak, of_strong = tape.gradient(loss, [weak, strong])
    np.testing.assert_allclose(
        of_strong,
        [[0.315861, -0.141147, -0.369980], [-0.015522, 0.052912, 0.014277]],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        of_weak,
        [[-0.621340, 0.337158, 0.479449], [0.045864, -0.053799, -0.043732]],
        atol=1e-6,
    )


def test_the_weights_of_the_similarity_for_the_released_counts():
    counts = tf.range(6, dtype=tf.float64)
    fitted = beta_mixture.fit(
        beta_mixture.start(1), [[9963, 9469, 6097, 4579, 5578, 14314]], 20
    )
    rows = tf.repeat(beta_mixture.packed(fitted), 6, 0)
    p, f = beta_mixture.predict(beta_mixture.unpacked(rows), counts)
    np.testing.assert_allclose(
        ido.similarity_weights(p, f),
        [1.000800, 1.414927, 1.472923, 1.357356, 0.939788, 0],
        atol=2e-6,
    )


def test_labels_that_are_trusted_make_it_cross_entropy_of_both_views():
    weak, strong = tf.constant(WEAK), tf.constant(STRONG)
    p, f = tf.ones([2, 2]), tf.zeros([2, 2])
    labels = tf.one_hot([0, 2], 3)
    assert not ido.similarity_weights(p, f).numpy().any()
    assert float(ido.entropy_loss(p[:, 0], weak, strong)) == 0
    expected = tf.reduce_mean(
        tf.nn.softmax_cross_entropy_with_logits(labels, weak)
        + tf.nn.softmax_cross_entropy_with_logits(labels, strong)
    )
    assert float(
        ido.supervised_loss(p[:, 0], labels, weak, strong)
    ) == pytest.approx(float(expected), rel=1e-6)


def three_classes(**kwargs):
    student = tf.keras.Sequential(
        [tf.keras.Input((1, 1, 3)), tf.keras.layers.Flatten()]
    )
    return ido.IDO(student, num_ids=4, **kwargs)


@pytest.mark.parametrize("mixture", ["class", "global"])
def test_labels_are_judged_by_the_count_after_the_visit(mixture):
    method = three_classes(mixture=mixture)
    histograms = [[60, 20, 5, 3, 4, 8], [1, 5, 9, 2, 2, 2], [9, 0, 0, 0, 0, 9]]
    if mixture == "global":
        del histograms[1:]
    fitted = beta_mixture.fit(
        beta_mixture.start(len(histograms)), histograms, 20
    )
    method.mixtures.assign(beta_mixture.packed(fitted))
    # Visits, right ones, losses.
    method.mean_weights.sums.assign(
        [[5, 4, 0], [5, 3, 0], [5, 0, 0], [5, 5, 0]]
    )
    p, f = method.judge(
        tf.constant([1, 0, 2], tf.int64),
        tf.one_hot([1, 0, 0], 3),
        tf.constant([1.0, 2.0, 0.0]),
    )
    for row, (k, events) in enumerate([(1, 3), (0, 3), (0, 5)]):
        k = 0 if mixture == "global" else k
        one = beta_mixture.unpacked(beta_mixture.packed(fitted)[k])
        for found, expected in zip(
            (p, f),
            beta_mixture.predict(one, tf.constant(events, tf.float64), True),
        ):
            np.testing.assert_allclose(found[row], expected, rtol=1e-6)


@pytest.mark.slow
def test_the_count_and_the_mixtures_of_a_training():
    method = tiny_methods.compiled("ido", stage1_epochs=6)
    images, labels = tiny_methods.digits()[0]
    given = labels.copy()
    given[:10] = (given[:10] + 1) % 10
    arguments = tiny_methods.fit_arguments(method)
    method.fit(images, given, epochs=6, **arguments)
    stage1 = method.evidence()
    assert (stage1["visits"] == 6).all()
    assert stage1["wrong_events"].max() <= 6
    start = beta_mixture.packed(beta_mixture.start(10)).numpy()
    assert (method.mixtures.numpy() != start).any(1).sum() >= 5
    metrics = method.method_metrics()["label_wave"]
    assert len(metrics["changes"]) == 6 and metrics["changes"][0] == 0
    assert all(0 < n <= 96 for n in metrics["changes"][1:])

    method.fit(images, given, epochs=12, initial_epoch=6, **arguments)
    found = method.evidence()
    assert (found["visits"] == 6 + 2 * 6).all()
    gained = found["wrong_events"] - stage1["wrong_events"]
    assert (gained >= 0).all() and (gained <= 12).all()
    assert found["is_label_issue"][:10].mean() >= 0.5
    assert found["is_label_issue"][10:].mean() < 0.2
    np.testing.assert_array_equal(
        found["target_class"], method.label_wave.predicted.numpy()
    )
    mixtures = beta_mixture.unpacked(method.mixtures.numpy())
    events = [found["wrong_events"][given == k] for k in range(10)]
    told = [k for k in range(10) if np.ptp(events[k])]
    np.testing.assert_array_equal(
        mixtures.high.numpy()[told], [events[k].max() for k in told]
    )


def test_stage_2_begins_with_the_weights_kept_and_a_fresh_optimizer():
    method = tiny_methods.compiled("ido", ema_decay=0.9)
    images, labels = tiny_methods.digits()[0]
    arguments = tiny_methods.fit_arguments(method)
    # The end of the first epoch, as if the wave had come.
    wave = method.label_wave
    assert wave is None
    method.fit(images, labels, epochs=1, **arguments)
    wave = method.label_wave
    weights = method.student.get_weights()
    for kept, weight in zip(wave.kept, weights, strict=True):
        kept.assign(weight + 1.0)
    wave.epoch.assign(0)
    assert any(v.numpy().any() for v in method.optimizer.accumulators)
    method._begin_stage2()
    for now, before in zip(method.student.get_weights(), weights):
        np.testing.assert_array_equal(now, before + 1.0)
    for average, v in zip(
        method.averages, method.student.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(average.numpy(), v.numpy())
    assert not any(v.numpy().any() for v in method.optimizer.accumulators)
    assert method.steps_made() == 12


def test_without_the_label_wave_nothing_is_kept():
    assert three_classes(base_model="last").label_wave.kept == []


@pytest.mark.parametrize(
    "wrong", [{"stage1_epochs": 0}, {"mixture": "both"}, {"base_model": "best"}]
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(errors.UserError, match=f"--{next(iter(wrong))}="):
        three_classes(**wrong)


def golden_views():
    """Returns weak and strong views of 40 images, of one pattern a class."""
    patterns = 1.5 * golden.images(4, 0.4, 1.0)[np.arange(40) % 4]
    weak = golden.images(40, 0.1, 1.0) + patterns
    return weak, 0.7 * weak + golden.images(40, 0.9, 0.5)


@pytest.mark.parametrize("mixture", ["class", "global"])
def test_eight_epochs_are_the_originals(mixture):
    numbers = golden.read("ido_steps")
    expected = numbers[mixture]
    given = np.array(numbers["labels"])
    method = golden.compiled(
        ido.IDO(
            golden.network(),
            mixture=mixture,
            monotone=False,
            num_ids=40,
            weight_decay=0.02,
        )
    )
    steps = [
        tf.function(step, autograph=False)
        for step in (method.stage1_step, method.stage2_step)
    ]
    weak, strong = golden_views()
    dataset = types.SimpleNamespace(ids=np.arange(40), given_labels=given)
    losses, fits = [], iter(expected["mixtures"])
    for epoch in range(8):
        step = steps[epoch >= 5]
        for ids in numbers["rows"][epoch]:
            batch = golden.batch(
                ids, images=weak, images_strong=strong, labels=given
            )
            decayed = float(method.decay_loss())
            losses.append(float(step(batch)["loss"]) - decayed)
        if epoch == 4:
            golden.assert_weights(method.student, expected["after_stage1"])
        method._end_epoch(epoch, dataset)
        visits, right, _ = base.value_of(method.mean_weights.sums).T
        np.testing.assert_array_equal(
            visits - right, expected["wrong_events"][epoch]
        )
        if epoch == 4:
            golden.assert_weights(method.student, expected["base_model"])
        if epoch >= 4:
            # Without the count that `monotone` needs.
            mixtures = base.value_of(method.mixtures)[:, :8]
            golden.assert_near(mixtures, next(fits), name="mixtures")
    assert int(method.label_wave.epoch) == expected["kept_epoch"]
    golden.assert_near(losses, expected["losses"], name="losses")
    golden.assert_weights(method.student, expected["weights"])
