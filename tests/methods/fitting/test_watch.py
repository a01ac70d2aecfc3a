import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods.fitting import watch

IMAGES = np.random.default_rng(0).normal(size=(12, 4, 4, 1)).astype("float32")
LABELS = np.arange(12) % 3


def batches(order=range(12), images=IMAGES, labels=LABELS, ids=None, size=4):
    order = list(order)
    parts = {"images": images[order], "labels": labels[order]}
    if ids is not None:
        parts["ids"] = np.asarray(ids)[order]
    return tf.data.Dataset.from_tensor_slices(parts).batch(size)


def look(guard, *passes):
    for dataset in passes:
        for _ in watch.numbered(dataset).map(guard.map):
            pass


def test_positions_are_the_ids_where_there_are_none():
    seen = [b["ids"].numpy() for b in watch.numbered(batches(size=5))]
    assert [len(ids) for ids in seen] == [5, 5, 2]
    np.testing.assert_array_equal(np.concatenate(seen), np.arange(12))
    given = batches(ids=np.arange(12) * 7)
    assert watch.numbered(given) is given


def test_nothing_is_wrong_with_the_same_pass_twice():
    guard = watch.Watch(3, "positions")
    look(guard, batches(), batches())
    assert not guard.problems
    assert not guard.shuffled and not guard.views_change


@pytest.mark.parametrize("order", [[1, 0, *range(2, 12)], range(11, -1, -1)])
def test_a_changed_order_is_found(order):
    guard = watch.Watch(3, "positions")
    with pytest.raises(tf.errors.OpError):
        look(guard, batches(), batches(order))
    assert guard.shuffled
    with pytest.raises(errors.ArgumentError, match="it is shuffled"):
        guard.raise_problems()


def test_a_changed_order_with_ids_is_fine():
    ids = np.arange(12)[::-1]
    guard = watch.Watch(3, "ids")
    look(guard, batches(ids=ids), batches([3, 1, 0, 2, *range(4, 12)], ids=ids))
    assert not guard.problems


def test_an_id_whose_label_changes_is_named():
    changed = LABELS.copy()
    changed[5] = (changed[5] + 1) % 3
    guard = watch.Watch(3, "ids")
    with pytest.raises(tf.errors.OpError):
        look(
            guard,
            batches(ids=np.arange(12)),
            batches(labels=changed, ids=np.arange(12)),
        )
    with pytest.raises(errors.ArgumentError, match="id 5 had the label 2"):
        guard.raise_problems()


def test_images_that_change_in_their_places_are_views():
    guard = watch.Watch(3, "positions")
    look(guard, batches(), batches(images=IMAGES + 1.0))
    assert guard.views_change and not guard.shuffled


@pytest.mark.parametrize(
    "ids, words", [(np.arange(12) + 3, "num_ids - 1 = 11"), (-1, "negative")]
)
def test_ids_out_of_range(ids, words):
    ids = np.broadcast_to(ids, 12).copy()
    guard = watch.Watch(3, "ids", None if words == "negative" else 12)
    with pytest.raises(tf.errors.OpError):
        look(guard, batches(ids=ids))
    with pytest.raises(errors.ArgumentError, match=words):
        guard.raise_problems()


def test_the_first_problem_is_kept():
    bad = LABELS.copy()
    bad[[1, 9]] = 7
    guard = watch.Watch(3)
    for _ in range(2):
        with pytest.raises(tf.errors.OpError):
            look(guard, batches(labels=bad))
    assert guard.problems == [
        "in the batch of examples 0 to 3: 1 of 4 labels are outside 0...2: "
        "labels[1] = 7"
    ]


def test_two_passes_that_begin_alike():
    assert watch.begins_alike(watch.numbered(batches()), 3)
    shuffled = batches().unbatch().shuffle(12, seed=1).batch(4)
    assert not watch.begins_alike(watch.numbered(shuffled), 3)
