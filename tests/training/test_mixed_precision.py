"""Trainings in half precision beside the same in float32, on digits."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy.augment import standard
from tfnoisy.datasets import load, pipeline
from tfnoisy.mentor import network as mentornet_net
from tfnoisy.methods import baseline, mentormix, mentornet
from tfnoisy.methods.bkd import bkd
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.methods.look_ahead import ieg, l2r
from tfnoisy.nets import pair, precision, registry
from tfnoisy.training import loss_scale

STEPS, LAST, RATE = 200, 100, 0.01
_MENTOR = {"mentor": mentornet_net.default(), "num_steps": 2 * STEPS}
_PAIR = {"num_ids": 1437, "lr": RATE}

# name: (class, its arguments) of a method with one network, or a pair.
METHODS = {
    "baseline": (baseline.Baseline, {}),
    "mixup": (baseline.Baseline, {"mixup_alpha": 1.0}),
    "mentornet": (mentornet.MentorNet, _MENTOR),
    "mentormix": (mentormix.MentorMix, _MENTOR),
    "l2r": (l2r.L2R, {}),
    "ieg": (ieg.IEG, {}),
    "dividemix": (
        dividemix.DivideMix,
        {**_PAIR, "warm_up": 2, "batch_size": 32},
    ),
    "bkd": (bkd.BKD, {**_PAIR, "n_epoch": 5}),
}


def make_method(name, half):
    """A compiled method that computes in `half`, a name of `precision`."""
    make, arguments = METHODS[name]
    networks = [
        registry.build(
            "small_cnn", 10, (8, 8, 1), k, dtype=precision.policy(half)
        )
        for k in (1, 2)
    ]
    student = pair.Pair(*networks) if "lr" in arguments else networks[0]
    method = make(student, **arguments)
    method.compile(loss_scale.momentum_for(half)(RATE))
    return method


def make_data():
    """Digits of which 40 % have a random label, and 100 that have not."""
    digits = load.load("digits", "train")
    draws = np.random.default_rng(0).random([2, len(digits)])
    noisy = np.where(
        draws[0] < 0.4, (10 * draws[1]).astype(int), digits.given_labels
    )
    view = standard.get("standard", (8, 8, 1), mirror=False)
    return pipeline.TrainingData(
        dataclasses.replace(digits, given_labels=noisy.astype(np.int32)),
        view,
        32,
        seed=3,
        strong=view,
        probe=digits.take(np.arange(100)),
    )


def mean_loss(name, half):
    """The mean training loss of the last steps.

    Of half of them: rounding alone, weights that differ by 1e-6 of their
    size, moved L2R's mean over the last 50 by 3 %.
    """
    method, data = make_method(name, half), make_data()
    losses, compiled = [], {}
    while len(losses) < STEPS:
        stage = method.stage(len(losses), data, STEPS)
        step = compiled.setdefault(
            stage.train_step,
            tf.function(stage.train_step, jit_compile=False, autograph=False),
        )
        left = min(stage.last_step, STEPS) - len(losses)
        for batch in stage.batches(0, None).take(left):
            losses.append(float(step(batch)["loss"]))
    assert np.all(np.isfinite(losses))
    return np.mean(losses[-LAST:])


# Of all methods: see README.
@pytest.mark.parametrize(
    "name, half",
    slow_cases.but(
        [("mentormix", "float16")],
        [("mentormix", "float16"), ("l2r", "bfloat16")],
        several=True,
    ),
)
def test_the_loss_is_within_two_percent_of_float32s(name, half):
    expected = mean_loss(name, "none")
    assert mean_loss(name, half) == pytest.approx(expected, rel=0.02)
