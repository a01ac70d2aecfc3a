"""PES and PES (semi) beside the running originals, from the first step on."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import golden
from tfnoisy.methods import base
from tfnoisy.methods.pes import pes, pes_semi, refinement
from tfnoisy.nets import layers

NUMBERS = golden.read("pes_steps")
VIEWS = (golden.images(), golden.images(phase=0.7, scale=1.2))


def network():
    """Two stages, of 3x3 and of 2x2 positions, and a matrix."""
    inputs = keras.Input([3, 3, 1])
    x = keras.layers.Conv2D(3, 1, use_bias=False)(inputs)
    x = keras.layers.ReLU()(layers.BatchNorm()(x))
    x = keras.layers.Conv2D(5, 2, use_bias=False)(x)
    x = keras.layers.ReLU()(layers.BatchNorm()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(4)(x))
    for v, value in zip(
        model.trainable_variables,
        [
            golden.wave((1, 1, 1, 3), 0.5),
            1 + golden.wave((3,), 3.0, 0.3),
            golden.wave((3,), 4.0, 0.3),
            golden.wave((2, 2, 3, 5), 1.5),
            1 + golden.wave((5,), 3.5, 0.3),
            golden.wave((5,), 4.5, 0.3),
            golden.wave((5, 4), 2.0, 2.0),
            golden.wave((4,), 5.0, 0.3),
        ],
        strict=True,
    ):
        v.assign(value)
    return model


@pytest.fixture
def sines(monkeypatch):
    """New layers begin with sines, other ones in each refinement."""
    begin_anew, count = refinement.begin_anew, iter(range(1, 9))

    def of_sines(layers_, *key):
        begin_anew(layers_, *key)
        d = next(count)
        kernel, bias = layers_[-1].variables
        kernel.assign(golden.wave((5, 4), 2.0 + d, 2.0))
        bias.assign(golden.wave((4,), 5.0 + d, 0.3))
        for layer in layers_[:-1]:
            if isinstance(layer, keras.layers.Conv2D):
                layer.kernel.assign(golden.wave((2, 2, 3, 5), 1.5 + d))

    monkeypatch.setattr(refinement, "begin_anew", of_sines)


class Data:
    """Ten examples in the two views that the originals saw."""

    batch_size = 4

    def __init__(self):
        self.dataset = self
        self.ids = np.arange(10)
        self.given_labels = golden.LABELS

    def __len__(self):
        return 10

    def training_view_batches(self, batch_size, counters, input_context=None):
        images = VIEWS[counters[-1]]
        labels = golden.LABELS
        return tf.data.Dataset.from_tensor_slices(
            {"images": images, "labels": labels}
        ).batch(10)


def check(method, number, name):
    expected = NUMBERS[name]["weights"][number]
    for v, value in zip(golden.weights(method.student), expected, strict=True):
        golden.assert_near(v, value, 1e-5, f"{number}: {v.path}")


def plain(method):
    for rows in NUMBERS["plain"]:
        method.plain_step(golden.batch(rows))


def refine(method, num_stages, passes):
    method._begin_anew(num_stages)
    method.first_step.assign(method.steps_made())
    for rows in NUMBERS["refine"] * passes:
        method.refine_step(num_stages, golden.batch(rows))


def divide(method, epoch, expected):
    data = Data()
    method.divide(data, epoch)
    confident, others = method.divided(data)
    assert confident.tolist() == expected["confident"]
    golden.assert_near(method.class_weights, expected["weights"])
    return confident, others


@pytest.mark.usefixtures("sines")
def test_pes_is_the_original():
    settings = {"T1": 1, "T2": 2, "T3": 1, "PES_lr": 0.01, "num_ids": 10}
    method = golden.compiled(pes.PES(network(), weight_decay=0.02, **settings))
    numbers = NUMBERS["pes"]
    plain(method)
    check(method, 0, "pes")
    refine(method, 1, 2)
    check(method, 1, "pes")
    refine(method, 0, 1)
    check(method, 2, "pes")
    for n, division in enumerate(numbers["divisions"]):
        divide(method, 2 + n, division)
        for rows in numbers["rows"][n]:
            method.divided_step(golden.batch(rows))
        check(method, 3 + n, "pes")


@pytest.mark.usefixtures("sines")
def test_pes_semi_is_the_original(monkeypatch):
    settings = {"T1": 1, "T2": 2, "PES_lr": 0.01, "lambda_u": 5.0}
    method = golden.compiled(
        pes_semi.PESSemi(network(), weight_decay=0.02, num_ids=10, **settings)
    )
    numbers = NUMBERS["pes_semi"]
    plain(method)
    check(method, 0, "pes_semi")
    refine(method, 0, 2)
    check(method, 1, "pes_semi")
    views = np.stack(VIEWS, 1)
    for n, division in enumerate(numbers["divisions"]):
        method.begin_epoch(1 + n, 4)
        confident, others = divide(method, 1 + n, division)
        assert others.tolist() == division["others"]
        sizes = pes_semi.batch_sizes(len(confident), len(others), 4)
        assert list(sizes) == division["sizes"]
        alpha = float(base.value_of(method.alpha))
        assert alpha == numbers["alphas"][n]
        drawn = numbers["epochs"][n]
        method.first_step.assign(method.steps_made())
        method.last_step.assign(method.steps_made() + 3)
        for k in range(3):
            monkeypatch.setattr(
                method,
                "beta_draws",
                lambda _, k=k, d=drawn: tf.constant(d["beta"][k], tf.float32),
            )
            monkeypatch.setattr(
                method,
                "draw_partners",
                lambda _, k=k, d=drawn: tf.constant(d["partners"][k]),
            )
            # Two batches of each part, which then begin again.
            x, u = (
                golden.batch(drawn[part][k % 2], images=views)
                for part in ("x", "u")
            )
            method.divided_step({"labelled": x, "unlabelled": u})
        check(method, 2 + n, "pes_semi")
