import functools

import numpy as np
import pytest
import tensorflow as tf

import golden
import tiny_methods
from tfnoisy import errors, randomness
from tfnoisy.methods import mixup
from tfnoisy.methods.elr_plus import averaged_pair, elr_plus
from tfnoisy.nets import pair

# The sheet's, of the authors' functions.
LOGITS = [[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
PEER = [[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]


def widened(rows, classes):
    rows = np.float32(rows)
    return tf.constant(np.pad(rows, ((0, 0), (0, classes - rows.shape[1]))))


def mixed(classes, beta):
    """Returns Y', t and q of two examples, mixed with l = 0.8."""
    targets = elr_plus.moved_targets(
        tf.zeros([2, classes]), widened(PEER, classes), beta
    )
    labels = tf.one_hot([0, 2], classes)
    return [0.8 * z + 0.2 * z[::-1] for z in (labels, targets)], targets


def test_a_step_of_three_classes():
    (labels, q), targets = mixed(3, beta=0.7)
    np.testing.assert_allclose(
        targets,
        [[0.172835, 0.063582, 0.063582], [0.031952, 0.236096, 0.031952]],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        q,
        [[0.144658, 0.098085, 0.057256], [0.060129, 0.201593, 0.038278]],
        atol=1e-6,
    )
    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = elr_plus.loss_of(labels, logits, q, 3.0)
    assert float(loss) == pytest.approx(0.720941, abs=1e-6)
    np.testing.assert_allclose(
        tape.gradient(loss, logits),
        [[0.008732, 0.064546, -0.073278], [0.034288, 0.223375, -0.257663]],
        atol=1e-6,
    )


def test_of_100_classes_the_labels_are_refined():
    (labels, q), _ = mixed(100, beta=0.9)
    found = elr_plus.refined(labels, q).numpy()
    np.testing.assert_allclose(
        found[:, [0, 2]],
        [[0.905188, 0.094812], [0.253197, 0.746803]],
        atol=2e-6,
    )
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)
    for step, expected in {
        0: 3.783842,
        20000: 3.781725,
        40000: 3.776327,
    }.items():
        factor = 7.0 * averaged_pair.ramp_up(float(step), 40000)
        loss = elr_plus.loss_of(labels, widened(LOGITS, 100), q, factor)
        assert float(loss) == pytest.approx(expected, abs=2e-6)


def test_labels_that_q_has_nothing_of_stay():
    labels = tf.constant([[1.0, 0.0], [0.5, 0.5]])
    q = tf.constant([[0.0, 1.0], [0.3, 0.1]])
    np.testing.assert_allclose(
        elr_plus.refined(labels, q), [[1.0, 0.0], [0.75, 0.25]], rtol=1e-6
    )


def tiny(**kwargs):
    method = tiny_methods.compiled("elr_plus", num_ids=96, **kwargs)
    images, labels = tiny_methods.digits()[0]
    return method, {
        "images": tf.constant(images[:8]),
        "labels": tf.constant(labels[:8]),
        "ids": tf.range(0, 16, 2, tf.int64),
    }


def test_the_targets_are_of_the_others_average_and_the_images_unmixed():
    method, batch = tiny()
    second = method.student.networks[1]
    for v in method.moving[1]:
        v.assign(0.5 * v)
    expected = tf.nn.softmax(0.5 * second(batch["images"], training=True))
    before = second.get_weights()
    method.train_iteration(0, batch)
    t = method.targets[0].numpy()
    np.testing.assert_allclose(t[0:16:2], 0.3 * expected, rtol=1e-5)
    assert not t[1::2].any() and not method.targets[1].numpy().any()
    for now, then in zip(second.get_weights(), before):
        np.testing.assert_array_equal(now, then)


def test_statistics_of_the_average_leave_no_trace():
    student = tiny_methods.conv()
    method = tiny_methods.compiled("elr_plus", student, num_ids=96)
    _, batch = tiny()
    second = method.student.networks[1]
    method.train_iteration(0, batch)
    for v in second.non_trainable_variables:
        assert np.isin(v.numpy(), [0.0, 1.0]).all()


def test_one_network_alone_is_moved_and_so_is_its_average():
    method, batch = tiny(ema_update=False, ema_alpha=0.3)
    starts = [n.get_weights() for n in method.student.networks]
    method.train_iteration(1, batch)
    for k in (0, 1):
        network = method.student.networks[k]
        for v, average, start in zip(
            network.trainable_variables, method.moving[k], starts[k]
        ):
            assert np.any(v.numpy() != start) == (k == 1)
            # a(1) is 0.3, below 1/2.
            np.testing.assert_allclose(
                average.numpy(), 0.3 * start + 0.7 * v.numpy(), atol=1e-6
            )


def test_without_mixing_and_regulariser_it_is_cross_entropy():
    method, batch = tiny(mixup_alpha=0.0, lamb=0.0, ema_alpha=0.0)
    plain = tiny_methods.compiled("baseline", weight_decay=0.0, ema_decay=0.0)
    plain.student.set_weights(method.student.networks[0].get_weights())
    method.weight_decay = 0.0
    for _ in range(3):
        method.train_iteration(0, batch)
        plain.train_step(batch)
    for ours, theirs in zip(
        method.student.networks[0].get_weights(), plain.student.get_weights()
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
    for v, average in zip(
        method.student.networks[0].trainable_variables, method.moving[0]
    ):
        np.testing.assert_array_equal(v.numpy(), average.numpy())


def test_both_networks_see_the_same_steps(monkeypatch):
    method = tiny_methods.compiled("elr_plus")
    method.run_eagerly = True
    images, labels = tiny_methods.digits()[0]
    seen = []

    def iteration(k, batch):
        seen.append((k, float(method.own_step())))
        return elr_plus.ELRPlus.train_iteration(method, k, batch)

    method._iterations = [functools.partial(iteration, k) for k in (0, 1)]
    method.fit(images[:20], labels[:20], batch_size=8, epochs=2, verbose=0)
    assert seen == [
        (k, epoch * 3 + n)
        for epoch in (0, 1)
        for k in (0, 1)
        for n in (1, 2, 3)
    ]


@pytest.mark.slow
def test_the_evidence_is_the_mean_of_both_shares():
    method = tiny_methods.compiled("elr_plus", mixup_alpha=0.0)
    images, labels = tiny_methods.digits()[0]
    given = labels.copy()
    given[:10] = (given[:10] + 1) % 10
    method.fit(images, given, epochs=8, **tiny_methods.fit_arguments(method))
    found = method.evidence()
    shares = np.mean(
        [t.numpy() / t.numpy().sum(1, keepdims=True) for t in method.targets],
        0,
    )
    np.testing.assert_allclose(
        found["label_score"], shares[np.arange(len(given)), given], rtol=1e-5
    )
    assert (found["target_class"] == shares.argmax(1)).all()
    assert found["is_label_issue"][:10].mean() >= 0.5
    assert found["is_label_issue"][10:].mean() < 0.2


@pytest.mark.parametrize("alpha, mean", [(1.0, 0.75), (1.5, 0.712207)])
def test_the_larger_share_of_mixed_images(alpha, mean):
    draws = mixup.beta([1, 2], [100_000], alpha).numpy()
    assert np.maximum(draws, 1 - draws).mean() == pytest.approx(mean, abs=2e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"beta": 1.5},
        {"lamb": -1.0},
        {"lamb": float("inf")},
        {"mixup_alpha": float("nan")},
        {"ema_alpha": 1.1},
        {"ema_step": -1},
        {"coef_step": -1},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(errors.UserError, match=f"--{next(iter(wrong))}="):
        tiny(**wrong)


class Mixes(elr_plus.ELRPlus):
    """Mixes by the draws that it is given."""

    def draw_beta(self, batch):
        return tf.constant(self.draws.pop(0)) if self.draws else None


@pytest.mark.parametrize(
    "name", ["cifar10", "ramped", "unmixed", "sharp", "cifar100"]
)
def test_two_epochs_are_the_originals(name, monkeypatch):
    numbers = golden.read("elr_plus_steps")
    expected = numbers[name]
    classes, labels = 4, golden.LABELS
    if name == "cifar100":
        classes, labels = 100, 33 * labels
    nets = [golden.network(k, classes, expected["sharpness"]) for k in range(4)]
    method = golden.compiled(
        Mixes(
            pair.Pair(*nets[:2]),
            num_ids=10,
            weight_decay=0.02,
            **expected["options"],
        )
    )
    # The averages of the originals do not begin as the networks.
    for moving, network in zip(method.moving, nets[2:]):
        for v, value in zip(moving, network.trainable_variables, strict=True):
            v.assign(value)
    method.draws, partners = expected["draws"], iter(expected["partners"])
    monkeypatch.setattr(
        randomness, "permutation", lambda *_: tf.constant(next(partners))
    )
    losses = []
    for index, rows in enumerate(numbers["rows"]):
        epoch, k = divmod(index, 2)
        method.steps_before.assign(3 * (epoch + k))
        for ids in rows:
            batch = golden.batch(ids, labels=labels)
            decayed = float(method.decay_loss(nets[k].trainable_variables))
            logs = method.train_iteration(k, batch)
            losses.append(float(logs["loss"]) - decayed)
    assert not method.draws and not list(partners)
    golden.assert_near(losses, expected["losses"], name="losses")
    for k in (0, 1):
        golden.assert_weights(nets[k], expected["networks"][k])
        averages = expected["averages"][k]
        for v, value in zip(method.moving[k], averages, strict=True):
            golden.assert_near(v, value, name=v.path)
        targets = method.targets[k].numpy()[:, :: 1 if classes == 4 else 33]
        golden.assert_near(targets, expected["targets"][k], name="targets")
