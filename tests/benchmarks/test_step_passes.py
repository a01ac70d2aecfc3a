import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy.benchmarks import step_passes
from tfnoisy.catalogue import methods as catalogue

B = 6


@pytest.fixture
def counted(monkeypatch):
    """A setting, and how many rows its networks have seen in each mode."""
    rows = collections.Counter()

    class Count(keras.layers.Layer):
        def call(self, inputs, training=False):
            mode = "training" if training else "evaluation"
            rows[mode] += inputs.shape[0] or 0  # None as the model is built.
            return inputs

    def network(setting, k=0):
        images = keras.Input(setting.image_shape)
        x = keras.layers.GlobalAveragePooling2D()(Count()(images))
        outputs = keras.layers.Dense(setting.num_classes, name="logits")(x)
        return keras.Model(images, outputs)

    monkeypatch.setattr(step_passes.Setting, "network", network)
    tf.config.run_functions_eagerly(True)
    yield step_passes.Setting("counted", B, (4, 4, 3), 5), rows
    tf.config.run_functions_eagerly(False)


def seen_by(run, rows, *arguments):
    """Returns {mode: rows} of one call."""
    rows.clear()
    run(*arguments)
    return {mode: count for mode, count in rows.items() if count}


@pytest.mark.parametrize("method", catalogue.METHODS.names())
def test_the_passes_are_those_that_the_step_makes(method, counted):
    setting, rows = counted
    step = step_passes.step_of(method)
    run, batch = step.compiled(setting)
    made = seen_by(run, rows, batch)
    pieces = step_passes.pieces(step, setting)
    expected = collections.Counter()
    for name, count in step.passes.items():
        for mode, seen in seen_by(pieces[name], rows).items():
            expected[mode] += count * seen
    assert made == expected


def test_dividemix_guesses_and_mixes_both_views_of_both_parts(counted):
    setting, rows = counted
    run, batch = step_passes.step_of("dividemix").compiled(setting)
    # u1, u2, x1, x2 and all four mixed; the other network on u1 and u2.
    assert seen_by(run, rows, batch) == {
        "training": 4 * B + 4 * B,
        "evaluation": 2 * B,
    }


def test_pes_guesses_both_views_and_mixes_both_parts(counted):
    setting, rows = counted
    run, batch = step_passes.step_of("pes_semi").compiled(setting)
    # u1 and u2, and all four mixed.
    assert seen_by(run, rows, batch) == {"training": 2 * B + 4 * B}


def test_bkd_updates_two_networks(counted):
    setting, rows = counted
    run, batch = step_passes.step_of("bkd").compiled(setting)
    assert seen_by(run, rows, batch) == {"training": 2 * B}


def test_promix_passes_two_views_and_four_mixed_ones(counted):
    setting, rows = counted
    run, batch = step_passes.step_of("promix").compiled(setting)
    # Nothing is chosen: then the mixed images are of all.
    assert seen_by(run, rows, batch) == {"training": 2 * 6 * B}


def test_mixed_pieces_are_of_as_many_images_as_are_mixed():
    mixed = {
        name: step.mixed
        for name in catalogue.METHODS.names()
        if (step := step_passes.step_of(name))
        and any(piece.startswith("mixed") for piece in step.passes)
    }
    assert mixed == {"dividemix": 4, "pes_semi": 4, "ieg": 3, "sop_plus": 2}


@pytest.mark.parametrize(
    "method",
    slow_cases.but(["bkd"], ["dividemix", "pes_semi", "bkd", "promix"]),
)
def test_a_step_of_an_epoch_takes_short_batches(method):
    step = step_passes.step_of(method)
    run, batch = step.compiled(step_passes.Setting("small_cnn", B, (8, 8, 1)))
    short = tf.nest.map_structure(lambda x: x[: B - 2], batch)
    for each in (batch, short):
        assert np.isfinite(float(run(each)["loss"]))
    assert run.experimental_get_tracing_count() == 1
