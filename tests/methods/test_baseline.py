import numpy as np
import tensorflow as tf

from tfnoisy.methods import baseline
from tfnoisy.nets import registry
from tfnoisy.training import optimizer


def batch_of(size=16):
    images = tf.random.stateless_normal([size, 8, 8, 1], [5, 6])
    return {"images": images, "labels": tf.range(size) % 10}


def compiled(**kwargs):
    student = registry.build("small_cnn", 10, (8, 8, 1), seed=3)
    method = baseline.Baseline(student, **kwargs)
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    return method


def test_one_step_is_gradient_descent_on_the_mean_cross_entropy():
    method, reference = compiled(weight_decay=0.01), compiled()
    batch = batch_of()
    student = reference.student
    with tf.GradientTape() as tape:
        logits = student(batch["images"], training=True)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            batch["labels"], logits
        )
        decay = sum(
            tf.reduce_sum(v * v)
            for v in student.trainable_variables
            if len(v.shape) > 1
        )
        loss = tf.reduce_mean(losses) + 0.01 * decay / 2
    gradients = tape.gradient(loss, student.trainable_variables)
    expected = [
        v.numpy() - 0.1 * g.numpy()
        for v, g in zip(student.trainable_variables, gradients)
    ]
    logs = method.train_step(batch)
    assert abs(float(logs["loss"]) - float(loss)) < 1e-5
    for v, e in zip(method.student.trainable_variables, expected):
        np.testing.assert_allclose(v, e, atol=1e-5)


def test_label_smoothing_is_tf1s():
    # tf.losses.softmax_cross_entropy: y (1 - s) + s / C.
    batch = batch_of()
    logits = compiled().student(batch["images"], training=True)
    labels = 0.8 * tf.one_hot(batch["labels"], 10) + 0.02
    expected = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
    loss = compiled(label_smoothing=0.2).train_step(batch)["loss"]
    np.testing.assert_allclose(loss, tf.reduce_mean(expected), rtol=1e-5)


def test_mixup_mixes_images_and_labels_alike():
    # With identical images, mixing changes the labels only: the loss is the
    # cross-entropy with mixed labels, which is linear in them.
    method, plain = compiled(mixup_alpha=1.0), compiled()
    images = tf.tile(batch_of(1)["images"], [8, 1, 1, 1])
    labels = tf.range(8)
    mixed = method.train_step((images, labels))
    unmixed = plain.train_step((images, labels))
    np.testing.assert_allclose(mixed["loss"], unmixed["loss"], rtol=1e-4)
    # And with differing images it is another step.
    other, plain = compiled(mixup_alpha=1.0), compiled()
    first = float(other.train_step(batch_of())["loss"])
    assert abs(first - float(plain.train_step(batch_of())["loss"])) > 1e-3


def test_steps_repeat_bit_for_bit():
    runs = []
    for _ in range(2):
        method = compiled(mixup_alpha=2.0, seed=11)
        step = tf.function(method.train_step, autograph=False)
        for _ in range(3):
            step(batch_of())
        runs.append([v.numpy() for v in method.student.trainable_variables])
    for a, b in zip(*runs):
        np.testing.assert_array_equal(a, b)


def test_fit_learns():
    method = compiled()
    batch = batch_of(10)
    data = tf.data.Dataset.from_tensors(
        (batch["images"], batch["labels"])
    ).repeat(60)
    history = method.fit(data, epochs=2, steps_per_epoch=30, verbose=0)
    assert history.history["loss"][0] > history.history["loss"][1] > 0
    assert history.history["accuracy"][1] > 0
    result = method.evaluate(
        tf.data.Dataset.from_tensors((batch["images"], batch["labels"])),
        verbose=0,
        return_dict=True,
    )
    assert result["accuracy"] > 0.9
    probabilities = method.predict(batch["images"], verbose=0)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, atol=1e-5)
