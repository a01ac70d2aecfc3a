"""Runs of all methods that take a moment: tiny networks on a few digits.

A `Runner` traces a method once and then makes as many "processes" of its run
as a test wants: each begins with the initial variables, as a new process would.
"""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy.augment import standard
from tfnoisy.datasets import load, pipeline
from tfnoisy.mentor import network as mentor_network
from tfnoisy.methods import (
    base,
    baseline,
    elr,
    gce,
    mentormix,
    mentornet,
    sce,
    sop,
    truncated_gce,
)
from tfnoisy.methods.bkd import bkd
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.methods.elr_plus import elr_plus
from tfnoisy.methods.ido import ido
from tfnoisy.methods.look_ahead import fsr, ieg, l2r
from tfnoisy.methods.pes import pes, pes_semi
from tfnoisy.methods.promix import promix
from tfnoisy.nets import pair
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import evaluation, loop, optimizer

STEPS = 24
COUNT = 40
SHAPE = (8, 8, 1)


def student(seed):
    """A network of 1,306 parameters, with moving statistics."""
    inputs = keras.Input(SHAPE)
    x = keras.layers.Flatten()(inputs)
    kernel = keras.initializers.GlorotUniform(seed)
    x = keras.layers.Dense(16, kernel_initializer=kernel)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    kernel = keras.initializers.GlorotUniform(seed + 100)
    outputs = keras.layers.Dense(10, kernel_initializer=kernel)(x)
    return keras.Model(inputs, outputs)


def _mentored(make, **kwargs):
    mentor = mentor_network.default()
    return make(student(1), mentor, num_steps=STEPS, num_ids=COUNT, **kwargs)


def _paired(make, **kwargs):
    networks = pair.Pair(student(1), student(2))
    return make(networks, num_ids=COUNT, **kwargs)


METHODS = {
    "baseline": lambda: baseline.Baseline(
        student(1), num_ids=COUNT, ema_decay=0.9
    ),
    "mixup": lambda: baseline.Baseline(
        student(1), num_ids=COUNT, mixup_alpha=1.0
    ),
    "mentornet": lambda: _mentored(mentornet.MentorNet),
    "mentormix": lambda: _mentored(mentormix.MentorMix, ema_decay=0.9),
    "gce": lambda: gce.GCE(student(1), num_ids=COUNT, ema_decay=0.9),
    "tgce": lambda: truncated_gce.TruncatedGCE(
        student(1), num_ids=COUNT, k=0.2, start_prune=3, prune_every=2
    ),
    "sce": lambda: sce.SCE(student(1), num_ids=COUNT),
    "elr": lambda: elr.ELR(student(1), num_ids=COUNT),
    "elr_plus": lambda: _paired(elr_plus.ELRPlus, ema_step=10),
    "ido": lambda: ido.IDO(
        student(1), num_ids=COUNT, stage1_epochs=3, ema_decay=0.9
    ),
    "sop": lambda: sop.SOP(student(1), num_ids=COUNT, lr_u=10, lr_v=100),
    "sop_plus": lambda: sop.SOP(
        student(1), num_ids=COUNT, ratio_consistency=0.9, ratio_balance=0.1
    ),
    "pes": lambda: pes.PES(
        student(1), T1=2, T2=1, T3=1, num_epochs=0, lr=0.05, num_ids=COUNT
    ),
    "pes_semi": lambda: pes_semi.PESSemi(
        student(1), T1=2, T2=1, num_epochs=0, lr=0.05, num_ids=COUNT
    ),
    "promix": lambda: _paired(
        promix.ProMix,
        rho_start=0.5,
        pretrain_ep=3,
        warmup_ep=2,
        start_expand=6,
        num_epochs=0,
        lr=0.05,
    ),
    "l2r": lambda: l2r.L2R(student(1), num_ids=COUNT),
    "ieg": lambda: ieg.IEG(student(1), num_ids=COUNT),
    "fsr": lambda: fsr.FSR(
        student(1),
        num_ids=COUNT,
        queue_capacity=20,
        queue_bs=10,
        meta_start_epoch=2,
    ),
    "dividemix": lambda: _paired(
        dividemix.DivideMix, warm_up=1, num_epochs=2, batch_size=10
    ),
    "bkd": lambda: _paired(bkd.BKD, n_epoch=5, clean_test_freq=2),
}
# They say themselves when they are judged.
IN_EPOCHS = (
    *("elr_plus", "ido", "pes", "pes_semi", "promix", "dividemix", "bkd"),
)


def make_data(batch_size=20):
    """A few digits, of which four in ten have a random label."""
    digits = load.load("digits", f"train[:{COUNT}]")
    draws = np.random.default_rng(0).random([2, COUNT])
    labels = np.where(
        draws[0] < 0.4, (10 * draws[1]).astype(int), digits.given_labels
    )
    view = standard.get("standard", SHAPE, mirror=False)
    noisy = digits.take(np.arange(COUNT))
    object.__setattr__(noisy, "given_labels", labels.astype(np.int32))
    probe = load.load("digits", "train[100:140]")
    return pipeline.TrainingData(
        noisy, view, batch_size, seed=3, strong=view, probe=probe
    )


class Runner:
    """Makes runs of one method."""

    def __init__(self, name, strategy=None, momentum=optimizer.TF1Momentum):
        """Builds the method; `name` is one of `METHODS`."""
        self.strategy = strategy or tf.distribute.OneDeviceStrategy("/cpu:0")
        with self.strategy.scope():
            self.method = METHODS[name]()
            self.method.compile(momentum(0.05))
        self.data = make_data(10 if name == "dividemix" else 20)
        self.eval_every = 0 if name in IN_EPOCHS else 5
        self.evaluator = evaluation.Evaluator(
            self.method,
            self.data.dataset,
            self.data.augmentation,
            COUNT,
            self.strategy,
        )
        self._variables = [
            *self.method.variables,
            *self.method.optimizer.variables,
        ]
        self._initial = self.state()
        self._compiled = {}

    def state(self):
        """Returns every variable of the method and its optimiser, by value."""
        return [base.value_of(v) for v in self._variables]

    def loop(self, path, evaluate=None, **kwargs):
        """Returns the loop of a new process on a run folder."""
        for variable, value in zip(self._variables, self._initial):
            variable.assign(value)
        made = loop.Loop(
            self.method,
            self.data,
            run_folder.RunFolder(path),
            self.strategy,
            num_steps=kwargs.pop("num_steps", STEPS),
            eval_every=self.eval_every,
            evaluators={"test": evaluate or self.evaluator},
            progress=False,
            **kwargs,
        )
        if "on_nonfinite" not in kwargs:
            made._compiled = self._compiled
        return made


def rows_of(loop_or_folder):
    """Returns the lines of metrics.jsonl but for their seconds, as text."""
    folder = getattr(loop_or_folder, "folder", loop_or_folder)
    lines = folder.metrics.read_text().splitlines()
    return [line[: line.index(', "seconds"')] for line in lines]


def assert_same_bits(found, expected):
    """Compares two `Runner.state`s."""
    assert len(found) == len(expected)
    for number, (value, other) in enumerate(zip(found, expected)):
        np.testing.assert_array_equal(value, other, err_msg=str(number))
