import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.augment import standard
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import drawing, pipeline


def make_dataset(ids, shape=(4, 4, 3)):
    """A data set whose images are functions of the ids."""
    ids = np.asarray(ids)
    images = np.stack(
        [np.random.default_rng(i).integers(0, 256, shape, "u1") for i in ids]
    )
    return dataset_lib.ImageDataset(
        name="toy",
        images=images,
        given_labels=ids % 3,
        clean_labels=ids % 2,
        ids=ids,
        class_names=("a", "b", "c"),
    )


def seen(images, draws):
    """A view that shows the image's first channel mean and its draws."""
    mean = tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3])
    return tf.concat([mean[:, None], draws], axis=1)


SEEN = standard.Augmentation(
    "seen", 2, standard.unmoved, seen, seen, view_shape=(3,)
)


def stream(ids=range(10), batch_size=4, seed=0, augmentation=SEEN, **kwargs):
    dataset = ids if hasattr(ids, "images") else make_dataset(ids)
    return pipeline.training_batches(
        dataset, augmentation, batch_size, seed, **kwargs
    )


def take(batches, count):
    return [
        {name: value.numpy() for name, value in batch.items()}
        for batch in batches.take(count)
    ]


def assert_same(found, expected):
    assert len(found) == len(expected)
    for batch, other in zip(found, expected):
        assert batch.keys() == other.keys()
        for name in batch:
            np.testing.assert_array_equal(batch[name], other[name])


def views_of(batches, num_examples, count):
    """{(epoch, id): view} of the first batches of a stream."""
    examples = [
        (int(i), view)
        for batch in take(batches, count)
        for i, view in zip(batch["ids"], batch["images"])
    ]
    return {
        (position // num_examples, i): view
        for position, (i, view) in enumerate(examples)
    }


def test_a_batch():
    dataset = make_dataset([11, 5, 2, 30])
    augmentation = standard.get("none", (4, 4, 3))
    batches = stream(dataset, 3, augmentation=augmentation)
    assert batches.element_spec == {
        "images": tf.TensorSpec([3, 4, 4, 3], tf.float32),
        "labels": tf.TensorSpec([3], tf.int32),
        "ids": tf.TensorSpec([3], tf.int64),
    }
    for batch in take(batches, 3):
        rows = [dataset.ids.tolist().index(i) for i in batch["ids"]]
        np.testing.assert_array_equal(
            batch["labels"], dataset.given_labels[rows]
        )
        np.testing.assert_array_equal(
            batch["images"],
            standard.to_unit_range(dataset.images[rows]),
        )


def test_each_epoch_holds_each_example_once_in_a_new_order():
    ids = take(stream(), 15)
    assert all(len(batch["ids"]) == 4 for batch in ids)
    epochs = np.concatenate([batch["ids"] for batch in ids]).reshape(6, 10)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(10))
    orders = {tuple(epoch) for epoch in epochs} | {tuple(range(10))}
    assert len(orders) == 7


def test_the_order_is_that_of_every_process():
    # A run resumed by another process, or another version, needs the same.
    batches = take(stream(seed=5), 5)
    order = np.concatenate([batch["ids"] for batch in batches])
    first, second = (
        [3, 6, 4, 2, 0, 9, 5, 8, 1, 7],
        [4, 5, 3, 1, 8, 7, 2, 0, 9, 6],
    )
    np.testing.assert_array_equal(order, first + second)


def test_batches_without_shuffling_keep_the_order_in_every_epoch():
    ids = [batch["ids"] for batch in take(stream(shuffle=False), 5)]
    np.testing.assert_array_equal(np.concatenate(ids), [*range(10)] * 2)


def test_values_by_row_come_with_the_batches_and_may_replace_the_labels():
    dataset = make_dataset([7, 3, 11])
    values = {
        "sample_weight": np.float32([0.5, 1.0, 2.0]),
        "labels": np.float32([[1, 0], [0.5, 0.5], [0, 1]]),
    }
    data = pipeline.TrainingData(dataset, SEEN, 2, 0, values=values)
    for batch in take(data.batches(), 3):
        rows = [dataset.ids.tolist().index(i) for i in batch["ids"]]
        for name, value in values.items():
            np.testing.assert_array_equal(batch[name], value[rows])


def test_the_draws_are_those_of_seed_epoch_and_id():
    views = views_of(stream([3, 0, 8], 2, seed=6), 3, 6)
    assert set(views) == set(itertools.product(range(4), (0, 3, 8)))
    for (epoch, i), view in views.items():
        draws = randomness.uniform_by_id(6, "augment", 9, 2, epoch)
        np.testing.assert_array_equal(view[1:], draws[i])
    assert len({tuple(view) for view in views.values()}) == len(views)
    others = views_of(stream([3, 0, 8], 2, seed=7), 3, 6)
    assert all((view != others[key]).any() for key, view in views.items())


@pytest.mark.parametrize("first", [0, 1, 2, 3, 4, 5, 9, 26])
def test_the_stream_can_be_entered_at_any_batch(first):
    # Ten examples in batches of four: every kind of epoch border.
    whole = take(stream(), 30)
    assert_same(take(stream(first_batch=first), 4), whole[first : first + 4])


@pytest.mark.parametrize("first", [1, 2, 5])
def test_batches_may_be_larger_than_the_data(first):
    whole = take(stream(range(3), 7), 9)
    counts = np.bincount(np.concatenate([b["ids"] for b in whole]))
    np.testing.assert_array_equal(counts, [21, 21, 21])
    found = take(stream(range(3), 7, first_batch=first), 4)
    assert_same(found, whole[first : first + 4])


@pytest.mark.parametrize("name", ["standard", "mentormix"])
def test_a_view_does_not_depend_on_its_place_in_the_batch(name):
    augmentation = standard.get(name, (4, 4, 3))
    ids = range(12)
    expected = views_of(stream(ids, 12, augmentation=augmentation), 12, 2)
    assert len(expected) == 24
    for batch_size in (3, 8):
        batches = stream(ids, batch_size, augmentation=augmentation)
        found = views_of(batches, 12, 24 // batch_size)
        assert found.keys() == expected.keys()
        for key, view in found.items():
            np.testing.assert_array_equal(view, expected[key])


@pytest.mark.parametrize("calls", [1, 5])
def test_the_number_of_parallel_calls_changes_nothing(calls, monkeypatch):
    augmentation = standard.get("mentormix", (4, 4, 3))
    expected = take(stream(augmentation=augmentation), 12)
    monkeypatch.setattr(tf.data, "AUTOTUNE", calls)
    batches = stream(augmentation=augmentation)
    options = tf.data.Options()
    options.threading.private_threadpool_size = calls
    assert_same(take(batches.with_options(options), 12), expected)


def test_a_subset_sees_what_the_whole_sees():
    whole = make_dataset(range(20))
    rows = np.array([17, 2, 11, 5, 3, 8, 0])
    part = whole.take(rows)
    expected = views_of(stream(whole, 5), 20, 12)
    found = views_of(stream(part, 7), 7, 3)
    assert len(found) == 21
    for key, view in found.items():
        np.testing.assert_array_equal(view, expected[key])
    # In the same order too, the others left out.
    order = [key for key in expected if key[1] in set(rows.tolist())]
    assert list(found) == order
    # And the order of the rows in memory does not matter.
    assert_same(
        take(stream(part.take(np.arange(7)[::-1]), 5), 5),
        take(stream(part, 5), 5),
    )


@pytest.mark.parametrize("workers, replicas", [(1, 2), (2, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("first_batch", [0, 12])
def test_workers_share_the_one_stream(workers, replicas, first_batch):
    expected = take(stream(first_batch=first_batch), 12)
    local = replicas // workers
    found = [None] * 12
    for worker in range(workers):
        context = tf.distribute.InputContext(
            num_input_pipelines=workers,
            input_pipeline_id=worker,
            num_replicas_in_sync=replicas,
        )
        batches = stream(first_batch=first_batch, input_context=context)
        mine = [
            index for index in range(12) if index % replicas // local == worker
        ]
        for index, batch in zip(mine, take(batches, len(mine))):
            found[index] = batch
    assert_same(found, expected)


def test_mirrored_replicas_share_the_one_stream(two_replicas):
    data = pipeline.TrainingData(make_dataset(range(10)), SEEN, 4, seed=3)
    expected = take(stream(seed=3), 8)
    assert_same(take(data.batches(), 8), expected)
    batches = two_replicas.distribute_datasets_from_function(
        lambda context: data.batches(2, context)
    )
    found = []
    for batch in itertools.islice(batches, 3):
        replicas = {
            name: two_replicas.experimental_local_results(value)
            for name, value in batch.items()
        }
        found += [
            {name: values[k].numpy() for name, values in replicas.items()}
            for k in range(2)
        ]
    assert_same(found, expected[2:])


@pytest.mark.parametrize("count", [1, 4, 10, 12])
def test_evaluation_sees_everything_once_in_order(count):
    dataset = make_dataset(np.arange(count)[::-1])
    augmentation = standard.get("mentormix", (4, 4, 3))
    batches = list(
        pipeline.evaluation_batches(
            dataset, augmentation, 4
        ).as_numpy_iterator()
    )
    assert len(batches) == -(-count // 4)
    joined = {
        name: np.concatenate([batch[name] for batch in batches])
        for name in batches[0]
    }
    mask = joined.pop("mask")
    np.testing.assert_array_equal(mask, np.arange(len(mask)) < count)
    assert mask.dtype == np.float32
    np.testing.assert_array_equal(joined["ids"][:count], dataset.ids)
    np.testing.assert_array_equal(
        joined["labels"][:count], dataset.given_labels
    )
    np.testing.assert_array_equal(
        joined["images"][:count], standard.to_unit_range(dataset.images)
    )
    # What fills the last batch up is a real image, so no number of it is
    # infinite or wild.
    for values in joined.values():
        assert (values[count:] == values[count - 1]).all()


def test_evaluation_may_judge_by_other_labels():
    dataset = make_dataset(range(5))
    [batch] = pipeline.evaluation_batches(
        dataset, standard.get("none", (4, 4, 3)), 8, dataset.clean_labels
    ).as_numpy_iterator()
    assert batch["labels"].dtype == np.int32
    np.testing.assert_array_equal(batch["labels"][:5], [0, 1, 0, 1, 0])


def strong_view(images, draws):
    return standard.to_unit_range(images) + draws[:, None, None, :1]


STRONG = standard.Augmentation(
    "strong",
    2,
    standard.unmoved,
    strong_view,
    standard.to_unit_range,
    view_shape=(4, 4, 3),
)


def data_with(probe_ids=(40, 41, 42), **kwargs):
    return pipeline.TrainingData(
        make_dataset(range(10)),
        standard.get("ieg", (4, 4, 3)),
        4,
        seed=3,
        strong=STRONG,
        probe=make_dataset(probe_ids),
        **kwargs,
    )


def test_the_strong_view_starts_from_the_standard_one():
    for batch in take(data_with().batches(), 4):
        difference = batch["images_strong"] - batch["images"]
        # One draw for each image, nothing else moved.
        np.testing.assert_allclose(
            difference, difference[:, :1, :1, :1] + 0 * difference, atol=1e-6
        )
        assert len(np.unique(difference[:, 0, 0, 0])) == 4
        assert (difference >= 0).all() and (difference < 1).all()


def test_a_strong_view_leaves_the_standard_one_as_it_is():
    data = data_with()
    plain = pipeline.TrainingData(data.dataset, data.augmentation, 4, seed=3)
    for batch, other in zip(take(data.batches(), 6), take(plain.batches(), 6)):
        for name, value in other.items():
            np.testing.assert_array_equal(batch[name], value)


def test_the_probe_recurs_in_its_order_with_fresh_views():
    labels = [42 % 3, 40 % 3, 41 % 3]
    batches = take(data_with((42, 40, 41)).batches(), 6)
    seen = np.concatenate([batch["probe_labels"] for batch in batches])
    np.testing.assert_array_equal(seen, (labels * 8))
    images = np.concatenate([batch["probe_images"] for batch in batches])
    views = {image.tobytes() for image in images[::3]}
    assert 4 <= len(views) <= 8


@pytest.mark.parametrize("first_batch", [1, 2, 7])
def test_probe_and_strong_views_can_be_entered_anywhere(first_batch):
    expected = take(data_with().batches(), 12)[first_batch:]
    found = take(data_with().batches(first_batch), 12 - first_batch)
    assert_same(found, expected)


def test_workers_share_the_probe_too():
    expected = take(data_with().batches(), 6)
    for worker in range(2):
        context = tf.distribute.InputContext(2, worker, 2)
        found = take(data_with().batches(0, context), 3)
        assert_same(found, expected[worker::2])


def seen_data():
    return pipeline.TrainingData(make_dataset(range(10)), SEEN, 4, seed=3)


def test_a_pass_over_some_rows():
    rows = np.array([1, 3, 4, 7, 8])
    batches = take(seen_data().epoch_batches((2, 0), rows), 9)
    assert [len(batch["ids"]) for batch in batches] == [4, 1]
    ids = np.concatenate([batch["ids"] for batch in batches])
    assert sorted(ids) == rows.tolist()
    again = take(seen_data().epoch_batches((2, 0), rows), 9)
    assert_same(again, batches)
    other = take(seen_data().epoch_batches((2, 1), rows), 9)
    assert [b["ids"].tolist() for b in other] != [
        b["ids"].tolist() for b in batches
    ]


def test_passes_without_end_are_shuffled_and_viewed_anew():
    rows = np.array([1, 3, 4, 7, 8])
    stream = seen_data().epoch_batches((0,), rows, repeat=True, batch_size=3)
    batches = take(stream, 8)
    assert [len(batch["ids"]) for batch in batches] == [3, 2] * 4
    orders = {
        tuple(np.concatenate([a["ids"], b["ids"]]))
        for a, b in zip(batches[::2], batches[1::2])
    }
    assert len(orders) > 1
    assert all(sorted(order) == rows.tolist() for order in orders)
    views = {
        tuple(view)
        for batch in batches
        for i, view in zip(batch["ids"], batch["images"])
        if i == 4
    }
    assert len(views) == 4
    for first in (1, 2, 5):
        entered = seen_data().epoch_batches(
            (0,), rows, repeat=True, batch_size=3, first_batch=first
        )
        assert_same(take(entered, 8 - first), batches[first:])


def test_several_views_and_values_by_row():
    values = {"weight": np.arange(10, dtype=np.float32) / 10}
    stream = seen_data().epoch_batches((0,), num_views=2, values=values)
    for batch in take(stream, 3):
        assert batch["images"].shape[1] == 2
        np.testing.assert_array_equal(
            batch["images"][:, 0, 0], batch["images"][:, 1, 0]
        )
        assert (batch["images"][:, 0, 1] != batch["images"][:, 1, 1]).all()
        np.testing.assert_allclose(batch["weight"], batch["ids"] / 10)


def test_workers_share_a_pass():
    expected = take(seen_data().epoch_batches((1,), batch_size=2), 5)
    found = []
    for worker in range(2):
        context = tf.distribute.InputContext(2, worker, 2)
        stream = seen_data().epoch_batches(
            (1,), batch_size=2, input_context=context
        )
        found.append(take(stream, 5))
    assert_same(found[0], expected[::2])
    assert_same(found[1], expected[1::2])


def test_a_training_view_of_everything_in_order():
    batches = take(seen_data().training_view_batches(4, (5,)), 9)
    ids = np.concatenate([batch["ids"] for batch in batches])
    mask = np.concatenate([batch["mask"] for batch in batches])
    assert ids[mask > 0].tolist() == list(range(10))
    expected = randomness.uniform_by_id(3, "augment", 10, 2, 5).numpy()
    views = np.concatenate([batch["images"] for batch in batches])
    np.testing.assert_array_equal(views[:10, 1:], expected)


def test_nothing_waits_for_autotuning_to_end():
    data = seen_data()
    for batches in (
        data.batches(),
        data.epoch_batches((0,)),
        data.training_view_batches(4, (0,)),
    ):
        assert batches.options().autotune.enabled is False


def test_a_pass_with_a_strong_view_of_a_movement_of_its_own():
    # What moves shows its draws, and so does what follows.
    moving = standard.Augmentation(
        "moving", 1, seen, lambda moved, _: moved, seen, view_shape=(2,)
    )
    after = standard.Augmentation(
        "after",
        1,
        standard.unmoved,
        lambda moved, draws: tf.concat([moved, draws], 1),
        seen,
        view_shape=(3,),
    )
    data = pipeline.TrainingData(
        make_dataset(range(10)), moving, 4, seed=3, strong=after
    )
    batches = take(data.epoch_batches((2, 0), strong=True), 9)
    assert [len(batch["ids"]) for batch in batches] == [4, 4, 2]
    weak, strong = (
        np.concatenate([batch[name] for batch in batches])
        for name in ("images", "images_strong")
    )
    np.testing.assert_array_equal(weak[:, 0], strong[:, 0])
    draws = np.stack([weak[:, 1], strong[:, 1], strong[:, 2]])
    assert len(np.unique(draws)) == 30
    again = data.epoch_batches((2, 0), strong=True, first_batch=1)
    assert_same(take(again, 9), batches[1:])
    with pytest.raises(ValueError, match="no strong view"):
        seen_data().epoch_batches((0,), strong=True)


def test_a_whole_pass_has_all_examples_and_as_many_steps_as_it_says():
    data = pipeline.TrainingData(
        make_dataset(range(50)),
        standard.get("none", (4, 4, 3)),
        16,
        seed=3,
    )
    assert [data.steps_of_pass(n) for n in (1, 2, 3, 4)] == [4, 2, 2, 1]
    ids = [b["ids"].numpy() for b in data.whole_pass((2, 0), 1)()]
    assert [len(batch) for batch in ids] == [16, 16, 16, 2]
    assert sorted(np.concatenate(ids)) == list(range(50))
    # Entered later, and in the order that the counters key.
    later = [b["ids"].numpy() for b in data.whole_pass((2, 0), 1)(2)]
    np.testing.assert_array_equal(np.concatenate(later), np.r_[ids[2], ids[3]])
    other = next(iter(data.whole_pass((3, 0), 1)()))["ids"].numpy()
    assert (other != ids[0]).any()
    # Of several replicas it goes on after the end.
    found = [len(b["ids"]) for b in data.whole_pass((2, 0), 3)().take(6)]
    assert found == [16, 16, 16, 2, 16, 16]


def mirrored(batches, count):
    """{id: whether each visit shows the mirror image, in order}."""
    seen = {}
    for batch in take(batches, count):
        images = batch["images"]
        if images.ndim == 4:
            images = images[:, None]
        for i, views in zip(batch["ids"], images):
            falls = views[:, 4, 2, 0] > views[:, 4, 5, 0]
            seen.setdefault(int(i), []).append(falls.tolist())
    return seen


def rising_data(count=200):
    """Images that grow brighter to the right, in the view `airbench`."""
    ramp = np.arange(0, 160, 20, dtype="u1")[None, None, :, None]
    dataset = dataclasses.replace(
        make_dataset(range(count)),
        images=np.broadcast_to(ramp, [count, 8, 8, 3]).copy(),
    )
    view = standard.get("airbench", (8, 8, 3))
    return pipeline.TrainingData(dataset, view, 40, seed=3)


def test_every_other_epoch_shows_the_mirror_image():
    data = rising_data()
    seen = mirrored(data.batches(), 20)
    first = [visits[0][0] for visits in seen.values()]
    assert 0.4 < np.mean(first) < 0.6
    for visits in seen.values():
        flips = [flip for (flip,) in visits]
        assert flips == [flips[0], not flips[0]] * 2
    # Entered in the third epoch the first is not forgotten.
    later = mirrored(data.batches(10), 5)
    assert {i: v[0][0] for i, v in later.items()} == {
        i: v[0][0] for i, v in seen.items()
    }


def test_passes_of_several_views_alternate_each_by_itself():
    data = rising_data()
    passes = [
        mirrored(data.epoch_batches((epoch, 1), num_views=2), 5)
        for epoch in range(4)
    ]
    both = []
    for i in range(200):
        visits = np.array([seen[i][0] for seen in passes])
        np.testing.assert_array_equal(visits[1:], ~visits[:-1])
        both.append(visits[0, 0] == visits[0, 1])
    assert 0.4 < np.mean(both) < 0.6
    # Passes without end go on from epoch to epoch.
    seen = mirrored(data.epoch_batches((2, 1), repeat=True), 10)
    assert all(first != second for first, second in seen.values())


def test_only_the_mirror_image_alternates():
    columns = drawing.Columns(3, alternating=(2,))
    random = drawing.ExampleRandomness.of(make_dataset(range(50)), 3)
    rows = tf.range(50)
    draws = [
        random.draws(rows, "augment", columns, epoch).numpy()
        for epoch in range(3)
    ]
    plain = random.draws(rows, "augment", drawing.Columns(3), 1).numpy()
    np.testing.assert_array_equal(draws[1][:, :2], plain[:, :2])
    np.testing.assert_array_equal(draws[0][:, 2], draws[2][:, 2])
    moved = (draws[0][:, 2] + np.float32(0.5)) % 1
    np.testing.assert_array_equal(draws[1][:, 2], moved)
    assert (draws[1] >= 0).all() and (draws[1] < 1).all()
