"""ProMix against numbers of the authors' code, and what a step must hold."""

import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mixup
from tfnoisy.methods.promix import bias, fmix, promix, ramps

Z = tf.constant([[2.0, 0, -1], [0, 1, 0]])
PRIOR = tf.constant([0.6, 0.3, 0.1])


def test_debiased_logits_and_their_loss():
    found = bias.debiased(Z, PRIOR, 0.8)
    np.testing.assert_allclose(
        found,
        [[1.591340, -0.963178, -2.842068], [-0.408660, 0.036822, -1.842068]],
        atol=2e-6,
    )
    losses = losses_lib.cross_entropy(tf.one_hot([0, 2], 3), found)
    np.testing.assert_allclose(losses, [0.085814, 2.462933], atol=2e-6)


@pytest.mark.parametrize(
    "strength, expected",
    [
        (0.8, [[0.692335, 0.163137, 0.144529], [0.100748, 0.476820, 0.422432]]),
        (0.5, [[0.761414, 0.145729, 0.092857], [0.137104, 0.527060, 0.335835]]),
    ],
)
def test_debiased_guesses(strength, expected):
    found = bias.guess(Z, PRIOR, strength)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_sharpened_guesses():
    found = mixup.sharpen(bias.guess(Z, PRIOR, 0.8), 0.5)
    np.testing.assert_allclose(
        found,
        [[0.909834, 0.050516, 0.039649], [0.024402, 0.546589, 0.429009]],
        atol=2e-6,
    )


@pytest.mark.parametrize(
    "keep, expected",
    [
        (0.9999, [0.599993, 0.300005, 0.100003]),
        (0.9, [0.592787, 0.304516, 0.102698]),
    ],
)
def test_the_prior_moves(keep, expected):
    probabilities = tf.nn.softmax(Z)
    found = bias.moved_prior(PRIOR, probabilities, tf.fill([2], True), keep)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_choice_of_nothing_leaves_the_prior_and_has_no_loss():
    none = tf.fill([2], False)
    found = bias.moved_prior(PRIOR, tf.nn.softmax(Z), none, 0.9)
    np.testing.assert_array_equal(found, PRIOR)
    assert bias.mean_over(none, tf.constant([1.0, 2.0])) == 0


def test_the_mean_is_over_the_chosen():
    found = bias.mean_over(
        tf.constant([True, False, True]), tf.constant([1.0, 50.0, 2.0])
    )
    assert found == 1.5


def test_the_penalty_cuts_off_logits():
    logits = tf.constant([[2.0, -1, -3], [0, 1, 0]])
    found = float(promix.penalty(logits))
    assert found == pytest.approx(-0.820450, abs=2e-6)
    # Without that it is the negative entropy.
    proper = tf.reduce_mean(
        tf.reduce_sum(tf.nn.softmax(logits) * tf.nn.log_softmax(logits), -1)
    )
    assert float(proper) == pytest.approx(-0.601785, abs=2e-6)


@pytest.mark.parametrize(
    "epoch, expected",
    [(10, 0.01), (30, 0.03), (50, 0.05), (99, 0.099), (100, 0.0), (300, 0.0)],
)
def test_the_factor_of_unreliable_examples(epoch, expected):
    factor = ramps.unreliable_factor(tf.constant(float(epoch)), 50, 0.8)
    assert float(factor) == pytest.approx(expected, abs=1e-7)
    assert ramps.unreliable_factor(tf.constant(float(epoch)), 50, 0.0) == 1


def batch_of(method, count=12, **kwargs):
    images, labels = tiny_methods.digits()[0]
    return {
        "images": tf.constant(images[:count]),
        "images_strong": tf.constant(0.9 * images[:count]),
        "labels": tf.constant(labels[:count]),
        "ids": tf.range(count, dtype=tf.int64),
        **kwargs,
    }


def tiny(student=None, epoch=3, selected=(), **kwargs):
    """Returns a method in an epoch, and a batch; `selected` are ids."""
    method = tiny_methods.compiled("promix", student, num_ids=96, **kwargs)
    method.epoch.assign(epoch)
    m = np.zeros([2, 96], bool)
    m[:, list(selected)] = True
    method.selected.assign(m)
    return method, batch_of(method)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def both_heads(method, k, images):
    """Returns h and g of a network without batch normalisation, in NumPy."""
    flat = np.reshape(images, [len(images), -1]).astype(np.float64)
    first = method.student.networks[k].layers[-1]
    return [
        flat @ head.kernel.numpy() + head.bias.numpy()
        for head in (first, method.heads[k].pseudo)
    ]


def soft_loss(labels, logits):
    return -(labels * np.log(softmax(logits))).sum(-1)


def written_out(method, batch, draws, masks, orders, gamma, beta, expands):
    """Returns the loss of a step, written a second time, in NumPy."""
    w, s = (batch[n].numpy() for n in ("images", "images_strong"))
    given = np.eye(10)[batch["labels"].numpy()]
    priors = method.priors.numpy().astype(np.float64)
    z = [both_heads(method, k, w)[0] for k in (0, 1)]
    p = [softmax(one) for one in z]
    total, sets = 0.0, []
    for k in (0, 1):
        prior, other = priors[k]
        ids = batch["ids"].numpy()
        m = method.selected.numpy()[k, ids].copy()
        m |= (given * p[k]).sum(1) > method.tau
        guesses = softmax(z[k] - method.debias_pl * np.log(prior))
        y = np.where(m[:, None], given, np.eye(10)[guesses.argmax(1)])
        used = m.copy()
        if expands:
            ok = [q.max(1) > method.tau for q in p]
            ok = ok[0] & ok[1] & (p[0].argmax(1) == p[1].argmax(1)) & ~m
            room = int(len(m) * method.threshold) - m.sum()
            mean = (p[0].max(1) + p[1].max(1)) / 2
            best = sorted(np.flatnonzero(ok), key=lambda i: -mean[i])
            used[best[: max(room, 0)]] = True
        sets.append((m, used))
        rows = np.flatnonzero(used)
        shift = method.debias_output * np.log(prior)
        for head in (0, 1):
            z_w, z_s = (both_heads(method, k, x)[head] for x in (w, s))
            total += soft_loss(y[rows], z_w[rows] + shift).mean()
            total += gamma * soft_loss(y[rows], z_s[rows] + shift).mean()
            larger = max(draws[k, head], 1 - draws[k, head])
            x, t = w[rows], y[rows]
            one, two = orders[k, head]
            mixed = both_heads(method, k, larger * x + (1 - larger) * x[one])[
                head
            ]
            total += (
                gamma
                * soft_loss(
                    larger * t + (1 - larger) * t[one], mixed + shift
                ).mean()
            )
            ones, share = masks[k, head]
            cut = np.where(ones[..., None] > 0, x, x[two])
            mixed = both_heads(method, k, cut)[head] + shift
            total += gamma * np.mean(
                share * soft_loss(t, mixed)
                + (1 - share) * soft_loss(t[two], mixed)
            )
        left = np.flatnonzero(~used)
        if len(left) and beta:
            q = softmax(z[k] - method.debias_pl * np.log(other))[left] ** 2
            q /= q.sum(1, keepdims=True)
            g = [both_heads(method, k, x)[1][left] for x in (w, s)]
            shift = method.debias_output * np.log(other)
            total += beta * soft_loss(q, g[0] + shift).mean()
            total += beta * gamma * soft_loss(q, g[1] + shift).mean()
    decay = sum(
        (v.numpy().astype(np.float64) ** 2).sum() / 2
        for v in method.trained_variables
    )
    return total + method.weight_decay * decay, sets, p


@pytest.mark.parametrize(
    "epoch, expands", [(3, False), (30, True), (200, True)]
)
def test_a_step_is_the_formulas_written_out(epoch, expands):
    method, batch = tiny(
        epoch=epoch,
        selected=range(0, 7),
        warmup_ep=50,
        tau=0.13,
        weight_decay=1e-3,
        num_epochs=601,
    )
    method.expands.assign(expands)
    if expands:
        # Networks that mostly agree.
        first, second = method.student.networks
        second.set_weights(
            [
                0.8 * a + 0.2 * b
                for a, b in zip(first.get_weights(), second.get_weights())
            ]
        )
    before = np.array([[0.6, 0.3, *[0.0125] * 8], [0.05, 0.5, *[0.05625] * 8]])
    method.priors.assign(np.stack([before, before[:, ::-1]]))
    draws = method.draw_beta(batch).numpy()
    places = [(k, head) for k in (0, 1) for head in (0, 1)]
    masks = {
        at: [x.numpy() for x in fmix.draw(method.draw_seed("mix", *at), 8, 8)]
        for at in places
    }
    gamma = min(epoch / 50, 1)
    beta = 0.1 * epoch / 100 if epoch < 100 else 0.0
    # Which rows are chosen says how long the permutations are.
    _, sets, p = written_out(
        method, batch, draws, masks, DefaultOrders(), gamma, beta, expands
    )
    orders = {
        at: np.argsort(
            method.draw_orders(*at, sets[at[0]][1]).numpy()[:, sets[at[0]][1]]
        )
        for at in places
    }
    expected, sets, p = written_out(
        method, batch, draws, masks, orders, gamma, beta, expands
    )
    # The case is not an easy one.
    assert any(0 < used.sum() < len(used) for _, used in sets)
    assert any((used != m).any() for m, used in sets) == expands
    logs = method.selected_step(batch)
    assert float(logs["loss"]) == pytest.approx(expected, rel=2e-5)
    m, used = (np.mean([s[i] for s in sets]) for i in (0, 1))
    assert float(logs["selected"]) == pytest.approx(m)
    assert float(logs["used"]) == pytest.approx(used)
    for k, (_, used) in enumerate(sets):
        for n, rows in enumerate((used, ~used)):
            was = [before, before[:, ::-1]][k][n]
            now = (
                was * 0.9999 + 1e-4 * p[k][rows].mean(0) if rows.any() else was
            )
            np.testing.assert_allclose(
                method.priors.numpy()[k, n], now, atol=1e-6
            )


class DefaultOrders(dict):
    """No permutation yet: every row is its own partner."""

    def __missing__(self, key):
        return [slice(None), slice(None)]


def test_nothing_chosen_is_no_reason_to_stop():
    method, batch = tiny(tiny_methods.conv(), tau=1.0)
    priors = method.priors.numpy()
    logs = method.selected_step(batch)
    assert logs["used"] == 0 and logs["primary_loss"] == 0
    assert np.isfinite(logs["loss"])
    after = method.priors.numpy()
    np.testing.assert_array_equal(after[:, 0], priors[:, 0])
    assert (after[:, 1] != priors[:, 1]).any()
    assert all(np.isfinite(w).all() for w in method.get_weights())


def test_everything_chosen_is_no_reason_to_stop():
    method, batch = tiny(tiny_methods.conv(), selected=range(96))
    priors = method.priors.numpy()
    logs = method.selected_step(batch)
    assert logs["used"] == 1 and np.isfinite(logs["loss"])
    np.testing.assert_array_equal(method.priors.numpy()[:, 1], priors[:, 1])


def test_without_debiasing_the_priors_do_not_matter():
    losses = []
    for prior in (np.full(10, 0.1), np.linspace(0.01, 0.19, 10)):
        # Unreliable examples count fully: see `unreliable_factor`.
        method, batch = tiny(
            selected=range(6), debias_output=0.0, debias_pl=0.0
        )
        method.student.set_weights(
            [
                np.sin(np.arange(w.size)).reshape(w.shape).astype(w.dtype)
                for w in method.student.get_weights()
            ]
        )
        for heads in method.heads:
            heads.pseudo.set_weights(
                [
                    np.cos(np.arange(w.size)).reshape(w.shape).astype(w.dtype)
                    for w in heads.pseudo.get_weights()
                ]
            )
        method.priors.assign(np.broadcast_to(prior, [2, 2, 10]))
        losses.append(float(method.selected_step(batch)["loss"]))
    assert losses[0] == losses[1]


def test_the_warm_up_is_plain_training_of_both_networks():
    method, batch = tiny(weight_decay=0.0)
    plain = [
        tiny_methods.compiled("baseline", weight_decay=0.0, ema_decay=0.0)
        for _ in (0, 1)
    ]
    for one, network in zip(plain, method.student.networks):
        one.student.set_weights(network.get_weights())
    heads = [h.get_weights() for h in method.heads]
    for _ in range(3):
        method.warm_up_step(batch)
        for one in plain:
            one.train_step({n: batch[n] for n in ("images", "labels")})
    for one, network in zip(plain, method.student.networks):
        for ours, theirs in zip(
            network.get_weights(), one.student.get_weights()
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for h, before in zip(method.heads, heads):
        for now, then in zip(h.get_weights(), before):
            np.testing.assert_array_equal(now, then)


def test_the_warm_ups_penalty_is_asked_for():
    method, batch = tiny(confidence_penalty=True)
    plain, _ = tiny()
    plain.student.set_weights(method.student.get_weights())
    penalties = sum(
        float(promix.penalty(n(batch["images"])))
        for n in method.student.networks
    )
    found = (
        method.warm_up_step(batch)["loss"] - plain.warm_up_step(batch)["loss"]
    )
    assert float(found) == pytest.approx(penalties, abs=1e-5)


def test_a_step_moves_all_heads_and_networks():
    method, batch = tiny(tiny_methods.conv(), selected=range(6))
    before = [v.numpy() for v in method.trained_variables]
    method.selected_step(batch)
    for v, then in zip(method.trained_variables, before):
        assert (v.numpy() != then).any(), v.path


@pytest.mark.slow
def test_the_evidence_finds_wrong_labels():
    method = tiny_methods.compiled("promix", rho_end=0.5, tau=0.9)
    images, labels = tiny_methods.digits()[0]
    given = labels.copy()
    given[:10] = (given[:10] + 1) % 10
    assert method.evidence() is None
    method.optimizer.learning_rate = 0.01
    method.fit(images, given, epochs=10, **tiny_methods.fit_arguments(method))
    found = method.evidence()
    assert found["is_label_issue"][:10].mean() >= 0.5
    assert found["is_label_issue"][10:].mean() < 0.5
    assert found["label_score"][:10].mean() < found["label_score"][10:].mean()
    priors = np.array(method.method_metrics()["class_prior"])
    np.testing.assert_allclose(priors.sum(1), 1, atol=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tau": 1.5},
        {"threshold": -0.1},
        {"bias_m": 2},
        {"debias_output": -1},
        {"debias_pl": float("nan")},
        {"T": 0},
        {"rho_start": 1.1},
        {"rho_end": -1},
        {"pretrain_ep": -1},
        {"lr": float("inf")},
    ],
)
def test_values_out_of_range_are_one_line(wrong):
    with pytest.raises(errors.UserError, match=f"--{next(iter(wrong))}="):
        tiny_methods.make("promix", **wrong)


@pytest.mark.slow
def test_xla_makes_the_same_step_of_a_part_of_the_batch():
    found = []
    for jit_compile in (False, True):
        method, batch = tiny(tiny_methods.conv(), selected=range(1, 12, 2))
        for number, v in enumerate(method.trained_variables):
            wave = np.sin(np.arange(np.prod(v.shape)) + number)
            v.assign(wave.reshape(v.shape))
        step = tf.function(
            method.selected_step, jit_compile=jit_compile, autograph=False
        )
        logs = step(method.prepare(batch))
        assert 0 < logs["used"] < 1
        found.append([logs["loss"], *method.get_weights()])
    for plain, by_xla in zip(*found):
        np.testing.assert_allclose(by_xla, plain, rtol=1e-4, atol=1e-5)
