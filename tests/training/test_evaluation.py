import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.augment import standard
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.methods import base
from tfnoisy.training import evaluation

AUGMENTATION = standard.get("none", (3, 3, 1))


def make_dataset(count, num_classes):
    generator = np.random.default_rng(count)
    return dataset_lib.ImageDataset(
        name="toy",
        images=generator.integers(0, 256, (count, 3, 3, 1), np.uint8),
        given_labels=generator.integers(0, num_classes, count),
        clean_labels=generator.integers(0, num_classes, count),
        ids=generator.permutation(count),
        class_names=tuple("abcdefghijkl"[:num_classes]),
    )


def linear(num_classes, **kwargs):
    inputs = keras.Input((3, 3, 1))
    x = keras.layers.Flatten()(inputs)
    student = keras.Model(inputs, keras.layers.Dense(num_classes)(x))
    generator = np.random.default_rng(1)
    student.set_weights(
        [generator.normal(size=w.shape) for w in student.get_weights()]
    )
    return base.Method(student, **kwargs)


def logits_by_hand(dataset, weights):
    x = (dataset.images.reshape(len(dataset), -1) - 127.5) / 127.5
    return x @ weights[0] + weights[1]


def expected(dataset, weights, labels):
    logits = logits_by_hand(dataset, weights)
    ranks = np.argsort(-logits, axis=1)
    log_sums = np.log(np.exp(logits).sum(1))
    of_label = logits[np.arange(len(labels)), labels]
    return {
        "accuracy": np.mean(ranks[:, 0] == labels),
        "top5": np.mean([y in best for y, best in zip(labels, ranks[:, :5])]),
        "loss": np.mean(log_sums - of_label),
    }


@pytest.mark.parametrize(
    "count, batch_size, replicas",
    [(23, 4, 1), (23, 4, 2), (24, 4, 2), (3, 250, 2), (1, 1, 2)],
)
def test_it_is_numpys(count, batch_size, replicas, two_replicas):
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    if replicas == 2:
        strategy = two_replicas
    dataset = make_dataset(count, 8)
    with strategy.scope():
        method = linear(8)
    weights = method.student.get_weights()
    evaluate = evaluation.Evaluator(
        method, dataset, AUGMENTATION, batch_size, strategy
    )
    found = evaluate()
    assert all(type(value) is float for value in found.values())
    labels = dataset.given_labels
    assert found == pytest.approx(expected(dataset, weights, labels), abs=1e-6)
    # The method is looked at anew each time.
    for weight in method.student.trainable_variables:
        weight.assign(-weight)
    weights = [-weight for weight in weights]
    wanted = expected(dataset, weights, labels)
    assert evaluate() == pytest.approx(wanted, abs=1e-6)


def test_it_may_judge_by_other_labels():
    dataset = make_dataset(23, 8)
    method = linear(8)
    found = evaluation.Evaluator(
        method,
        dataset,
        AUGMENTATION,
        10,
        tf.distribute.get_strategy(),
        dataset.clean_labels,
    )()
    weights = method.student.get_weights()
    wanted = expected(dataset, weights, dataset.clean_labels)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert wanted != expected(dataset, weights, dataset.given_labels)


def test_top_5_of_three_classes_is_everything():
    dataset = make_dataset(10, 3)
    found = evaluation.Evaluator(
        linear(3), dataset, AUGMENTATION, 4, tf.distribute.get_strategy()
    )()
    assert found["top5"] == 1.0
    assert found["accuracy"] < 1.0


def test_averaged_weights_are_judged_where_there_are_any():
    dataset = make_dataset(23, 8)
    method = linear(8, ema_decay=0.9)
    averages = method.student.get_weights()
    for weight in method.student.trainable_variables:
        weight.assign(-weight)
    found = evaluation.Evaluator(
        method, dataset, AUGMENTATION, 5, tf.distribute.get_strategy()
    )()
    wanted = expected(dataset, averages, dataset.given_labels)
    assert found == pytest.approx(wanted, abs=1e-6)
    np.testing.assert_allclose(
        evaluation.predict_logits(method, dataset, AUGMENTATION, 5),
        logits_by_hand(dataset, averages),
        atol=1e-5,
    )


@pytest.mark.parametrize("batch_size", [4, 23, 250])
def test_predicted_logits_are_in_the_order_of_the_data(batch_size):
    dataset = make_dataset(23, 8)
    method = linear(8)
    logits = evaluation.predict_logits(
        method, dataset, AUGMENTATION, batch_size
    )
    assert logits.shape == (23, 8) and logits.dtype == np.float32
    by_hand = logits_by_hand(dataset, method.student.get_weights())
    np.testing.assert_allclose(logits, by_hand, atol=1e-5)
