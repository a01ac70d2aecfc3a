import numpy as np
import tensorflow as tf

import tiny_methods
from tfnoisy import metrics
from tfnoisy.methods import wrong_events


def batch_of(*ids):
    return {"ids": tf.constant(ids, tf.int64)}


def test_every_visit_counts_and_losses_break_ties():
    events = wrong_events.WrongEvents(5)
    labels = tf.one_hot([0, 0, 0], 2)
    right, unsure, wrong = [4.0, 0.0], [0.1, 0.0], [0.0, 4.0]
    for _ in range(20):
        events.count(
            batch_of(3, 1, 4), labels, tf.constant([right, unsure, wrong])
        )
    # Learnt by heart in the end: what was before stays counted.
    for _ in range(10):
        events.count(
            batch_of(3, 1, 4), labels, tf.constant([right, right, right])
        )
    found = events.evidence()
    assert found["ids"].tolist() == [1, 3, 4]
    assert found["visits"].tolist() == [30, 30, 30]
    assert found["wrong_events"].tolist() == [0, 0, 20]
    scores = found["label_score"]
    assert scores[2] < 0.5 < scores[0] < scores[1] <= 1
    assert found["is_label_issue"].tolist() == [False, False, True]
    losses = np.log1p(np.exp([-0.1, -4.0, 4.0]))
    learnt = np.log1p(np.exp(-4.0))
    np.testing.assert_allclose(
        found["mean_loss"], (2 * losses + learnt) / 3, rtol=1e-5
    )


def test_a_mixed_image_is_held_against_its_larger_part():
    partners = tf.constant([1, 2, 0])
    batch = batch_of(7, 8, 9)
    for share, ids in ((0.7, [7, 8, 9]), (0.5, [7, 8, 9]), (0.3, [8, 9, 7])):
        found = wrong_events.dominant_ids(batch, partners, tf.constant(share))
        assert found["ids"].numpy().tolist() == ids
    images = (tf.zeros([1]), tf.zeros([1]))
    assert wrong_events.dominant_ids(images, partners, 0.3) is images


def test_each_example_is_visited_once_an_epoch():
    train, _, _ = tiny_methods.digits()
    for name in ("baseline", "mixup", "gce", "sce"):
        method = tiny_methods.compiled(name)
        method.fit(*train, epochs=3, **tiny_methods.fit_arguments(method))
        found = method.evidence()
        assert found["visits"].tolist() == [3] * len(train[1])
        assert 0 < found["wrong_events"].mean() < 3


def test_wrong_labels_are_found_on_digits():
    images, labels = tiny_methods.digits()[0]
    given = labels.copy()
    given[::5] = (given[::5] + 3) % 10
    method = tiny_methods.compiled("baseline")
    method.fit(images, given, epochs=15, **tiny_methods.fit_arguments(method))
    found = method.evidence()
    wrong = np.arange(len(given)) % 5 == 0
    assert metrics.auc(found["label_score"], wrong) > 0.8
    flagged = found["is_label_issue"]
    assert flagged[wrong].mean() > flagged[~wrong].mean() + 0.3
