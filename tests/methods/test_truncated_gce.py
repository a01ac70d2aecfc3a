import types

import numpy as np
import pytest
import tensorflow as tf

import golden
import tiny_methods
import tiny_runs
from tfnoisy import errors
from tfnoisy.methods import base, gce, truncated_gce

# The sheet's: p_y = (.843795, .211942, .333333).
LOGITS = tf.constant([[2.0, 0, -1], [0, 1, 0], [0, 0, 0]])
LABELS = tf.one_hot([0, 2, 1], 3)
BATCH = {"ids": tf.range(3, dtype=tf.int64)}


def three_classes(**kwargs):
    student = tf.keras.Sequential(
        [tf.keras.Input((1, 1, 3)), tf.keras.layers.Flatten()]
    )
    return truncated_gce.TruncatedGCE(student, num_ids=3, **kwargs)


def loss_and_gradient(method):
    with tf.GradientTape() as tape:
        tape.watch(LOGITS)
        loss = tf.reduce_mean(method.example_losses(BATCH, LABELS, LOGITS))
    return float(loss), tape.gradient(loss, LOGITS).numpy()


def test_the_largest_loss():
    assert truncated_gce.largest_loss(0.7, 0.5) == pytest.approx(
        0.549183, abs=1e-6
    )


def test_the_loss_before_and_after_pruning():
    method = three_classes()
    loss, gradient = loss_and_gradient(method)
    assert loss == pytest.approx(0.075138, abs=1e-6)
    p = tf.reduce_sum(LABELS * tf.nn.softmax(LOGITS), -1)
    v = truncated_gce.kept(p, method.k)
    assert v.tolist() == [True, False, False]
    method.kept.assign(v)
    loss, pruned = loss_and_gradient(method)
    assert loss == pytest.approx(-0.129682, abs=1e-6)
    # v L_q + (1 - v) L_q(k)
    positive = loss + truncated_gce.largest_loss(0.7, 0.5)
    assert positive == pytest.approx(0.419501, abs=1e-6)
    # What is kept has its gradient still, of the rest there is none.
    np.testing.assert_array_equal(pruned[0], gradient[0])
    assert not pruned[1:].any()


def test_until_the_first_pruning_it_is_gce():
    found = []
    for name, options in (("tgce", {"start_prune": 40}), ("gce", {})):
        method = tiny_methods.compiled(name, **options)
        train, _, _ = tiny_methods.digits()
        method.fit(*train, epochs=2, **tiny_methods.fit_arguments(method))
        found.append(method.student.get_weights())
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def probabilities(method, images, labels):
    return method.predict(images, verbose=0)[np.arange(len(labels)), labels]


def test_pruning_happens_before_the_epochs_it_should():
    """Also of the averaged weights, and what was pruned may return."""
    method = tiny_methods.compiled(
        "tgce", start_prune=3, prune_every=2, ema_decay=0.5
    )
    images, labels = tiny_methods.digits()[0]
    given = labels.copy()
    given[:10] = (given[:10] + 1) % 10
    expected = np.ones(96, bool)
    for epoch in range(8):
        if epoch in (3, 5, 7):
            expected = probabilities(method, images, given) > 0.5
        method.fit(
            images,
            given,
            epochs=epoch + 1,
            initial_epoch=epoch,
            **tiny_methods.fit_arguments(method),
        )
        np.testing.assert_array_equal(base.value_of(method.kept), expected)
    assert 0 < expected.sum() < 96
    found = method.evidence()
    np.testing.assert_array_equal(found["kept"], expected)
    # It believes fewer of the wrong labels.
    assert expected[:10].mean() < expected[10:].mean()


def test_where_nothing_would_be_left_all_are_kept():
    method = tiny_methods.compiled("tgce", start_prune=1, prune_every=1, k=0.99)
    method.student.set_weights([0 * w for w in method.student.get_weights()])
    with pytest.warns(UserWarning, match="no label has a probability above"):
        method.fit(
            *tiny_methods.digits()[0], **tiny_methods.fit_arguments(method)
        )
    assert base.value_of(method.kept).all()


def test_pruned_labels_are_by_id():
    runner = tiny_runs.Runner("tgce")
    method, data = runner.method, runner.data
    by_id = np.ones(tiny_runs.COUNT, bool)
    views = data.augmentation.evaluate(data.dataset.images)
    p = probabilities(method, views.numpy(), data.dataset.given_labels)
    by_id[data.dataset.ids] = p > 0.1
    method.k = 0.1
    method.prune(data)
    np.testing.assert_array_equal(base.value_of(method.kept), by_id)
    assert 0 < by_id.sum() < tiny_runs.COUNT


def test_on_two_replicas_the_same_are_kept(two_replicas):
    def pruned(strategy):
        runner = tiny_runs.Runner("tgce", strategy)
        runner.method.k = 0.1
        runner.method.prune(runner.data)
        return base.value_of(runner.method.kept)

    alone = pruned(tf.distribute.OneDeviceStrategy("/cpu:0"))
    np.testing.assert_array_equal(alone, pruned(two_replicas))
    assert 0 < alone.sum() < tiny_runs.COUNT


def test_predictions_that_are_not_finite_stop_it():
    runner = tiny_runs.Runner("tgce")
    kernel = runner.method.student.trainable_variables[0]
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(errors.TrainingError, match="not finite at step 0"):
        runner.method.prune(runner.data)


@pytest.mark.parametrize(
    "wrong",
    [{"k": 0.0}, {"k": 1.0}, {"start_prune": 0}, {"prune_every": 0}, {"q": 2}],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(errors.UserError, match="--"):
        three_classes(**wrong)


def test_its_constant_is_gces_at_k():
    found = gce.generalised_cross_entropy(
        tf.constant([[1.0, 0.0]]), tf.zeros([1, 2]), 0.7
    )
    assert float(found[0]) == pytest.approx(
        truncated_gce.largest_loss(0.7, 0.5), abs=1e-6
    )


class Ten:
    """What pruning asks a data set of ten examples."""

    ids = np.arange(10)

    def __len__(self):
        return 10


def test_five_epochs_are_the_originals():
    numbers = golden.read("gce_steps")
    method = golden.compiled(
        truncated_gce.TruncatedGCE(
            golden.network(),
            k=0.15,
            start_prune=3,
            num_ids=10,
            weight_decay=0.02,
        )
    )
    examples = golden.batch(np.arange(10))
    data = types.SimpleNamespace(
        batch_size=5,
        batches=None,
        dataset=Ten(),
        steps_of_pass=lambda num_replicas: 3,
        evaluation_batches=lambda size, context: (
            tf.data.Dataset.from_tensor_slices(examples).batch(size)
        ),
    )
    expected = numbers["truncated"]
    step, losses = tf.function(method.train_step, autograph=False), []
    for index, epoch in enumerate(numbers["epochs"]):
        method.stage(3 * epoch, data, 1000)
        kept = base.value_of(method.kept)
        np.testing.assert_array_equal(kept, expected["kept"][index])
        for ids in numbers["rows"][index]:
            decayed = float(method.decay_loss())
            losses.append(float(step(golden.batch(ids))["loss"]) - decayed)
    golden.assert_near(losses, expected["losses"], name="losses")
    golden.assert_weights(method.student, expected["weights"])
