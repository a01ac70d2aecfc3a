import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import averages, base, mean_weights
from tfnoisy.nets import registry
from tfnoisy.training import optimizer


def linear_student(num_classes=3, bias=True):
    inputs = keras.Input((2, 2, 1))
    x = keras.layers.Flatten()(inputs)
    logits = keras.layers.Dense(num_classes, use_bias=bias, name="logits")(x)
    return keras.Model(inputs, logits)


def one_weight_method(**kwargs):
    """A method around a single weight, to be driven by hand."""
    inputs = keras.Input((1,))
    student = keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))
    student.set_weights([np.ones((1, 1))])
    method = base.Method(student, **kwargs)
    method.compile(optimizer.TF1Momentum(1.0, momentum=0.0))
    return method


def move_to(method, target):
    """One update that brings the weight to the target."""
    weight = method.student.trainable_variables[0]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(weight * tf.stop_gradient(weight - target))
    method.minimize(loss, tape)


@pytest.mark.parametrize(
    "n, decay",
    [
        (0, 0.1),
        (1, 2 / 11),
        (10, 0.55),
        (100, 0.918182),
        (89989, 0.99989999),
        (89990, 0.9999),
        (10**6, 0.9999),
    ],
)
def test_average_decay(n, decay):
    assert float(averages.average_decay(0.9999, float(n))) == pytest.approx(
        decay, abs=1e-6
    )


def test_averages_of_the_weights_before_each_update():
    """TF1's moving average of 1, 0.5, 0.25 and 0, with decays from 0.1 on."""
    method = one_weight_method(ema_decay=0.9999, ema_before_update=True)
    (weight,) = method.student.trainable_variables
    for target in (0.5, 0.25, 0.0):
        move_to(method, target)
        np.testing.assert_allclose(weight, [[target]], atol=1e-6)
    # The first update saw the first weight: the average has not moved then.
    by_hand = 1.0
    for n, seen in enumerate([1.0, 0.5, 0.25]):
        decay = (1 + n) / (10 + n)
        by_hand = decay * by_hand + (1 - decay) * seen
    np.testing.assert_allclose(method.averages[0], [[by_hand]], atol=1e-6)
    # tf.train.ExponentialMovingAverage at n = 0, 1, 2.
    method = one_weight_method(ema_decay=0.9999, ema_before_update=True)
    (weight,) = method.student.trainable_variables
    weight.assign([[0.5]])
    for target, average in [(0.25, 0.55), (0.0, 0.304545), (9.0, 0.076136)]:
        move_to(method, target)
        np.testing.assert_allclose(method.averages[0], [[average]], atol=1e-6)


def descend_on_a_slope_of_2(method):
    """One step of momentum 0.9 and learning rate 0.1 on 2 w."""
    with tf.GradientTape() as tape:
        loss = 2.0 * tf.reduce_sum(method.student.trainable_variables[0])
    method.minimize(loss, tape)


def test_momentum_is_tf1s():
    # m <- 0.9 m + 2, w <- w - 0.1 m from w = 1.
    method = one_weight_method(ema_decay=0.999)
    method.compile(optimizer.TF1Momentum(0.1, momentum=0.9))
    weight = method.student.trainable_variables[0]
    weights = []
    for _ in range(3):
        descend_on_a_slope_of_2(method)
        weights.append(float(weight.numpy()[0, 0]))
    np.testing.assert_allclose(weights, [0.8, 0.42, -0.122], atol=1e-6)
    accumulator = method.optimizer.accumulator(weight)
    np.testing.assert_allclose(accumulator, [[5.42]], atol=1e-6)


def test_averages_of_the_weights_after_each_update():
    # Of 0.8, 0.42 and -0.122, with the decays 2/11, 3/12 and 4/13.
    method = one_weight_method(ema_decay=0.999)
    method.compile(optimizer.TF1Momentum(0.1, momentum=0.9))
    averages = []
    for _ in range(3):
        descend_on_a_slope_of_2(method)
        averages.append(float(method.averages[0].numpy()[0, 0]))
    np.testing.assert_allclose(
        averages, [0.836364, 0.524091, 0.076797], atol=1e-6
    )


def test_decay_counts_kernels_only():
    # google-research/mentormix, resnet_model.py, `_decay`: 0.0002 * 3 / 2.
    inputs = keras.Input((3,))
    student = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    student.set_weights([np.ones((3, 1)), np.array([7.0])])
    method = base.Method(student, weight_decay=0.0002)
    assert float(method.decay_loss()) == pytest.approx(0.0003)
    student.set_weights([np.ones((3, 1)), np.array([-50.0])])
    assert float(method.decay_loss()) == pytest.approx(0.0003)
    assert float(base.Method(student).decay_loss()) == 0.0


def test_decay_of_a_network_leaves_out_batch_norm_and_bias():
    student = registry.build("cifar_resnet20", 10, (32, 32, 3))
    method = base.Method(student, weight_decay=1.0)
    before = float(method.decay_loss())
    for v in student.trainable_variables:
        if len(v.shape) == 1:
            v.assign(v + 3.0)
    assert float(method.decay_loss()) == before
    by_hand = sum(
        float(np.sum(v.numpy() ** 2)) / 2
        for v in student.trainable_variables
        if len(v.shape) > 1
    )
    assert before == pytest.approx(by_hand, rel=1e-5)


def test_decayed_variables_can_be_named():
    student = linear_student()
    method = base.Method(
        student, weight_decay=1.0, decayed=student.trainable_variables
    )
    student.set_weights([np.zeros((4, 3)), np.array([1.0, 2.0, 3.0])])
    assert float(method.decay_loss()) == pytest.approx(7.0)


def test_unpack_takes_dicts_pairs_and_one_hot():
    method = base.Method(linear_student())
    images = tf.zeros([2, 2, 2, 1])
    one_hot = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    for batch in (
        {"images": images, "labels": tf.constant([1, 2]), "ids": None},
        (images, tf.constant([1, 2])),
        (images, tf.constant(one_hot)),
    ):
        _, labels = method.unpack(batch)
        np.testing.assert_array_equal(labels, one_hot)


def test_unpack_casts_and_refuses():
    method = base.Method(linear_student())
    images = tf.zeros([2, 2, 2, 1], tf.uint8)
    cast, labels = method.unpack((images, tf.constant([[1], [2]])))
    assert cast.dtype == tf.float32
    np.testing.assert_array_equal(labels, [[0, 1, 0], [0, 0, 1]])
    with pytest.raises(errors.UserError, match="3 classes"):
        method.unpack((images, tf.zeros([2, 4])))


def test_untracked_forward_uses_the_batch_and_stores_nothing():
    student = registry.build("small_cnn", 10, (8, 8, 1))
    method = base.Method(student)
    images = tf.random.stateless_normal([16, 8, 8, 1], [1, 2])
    before = [v.numpy() for v in student.non_trainable_variables]
    untracked = method.forward_untracked(images).numpy()
    for old, v in zip(before, student.non_trainable_variables):
        np.testing.assert_array_equal(old, v.numpy())
    tracked = student(images, training=True).numpy()
    np.testing.assert_allclose(untracked, tracked, atol=1e-6)
    moved = [
        not np.array_equal(old, v.numpy())
        for old, v in zip(before, student.non_trainable_variables)
    ]
    assert any(moved)


def test_evaluation_takes_averages_and_raw_statistics():
    student = registry.build("small_cnn", 10, (8, 8, 1))
    method = base.Method(student, ema_decay=0.999)
    images = tf.random.stateless_normal([4, 8, 8, 1], [1, 2])
    np.testing.assert_allclose(
        method.evaluation_logits(images), student(images), atol=1e-6
    )
    for average in method.averages:
        average.assign(average * 0.5)
    student(tf.random.stateless_normal([16, 8, 8, 1], [3, 4]), training=True)
    evaluated = method.evaluation_logits(images).numpy()
    other = registry.build("small_cnn", 10, (8, 8, 1))
    for v, average in zip(other.trainable_variables, method.averages):
        v.assign(average)
    for v, raw in zip(
        other.non_trainable_variables, student.non_trainable_variables
    ):
        v.assign(raw)
    np.testing.assert_allclose(evaluated, other(images), atol=1e-5)
    assert method.evaluated_weights == "ema"
    assert base.Method(student).evaluated_weights == "raw"


def test_a_checkpoint_with_and_without_mean_weights(tmp_path):
    def make():
        method = one_weight_method()
        method.mean_weights = mean_weights.MeanWeights(3)
        method.extra = method.add_weight(shape=[], name="extra")
        return method

    saved = make()
    saved.extra.assign(5.0)
    saved.mean_weights.record(
        {"ids": tf.constant([1], tf.int64)}, tf.constant([0.25])
    )
    for evidence, ids in ((True, [1]), (False, None)):
        path = saved.checkpoint(evidence=evidence).save(str(tmp_path / "ckpt"))
        restored = make()
        checkpoint = restored.checkpoint(evidence=evidence)
        checkpoint.restore(path).assert_consumed()
        assert float(restored.extra) == 5.0
        found = restored.mean_weights.means()
        assert (found and found["ids"].tolist()) == ids
    # Nor are they part of what is judged.
    judged = saved.checkpoint(evaluation_only=True).save(str(tmp_path / "e"))
    names = [name for name, _ in tf.train.list_variables(judged)]
    assert not any("evidence" in name for name in names)


def test_draws_differ_by_step_and_stream():
    method = one_weight_method()
    first = method.draw_seed("mix").numpy()
    assert not np.array_equal(first, method.draw_seed("partner").numpy())
    np.testing.assert_array_equal(first, method.draw_seed("mix").numpy())
    move_to(method, 0.5)
    assert not np.array_equal(first, method.draw_seed("mix").numpy())


def test_the_whole_training_is_one_stage():
    method = one_weight_method()

    class Data:
        def batches(self):
            pass

    data = Data()
    stage = method.stage(7, data, 100)
    assert (stage.first_step, stage.last_step) == (0, 100)
    assert stage.batches == data.batches
    assert method.stage(100, data, 100) is None


def test_a_part_of_the_student_can_be_updated():
    student = keras.Sequential(
        [
            keras.Input([1]),
            keras.layers.Dense(1, use_bias=False),
            keras.layers.Dense(1, use_bias=False),
        ]
    )
    method = base.Method(student, weight_decay=0.5, ema_decay=0.9)
    method.compile(optimizer.TF1Momentum(0.1, momentum=0.9))
    first, second = student.trainable_variables
    first.assign([[2.0]])
    second.assign([[3.0]])
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = method.decay_loss([first])
        assert loss == 0.25 * first[0, 0] ** 2
        method.minimize(loss, tape, [first])
    # Gradients 1 and 0.95; the velocity was 1, then 1.85.
    np.testing.assert_allclose(first, [[2.0 - 0.1 - 0.185]], rtol=1e-5)
    assert second[0, 0] == 3.0
    assert method.optimizer.accumulator(second)[0, 0] == 0.0
    assert int(method.step) == 2
    assert len(method.averages) == 2


def test_evaluate_averages_over_batches_and_heeds_the_mask():
    method = base.Method(linear_student())
    method.compile(optimizer.TF1Momentum(0.1))
    images = tf.random.stateless_normal([10, 2, 2, 1], [1, 2])
    labels = tf.range(10) % 3
    logits = method(images).numpy()
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    pairs = tf.data.Dataset.from_tensor_slices((images, labels)).batch(4)
    result = method.evaluate(pairs, verbose=0, return_dict=True)
    assert result["loss"] == pytest.approx(np.mean(losses), rel=1e-5)
    right = logits.argmax(1) == labels.numpy()
    assert result["accuracy"] == pytest.approx(right.mean())
    masked = {
        "images": images,
        "labels": labels,
        "mask": tf.constant([1.0] * 5 + [0.0] * 5),
    }
    result = method.evaluate(
        tf.data.Dataset.from_tensors(masked), verbose=0, return_dict=True
    )
    assert result["accuracy"] == pytest.approx(right[:5].mean())
