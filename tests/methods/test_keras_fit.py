"""What `compile`, `fit` and `evaluate` refuse, and what they honour."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import baseline

IMAGES, LABELS = tiny_methods.digits()[0]


def pairs(images=IMAGES, labels=LABELS):
    return tf.data.Dataset.from_tensor_slices((images, labels))


def with_label(label):
    labels = LABELS.copy()
    labels[40] = label
    return labels


@pytest.mark.parametrize("label", [-1, 10, 11])
def test_labels_out_of_range_are_an_error_everywhere(label):
    method = tiny_methods.compiled("baseline")
    bad = with_label(label)
    for use in (method.fit, method.evaluate):
        with pytest.raises(ValueError, match=rf"labels\[40\] = {label}"):
            use(IMAGES, bad, verbose=0)
        with pytest.raises(ValueError, match=f"= {label}"):
            use(pairs(labels=bad).batch(32), verbose=0)
    with pytest.raises(ValueError, match="outside 0...9"):
        method.train_on_batch(IMAGES, bad)
    logs = method.train_step((IMAGES, tf.constant(bad)))
    assert np.isnan(logs["loss"])


def test_images_that_are_not_finite_are_named():
    method = tiny_methods.compiled("baseline")
    images = IMAGES.copy()
    images[7, 0, 0] = np.nan
    with pytest.raises(errors.ArgumentError, match=r"images\[7\]"):
        method.fit(images, LABELS, verbose=0)
    with pytest.raises(errors.ArgumentError, match="example 7"):
        method.fit(pairs(images).batch(32), verbose=0)


def test_a_loss_that_would_be_ignored_is_refused():
    method = tiny_methods.make("mixup")
    with pytest.raises(errors.ArgumentError, match="its own loss"):
        method.compile("adam", loss="mse")
    method.compile("adam")
    assert isinstance(method.optimizer, keras.optimizers.Adam)


@pytest.mark.parametrize(
    "name",
    [
        "tgce",
        "elr_plus",
        "ido",
        "pes",
        "pes_semi",
        "promix",
        "l2r",
        "ieg",
        "fsr",
        "dividemix",
        "bkd",
    ],
)
@pytest.mark.parametrize("weights", ["sample_weight", "class_weight"])
def test_weights_without_a_place_are_refused(name, weights):
    method = tiny_methods.compiled(name)
    given = {"sample_weight": np.ones(96), "class_weight": {0: 2.0}}[weights]
    with pytest.raises(errors.ArgumentError, match=f"{weights}: .* no place"):
        method.fit(
            IMAGES,
            LABELS,
            **tiny_methods.fit_arguments(method),
            **{weights: given},
        )


def test_weights_multiply_the_cross_entropy():
    """A weight of 2 counts as the example twice, one of 0 as not at all."""
    twice = np.r_[0:4, 0:4, 4:8]
    once = tiny_methods.compiled("baseline")
    again = tiny_methods.compiled("baseline")
    weights = np.float32([2] * 4 + [1] * 4 + [0] * 4)
    rows = np.r_[0:8, 20:24]
    once.train_on_batch(IMAGES[twice], LABELS[twice])
    again.train_on_batch(IMAGES[rows], LABELS[rows], sample_weight=weights)
    for ours, theirs in zip(once.get_weights(), again.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def _updated(name, weights=None, **kwargs):
    """Returns the weights of the student after one step on a batch."""
    method = tiny_methods.compiled(name, **kwargs)
    batch = {"images": IMAGES[:8], "labels": LABELS[:8], "ids": np.arange(8)}
    if weights is not None:
        batch["sample_weight"] = np.float32(weights)
    logs = method.train_step(
        {key: tf.constant(value) for key, value in batch.items()}
    )
    return method.get_weights(), {k: float(v) for k, v in logs.items()}


# Without burn-in, whose example dropout would leave little to see.
_MENTORED = {"burn_in_epoch": 0, "example_dropout_rates": "0.0,100"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("baseline", {"weight_decay": 0.0}),
        ("mixup", {}),
        ("gce", {}),
        ("sce", {}),
        ("elr", {"num_ids": 8}),
        ("sop", {"num_ids": 8}),
        ("mentornet", {"weight_decay": 0.0, **_MENTORED}),
        ("mentormix", {"weight_decay": 0.0, **_MENTORED}),
        ("mentormix", {"weight_decay": 0.0, "second_reweight": False}),
    ],
)
def test_weights_of_examples_multiply_their_losses(name, options):
    plain, logs = _updated(name, **options)
    ones, logs_of_ones = _updated(name, np.ones(8), **options)
    for ours, theirs in zip(ones, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    # A weight of 3 for all is a loss three times as large, but what the
    # weighting sees is the same.
    _, threefold = _updated(name, np.full(8, 3.0), **options)
    assert threefold["loss"] == pytest.approx(3 * logs["loss"], rel=1e-4)
    assert logs_of_ones["loss"] == pytest.approx(logs["loss"], rel=1e-5)
    for log in ("percentile", "moving_average_individual", "weight_sum"):
        if log in logs:
            assert threefold[log] == pytest.approx(logs[log], rel=1e-6)
    # Nothing is learnt from what has no weight.
    fresh = tiny_methods.compiled(name, **options).student.get_weights()
    method = tiny_methods.compiled(name, **options)
    method.train_step(
        {
            "images": tf.constant(IMAGES[:8]),
            "labels": tf.constant(LABELS[:8]),
            "ids": tf.range(8, dtype=tf.int64),
            "sample_weight": tf.zeros(8),
        }
    )
    for ours, theirs in zip(method.student.get_weights(), fresh, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["mentornet", "mentormix"])
def test_fit_hands_the_weights_on(name):
    method = tiny_methods.compiled(name)
    arguments = tiny_methods.fit_arguments(method)
    method.fit(IMAGES, LABELS, sample_weight=np.ones(96), **arguments)
    method.fit(IMAGES, LABELS, class_weight={0: 2.0}, **arguments)
    assert method.steps_made() == 24


def test_a_shuffled_data_set_without_ids_is_refused_or_leaves_no_evidence():
    shuffled = pairs().shuffle(96, seed=1).batch(32)
    method = tiny_methods.compiled("mentornet", num_ids=96)
    with pytest.raises(errors.ArgumentError, match="shuffled"):
        method.fit(shuffled, verbose=0)
    with pytest.raises(errors.ArgumentError, match="shuffled"):
        tiny_methods.compiled("dividemix").fit(shuffled, verbose=0)
    method = tiny_methods.compiled("mentornet")
    method.run_eagerly = True
    with pytest.warns(UserWarning, match="no evidence"):
        method.fit(shuffled, verbose=0)
    assert method.evidence() is None


def test_ids_that_a_data_set_gives_survive_shuffling():
    named = tf.data.Dataset.from_tensor_slices(
        {"images": IMAGES, "labels": LABELS, "ids": np.arange(96)}
    ).shuffle(96)
    method = tiny_methods.compiled("mentornet", num_ids=96)
    method.run_eagerly = True
    method.fit(named.batch(32), verbose=0)
    assert method.evidence()["ids"].tolist() == list(range(96))


def test_augmentation_that_would_be_frozen_is_refused():
    # With a global seed, `tf.random.uniform` would repeat itself in each pass.
    draws = tf.random.Generator.from_seed(1)
    noisy = (
        pairs().batch(32).map(lambda x, y: (x + draws.uniform(tf.shape(x)), y))
    )
    with pytest.raises(errors.ArgumentError, match="augment="):
        tiny_methods.compiled("dividemix").fit(noisy, verbose=0)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_a_student_of_probabilities_is_refused(activation):
    with pytest.raises(errors.ArgumentError, match=f"ends in {activation}"):
        tiny_methods.make("baseline", tiny_methods.dense(activation=activation))


def test_a_softmax_that_is_hidden_is_found_by_its_outputs():
    inputs = keras.Input((8, 8, 1))
    hidden = keras.layers.Lambda(tf.nn.softmax)(tiny_methods.dense()(inputs))
    method = tiny_methods.compiled("baseline", keras.Model(inputs, hidden))
    with pytest.raises(errors.ArgumentError, match="sum to 1"):
        method.fit(IMAGES, LABELS, verbose=0)


def test_channels_first_are_refused():
    method = tiny_methods.compiled("baseline")
    with pytest.raises(errors.ArgumentError, match="channels first"):
        method.fit(np.moveaxis(IMAGES, -1, 1), LABELS, verbose=0)


def test_fit_builds_a_student_and_may_freeze_a_part_of_it():
    student = keras.Sequential(
        [keras.layers.Flatten(), keras.layers.Dense(4), keras.layers.Dense(10)]
    )
    method = tiny_methods.compiled("baseline", student)
    method.run_eagerly = True
    method.fit(IMAGES, LABELS, batch_size=48, verbose=0)
    frozen = student.layers[1]
    frozen.trainable = False
    method.compile("sgd", run_eagerly=True)
    before = frozen.get_weights()
    method.fit(IMAGES, LABELS, batch_size=48, verbose=0)
    for ours, theirs in zip(before, frozen.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
    assert len(method.averages) == 4


def test_a_student_in_float16_trains_with_a_scaled_loss():
    student = tiny_methods.dense(dtype="mixed_float16")
    method = tiny_methods.compiled("baseline", student)
    assert isinstance(method.optimizer, keras.optimizers.LossScaleOptimizer)
    method.run_eagerly = True
    history = method.fit(IMAGES, LABELS, batch_size=48, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert method.steps_made() == 2
    assert method.classifier().compute_dtype == "float32"


def test_masked_rows_take_their_weights_with_them():
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1))
    images, labels = images.astype("float32"), np.array([0, 1, 2, 3])
    weights = np.array([1.0, 2.0, 3.0, 4.0], "float32")
    student = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(4)]
    )
    found = []
    for mask, kept in (([1, 0, 1, 0], [0, 2]), ([1, 1], [0, 1])):
        rows = range(4) if len(mask) == 4 else kept
        batch = {
            "images": tf.constant(images[list(rows)]),
            "labels": tf.constant(labels[list(rows)]),
            "sample_weight": tf.constant(weights[list(rows)]),
            "mask": tf.constant(mask),
        }
        method = baseline.Baseline(student)
        method.compile("sgd")
        found.append(float(method.test_step(batch)["loss"]))
        losses = keras.losses.sparse_categorical_crossentropy(
            labels[kept], student(images[kept]), from_logits=True
        )
        wanted = np.mean(np.array(losses) * weights[kept])
        assert found[-1] == pytest.approx(wanted, rel=1e-5)
