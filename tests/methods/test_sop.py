import keras
import numpy as np
import pytest
import tensorflow as tf

import golden
import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import base, losses, sop
from tfnoisy.nets import precision, registry
from tfnoisy.training import optimizer

# The sheet's numbers, of the authors' function: ids 0 and 2 of three.
U = [0.3, 0.1, 0.5]
V = [[0.2, 0.4, 0.1], [0.1, 0.1, 0.1], [0.6, 0.3, 0.2]]
IDS = [0, 2]
LABELS = tf.one_hot([0, 2], 3)
Z = [[2.0, 0, -1], [0, 1, 0]]
Z_STRONG = [[1.0, 0.5, 0], [0.5, 0, -0.5]]
OF_V = [[0, 0.128, 0.002], [0.432, -0.546, 0]]


def rows(values):
    return tf.constant(np.float32(values)[IDS])


def corrected():
    u, v = rows(U)[:, None], rows(V)
    return sop.corrected(tf.constant(Z), *sop.corrections(u, v, LABELS))


def test_the_corrected_prediction():
    np.testing.assert_allclose(
        corrected(),
        [[0.966756, 0.000104, 0.033140], [0.000105, 0.512696, 0.487199]],
        atol=1e-6,
    )


def test_the_balance():
    assert float(sop.balance_loss(corrected())) == pytest.approx(
        1.144762, abs=1e-6
    )
    even = tf.fill([4, 5], 0.2)
    assert float(sop.balance_loss(even)) == pytest.approx(np.log(5))


def test_the_consistency_of_each_row():
    for z, a, expected in zip(Z, Z_STRONG, (0.255111, 0.204942)):
        found = losses.consistency(*tf.constant([[z], [a]], tf.float32))
        assert float(found) == pytest.approx(expected, abs=1e-6)


def three_classes(**kwargs):
    """A method whose only weights are the logits, by an image's number."""
    logits = keras.layers.Embedding(4, 3)
    student = keras.Sequential(
        [keras.Input((1,), dtype="int32"), logits, keras.layers.Flatten()]
    )
    logits.embeddings.assign([*Z, *Z_STRONG])
    method = sop.SOP(student, num_ids=3, **kwargs)
    method.u.rows.assign(np.float32(U)[:, None])
    method.v.rows.assign(np.float32(V))
    method.compile(keras.optimizers.SGD(1.0))
    return method


BATCH = {
    "images": tf.constant([[0], [1]]),
    "images_strong": tf.constant([[2], [3]]),
    "labels": tf.constant([0, 2]),
    "ids": tf.constant(IDS, tf.int64),
}


def steps_of(method):
    """Returns the logs of a step, and how far z, u and v went down."""
    watched = [
        method.student.trainable_variables[0],
        method.u.rows,
        method.v.rows,
    ]
    before = [v.numpy() for v in watched]
    logs = method.train_step(BATCH)
    return logs, [b - v.numpy() for b, v in zip(before, watched)]


def test_a_step_of_sop():
    logs, (z, u, v) = steps_of(three_classes(lr_u=0.1, lr_v=0.5))
    assert float(logs["loss"]) == pytest.approx(1.153446, abs=1e-6)
    assert float(logs["squared_error"]) == pytest.approx(0.777, abs=1e-6)
    np.testing.assert_allclose(
        z[:2],
        [[-0.020696, -0.000768, 0.021464], [-0.039457, 0.196553, -0.157095]],
        atol=1e-6,
    )
    assert not z[2:].any()
    np.testing.assert_allclose(
        u[:, 0] / 0.1, [0.043320, 0, -1.305050], atol=2e-6
    )
    np.testing.assert_allclose(v[IDS] / 0.5, OF_V, atol=1e-6)
    assert u[1] == 0 and not v[1].any()


def test_a_step_of_sop_plus():
    method = three_classes(ratio_consistency=0.9, ratio_balance=0.1)
    method.u.rate, method.v.rate = 1.0, 1.0
    logs, (z, u, v) = steps_of(method)
    assert float(logs["loss"]) == pytest.approx(1.474946, abs=1e-6)
    assert float(logs["balance"]) == pytest.approx(1.144762, abs=1e-6)
    assert float(logs["consistency"]) == pytest.approx(
        (0.255111 + 0.204942) / 2, abs=1e-6
    )
    np.testing.assert_allclose(
        z,
        [
            [-0.019512, -0.000724, 0.020236],
            [-0.039420, 0.196372, -0.156951],
            [-0.151791, 0.086850, 0.064941],
            [0.132542, -0.121014, -0.011528],
        ],
        atol=1e-6,
    )
    np.testing.assert_allclose(u[:, 0], [0.043931, 0, -1.304544], atol=1e-6)
    np.testing.assert_allclose(v[IDS], OF_V, atol=1e-6)


def test_how_long_v_grows():
    """The net always predicts class 1; batches of 128, all but one right."""
    labels = tf.one_hot([0] + [1] * 127, 3)
    logits = tf.one_hot([1] * 128, 3)
    v = tf.fill([128, 3], 1e-8)
    found = {}
    for visit in range(1, 81):
        with tf.GradientTape() as tape:
            tape.watch(v)
            both = sop.corrections(tf.zeros([128, 1]), v, labels)
            loss = tf.reduce_mean(sop.squared_error(logits, *both, labels))
        v -= 10.0 * tape.gradient(loss, v)
        found[visit] = float(v[0, 1]) ** 2
    for visits, squared in {
        1: 1.723e-16,
        10: 2.301e-14,
        40: 2.805e-7,
        60: 1.471e-2,
        68: 6.215e-1,
        80: 1.0,
    }.items():
        assert found[visits] == pytest.approx(squared, rel=2e-3)
    # Neither at the label, nor of the labels that are right.
    assert v[0, 0] == v[0, 2] == v[1, 1] == 1e-8


def test_without_u_and_v_it_is_cross_entropy():
    found = []
    for name, options in (("sop", {"std": 0.0}), ("baseline", {})):
        method = tiny_methods.compiled(
            name, **{"weight_decay": 0.0, "ema_decay": 0.0, **options}
        )
        train, _, _ = tiny_methods.digits()
        method.fit(*train, **tiny_methods.fit_arguments(method))
        found.append(method.student.get_weights())
        if name == "sop":
            assert not method.u.rows.numpy().any()
            assert not method.v.rows.numpy().any()
    for ours, theirs in zip(*found, strict=True):
        # But for where p is below 1e-4.
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_the_first_u_and_v_belong_to_seed_and_id():
    few, many, other = (
        sop.SOP(tiny_methods.dense(), num_ids=n, seed=seed)
        for n, seed in ((10, 1), (2000, 1), (2000, 2))
    )
    for name in ("u", "v"):
        first, all_, others = (
            getattr(m, name).rows.numpy() for m in (few, many, other)
        )
        np.testing.assert_array_equal(first, all_[:10])
        assert (all_ != others).mean() > 0.99
        assert all_.std() == pytest.approx(1e-8, rel=0.05)
        assert abs(all_.mean()) < 1e-9
        assert all_.dtype == np.float32


def test_an_example_that_comes_twice_moves_by_both():
    def moved(ids, labels):
        method = three_classes(lr_u=1.0, lr_v=1.0)
        images = [[0] if y == 0 else [1] for y in labels]
        method.train_step(
            {
                "images": tf.constant(images),
                "labels": tf.constant(labels),
                "ids": tf.constant(ids, tf.int64),
            }
        )
        return method.v.rows.numpy() - np.float32(V)

    once, twice = moved([0, 2], [0, 2]), moved([0, 0, 2, 2], [0, 0, 2, 2])
    np.testing.assert_allclose(once, twice, atol=1e-7)
    assert np.abs(once).max() > 0.1


def test_two_replicas_train_u_and_v_as_one_device(two_replicas):
    """Both halves of a batch move them as the whole batch does."""
    images, labels = tiny_methods.digits()[0]

    def trained(strategy, count):
        with strategy.scope():
            method = tiny_methods.compiled(
                "sop", lr_u=0.5, lr_v=0.5, std=0.5, num_ids=8
            )
        step = tf.function(
            lambda b: strategy.run(method.train_step, (b,)), autograph=False
        )
        whole = {
            "images": images[:8],
            "labels": labels[:8],
            "ids": np.arange(8),
        }
        parts = [
            {
                k: tf.constant(np.array_split(v, count)[r])
                for k, v in whole.items()
            }
            for r in range(count)
        ]
        values = strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )
        for _ in range(3):
            step(values)
        return [base.value_of(v) for v in method.variables]

    alone = trained(tf.distribute.OneDeviceStrategy("/cpu:0"), 1)
    for one, both in zip(alone, trained(two_replicas, 2), strict=True):
        np.testing.assert_allclose(one, both, atol=1e-6)
    assert np.abs(alone[-1]).max() > 0


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_in_half_precision_u_and_v_are_float32s(name):
    """And take no part in the scaling of the loss."""
    images, labels = tiny_methods.digits()[0]
    batch = {
        "images": tf.constant(images[:8]),
        "labels": tf.constant(labels[:8]),
        "ids": tf.range(8, dtype=tf.int64),
    }

    def changes(policy):
        student = registry.build(
            "small_cnn", 10, (8, 8, 1), seed=3, dtype=precision.policy(policy)
        )
        method = sop.SOP(student, num_ids=8, std=0.5, lr_u=0.1, lr_v=0.1)
        method.compile(optimizer.TF1Momentum(0.05))
        before = [base.value_of(x.rows) for x in (method.u, method.v)]
        method.train_step(batch)
        after = [base.value_of(x.rows) for x in (method.u, method.v)]
        assert all(x.dtype == np.float32 for x in after)
        return [a - b for a, b in zip(after, before)]

    for half, exact in zip(changes(name), changes("none")):
        np.testing.assert_allclose(half, exact, atol=0.02)
        assert np.abs(exact).max() > 0.02


def test_the_evidence_is_what_u_and_v_explain():
    method = tiny_methods.compiled("sop", lr_u=10.0, lr_v=20.0)
    images, labels = tiny_methods.digits()[0]
    given = labels.copy()
    given[:10] = (given[:10] + 1) % 10
    assert method.evidence() is None
    method.fit(images, given, epochs=12, **tiny_methods.fit_arguments(method))
    found = method.evidence()
    u, v = (x.rows.numpy() ** 2 for x in (method.u, method.v))
    v[np.arange(96), given] = 0
    assert found["ids"].tolist() == list(range(96))
    np.testing.assert_allclose(
        found["label_score"],
        np.clip(np.log10(np.maximum(u[:, 0], v.max(1))) / -16, 0, 1),
        atol=1e-5,
    )
    issue = found["is_label_issue"]
    np.testing.assert_array_equal(issue, found["label_score"] < 0.5)
    np.testing.assert_array_equal(
        found["target_class"], np.where(issue, v.argmax(1), given)
    )
    assert issue[:10].mean() >= 0.5
    assert issue[10:].mean() < 0.2
    assert (found["target_class"] == labels)[:10].mean() >= 0.5


def test_examples_that_cannot_be_told_apart_are_refused():
    train, _, _ = tiny_methods.digits()
    dataset = tf.data.Dataset.from_tensor_slices(train).shuffle(96).batch(8)
    with pytest.raises(errors.ArgumentError, match="shuffled and has no ids"):
        tiny_methods.compiled("sop").fit(dataset, verbose=0)


@pytest.mark.parametrize(
    "wrong",
    [{"lr_u": -1.0}, {"ratio_consistency": float("nan")}, {"std": -1e-8}],
)
def test_values_out_of_range_are_refused(wrong):
    with pytest.raises(errors.UserError, match="--"):
        sop.SOP(tiny_methods.dense(), **wrong)


@pytest.mark.parametrize(
    ("name", "ratios"),
    [
        ("sop", {}),
        ("sop_plus", {"ratio_consistency": 0.9, "ratio_balance": 0.1}),
    ],
)
def test_nine_steps_are_the_originals(name, ratios):
    numbers = golden.read("sop_steps")
    method = golden.compiled(
        sop.SOP(
            golden.network(),
            num_ids=10,
            lr_u=0.3,
            lr_v=0.5,
            weight_decay=0.02,
            **ratios,
        )
    )
    # Above 1, where U and V are held.
    method.u.rows.assign(golden.wave((10, 1), 0.4, 1.2))
    method.v.rows.assign(golden.wave((10, 4), 1.1, 1.2))
    strong = golden.images(phase=0.7, scale=1.2)
    batches = [golden.batch(r, images_strong=strong) for r in numbers["rows"]]
    golden.assert_steps(method, batches, numbers[name])
    golden.assert_near(method.u.rows, numbers[name]["u"], name="u")
    golden.assert_near(method.v.rows, numbers[name]["v"], name="v")
