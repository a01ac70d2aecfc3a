import json

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import base
from tfnoisy.methods.bkd import tipping, trust

IDS = np.array([7, 0, 3, 12, 5, 6, 9, 1, 11, 4])
NUM_IDS = 14


def agreements(epoch, stream):
    """Some q of the ten examples, different in every epoch."""
    rng = np.random.default_rng([epoch, stream])
    return np.where(
        np.arange(10) < 4, 0.2 * rng.random(10), 1 - 0.3 * rng.random(10)
    ).astype(np.float32)


def train(point, means, of=agreements):
    """Epochs of two batches each; returns those that were judged."""
    judged = []
    for epoch, mean in enumerate(means):
        q = of(epoch, 0)
        for rows in (slice(0, 6), slice(6, 10)):
            point.record(
                tf.constant(IDS[rows], tf.int64),
                tf.constant(q[rows]),
                tf.fill([len(q[rows])], np.float32(mean)),
            )

        def judge(epoch=epoch):
            judged.append(epoch)
            return of(epoch, 1)

        point.end_epoch(IDS, judge)
    point.end_training()
    return judged


def groups_of(q, otsu="released"):
    return trust.trust_groups(q, trust.otsu_split(q, otsu))


@pytest.mark.parametrize(
    "means, peak, decided",
    [
        ([0.1, 0.2, 0.3, 0.4, 0.3, 0.2, 0.9, 0.1], 3, 5),
        # Found three epochs later, as the rule waits for six values.
        ([0.1, 0.2, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1], 2, 5),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.4, 0.3, 0.6], 4, 6),
        ([0.5, 0.4, 0.3, 0.2, 0.3, 0.4, 0.3, 0.2], 5, 7),
    ],
)
@pytest.mark.parametrize("otsu", trust.CRITERIA)
def test_the_tipping_epoch_decides(means, peak, decided, otsu):
    point = tipping.TippingPoint(NUM_IDS, 8, otsu=otsu)
    assert point.evidence() is None
    # A judgement of every undecided epoch, none later.
    assert train(point, means) == list(range(decided))
    assert int(point.epoch) == int(point.evidence_epoch) == peak
    np.testing.assert_allclose(point.curve(), means, rtol=1e-5)
    # Both groupings are of epoch e*, each of its own agreements.
    groups = base.value_of(point.groups)
    np.testing.assert_array_equal(
        groups[IDS], groups_of(agreements(peak, 0), otsu)
    )
    assert np.count_nonzero(groups) == 10
    evidence = point.evidence()
    order = np.argsort(IDS)
    np.testing.assert_array_equal(evidence["ids"], IDS[order])
    q = agreements(peak, 1)
    np.testing.assert_array_equal(evidence["agreement"], q[order])
    np.testing.assert_array_equal(evidence["group"], groups_of(q, otsu)[order])
    np.testing.assert_array_equal(
        evidence["is_label_issue"], evidence["group"] == 4
    )
    assert evidence["is_label_issue"].any()


@pytest.mark.parametrize(
    "means, fallback, epoch, judged",
    [
        ([0.1, 0.2, 0.3, 0.4, 0.3, 0.2], True, 3, 3),
        ([0.1, 0.2, 0.3, 0.2, 0.1], True, None, 2),
        ([0.1, 0.2, 0.3, 0.2, 0.1], False, None, None),
        ([], True, None, None),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_results_json_tells_of_it(means, fallback, epoch, judged):
    point = tipping.TippingPoint(NUM_IDS, 8, fallback=fallback)
    train(point, means)
    found = json.loads(json.dumps(point.method_metrics()))["tipping"]
    assert found == {
        "confidence": pytest.approx(means, rel=1e-5),
        "epoch": epoch,
        "judged_epoch": judged,
    }


def test_nothing_is_decided_before():
    point = tipping.TippingPoint(NUM_IDS, 8, fallback=False)
    with pytest.warns(UserWarning, match="in 5 epochs: no label is judged"):
        train(point, [0.1, 0.2, 0.3, 0.2, 0.1])
    assert point.evidence() is None
    assert int(point.epoch) == -1
    assert not base.value_of(point.groups).any()


@pytest.mark.parametrize(
    "means, best",
    [
        # Twice the largest: the first counts, and is no peak.
        ([0.1, 0.2, 0.5, 0.5, 0.3, 0.2, 0.2, 0.2], 2),
        # Long ago.
        ([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], 0),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], 7),
        ([0.4], 0),
    ],
)
def test_without_a_tipping_point_the_most_confident_epoch_judges(means, best):
    point = tipping.TippingPoint(NUM_IDS, 8)
    with pytest.warns(UserWarning) as caught:
        train(point, means)
        point.end_training()
    (warning,) = [str(w.message) for w in caught]
    assert f"no tipping point in {len(means)} epochs" in warning
    assert f"epoch {best}," in warning
    assert int(point.epoch) == -1 and int(point.evidence_epoch) == best
    np.testing.assert_array_equal(
        point.evidence()["agreement"], agreements(best, 1)[np.argsort(IDS)]
    )
    # For the labels only: training has no groups.
    assert not base.value_of(point.groups).any()


def test_a_run_that_is_prolonged_may_still_find_it():
    point = tipping.TippingPoint(NUM_IDS, 8)
    with pytest.warns(UserWarning, match="epoch 2,"):
        train(point, [0.1, 0.2, 0.3])
    for epoch, mean in enumerate([0.4, 0.3, 0.2], 3):
        point.record(
            tf.constant(IDS),
            tf.constant(agreements(epoch, 0)),
            tf.fill([10], mean),
        )
        point.end_epoch(IDS, lambda epoch=epoch: agreements(epoch, 1))
        if epoch == 3:
            with pytest.warns(UserWarning, match="in 4 .* epoch 3,"):
                point.end_training()
            assert int(point.evidence_epoch) == 3
            assert int(point.epoch) == -1
    assert int(point.epoch) == 3
    assert base.value_of(point.groups).any()


def test_training_without_a_whole_epoch_judges_nothing():
    point = tipping.TippingPoint(NUM_IDS, 8)
    point.end_training()
    assert point.evidence() is None and len(point.curve()) == 0


def test_equal_agreements_are_warned_of_and_flag_nothing():
    point = tipping.TippingPoint(NUM_IDS, 8)
    means = [0.1, 0.2, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1]
    with pytest.warns(UserWarning) as caught:
        train(point, means, lambda *_: np.full(10, 0.4321, np.float32))
    messages = [str(w.message) for w in caught]
    assert len(messages) == 2
    assert "training in epoch 2" in messages[0]
    assert "evaluation in epoch 2" in messages[1]
    np.testing.assert_array_equal(base.value_of(point.groups)[IDS], 1)
    evidence = point.evidence()
    np.testing.assert_array_equal(evidence["group"], 1)
    assert not evidence["is_label_issue"].any()


def test_a_lower_class_within_one_bin_is_warned_of():
    def spikes(*_):
        return np.where(np.arange(10) < 4, 0.1004, 0.9001).astype(np.float32)

    point = tipping.TippingPoint(NUM_IDS, 8)
    with pytest.warns(UserWarning, match="group 4, of wrong labels, is empty"):
        train(point, [0.1, 0.2, 0.3, 0.2, 0.1, 0.1], spikes)
    evidence = point.evidence()
    assert evidence["group"][np.argsort(np.argsort(IDS))].tolist() == (
        [3] * 4 + [1] * 6
    )
    assert not evidence["is_label_issue"].any()


def test_confidences_are_summed_exactly():
    # A float32 sum of so many would stop at 2^24 ones.
    point = tipping.TippingPoint(NUM_IDS, 1)
    point.confidence.assign(2.0**24)
    point.record(tf.constant([1], tf.int64), tf.ones([1]), tf.ones([1]))
    assert float(point.confidence) == 2.0**24 + 1


def test_all_of_it_is_variables():
    point = tipping.TippingPoint(NUM_IDS, 8)
    train(point, [0.1, 0.2, 0.3, 0.2, 0.1, 0.1])
    other = tipping.TippingPoint(NUM_IDS, 8)
    for v, w in zip(other.variables, point.variables):
        v.assign(w)
    np.testing.assert_array_equal(other.curve(), point.curve())
    for name, values in point.evidence().items():
        np.testing.assert_array_equal(other.evidence()[name], values)
    assert not point.trainable_variables


def test_an_unknown_criterion():
    with pytest.raises(errors.UserError, match="--otsu=none"):
        tipping.TippingPoint(NUM_IDS, 8, otsu="none")


@pytest.mark.parametrize(
    "steps, passes", [(352, 1), (200, 1), (199, 2), (40, 5), (1, 200)]
)
def test_a_value_is_of_two_hundred_steps(steps, passes):
    assert tipping.passes_of(steps) == passes
