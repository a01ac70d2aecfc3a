"""All methods around networks of some hundred weights, on 8x8 digits."""

import functools
import itertools

import keras
import numpy as np
from sklearn import datasets

from tfnoisy.methods import (
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
from tfnoisy.training import optimizer

TRAIN, VALIDATION, PROBE = 96, 40, 20
BATCH = 8


@functools.cache
def digits():
    """Returns images in -1..1 and labels, (train, validation, probe)."""
    found = datasets.load_digits()
    images = (found.images[..., None] / 8.0 - 1.0).astype("float32")
    ends = np.cumsum([0, TRAIN, VALIDATION, PROBE])
    return [
        (images[a:b], found.target[a:b]) for a, b in itertools.pairwise(ends)
    ]


def dense(seed=0, activation=None, dtype=None):
    """Returns a built student of 650 weights."""
    initializer = keras.initializers.GlorotUniform(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dense(
                10,
                activation=activation,
                kernel_initializer=initializer,
                dtype=dtype,
            ),
        ]
    )


def conv(seed=0):
    """Returns a built student of 102 weights with batch normalisation."""
    initializer = keras.initializers.GlorotUniform(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(
                4, 3, 2, use_bias=False, kernel_initializer=initializer
            ),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10, kernel_initializer=initializer),
        ]
    )


@keras.saving.register_keras_serializable("tests")
def fainter(images, seed):
    """A strong view that costs nothing to trace."""
    return 0.9 * images


NAMES = (
    "baseline",
    "mixup",
    "mentornet",
    "mentormix",
    "gce",
    "tgce",
    "sce",
    "elr",
    "elr_plus",
    "ido",
    "sop",
    "sop_plus",
    "pes",
    "pes_semi",
    "promix",
    "l2r",
    "ieg",
    "fsr",
    "dividemix",
    "bkd",
)
_CLASSES = {
    "baseline": functools.partial(
        baseline.Baseline, weight_decay=1e-3, ema_decay=0.9
    ),
    "mixup": functools.partial(baseline.Baseline, mixup_alpha=1.0),
    "mentornet": functools.partial(mentornet.MentorNet, num_steps=60),
    "mentormix": functools.partial(
        mentormix.MentorMix, num_steps=60, ema_decay=0.9
    ),
    "gce": gce.GCE,
    "tgce": functools.partial(
        truncated_gce.TruncatedGCE, start_prune=2, prune_every=1
    ),
    "sce": sce.SCE,
    "elr": elr.ELR,
    "elr_plus": elr_plus.ELRPlus,
    "ido": functools.partial(ido.IDO, stage1_epochs=2, strong=fainter),
    "sop": functools.partial(sop.SOP, lr_v=100.0),
    "sop_plus": functools.partial(
        sop.SOP, ratio_consistency=0.9, ratio_balance=0.1, strong=fainter
    ),
    "pes": functools.partial(pes.PES, T1=1, T2=1, T3=1, num_epochs=14),
    "pes_semi": functools.partial(
        pes_semi.PESSemi, T1=2, T2=1, num_epochs=12, lambda_u=5.0
    ),
    "promix": functools.partial(
        promix.ProMix,
        rho_start=0.5,
        pretrain_ep=2,
        warmup_ep=3,
        start_expand=8,
        num_epochs=12,
        strong=fainter,
    ),
    "l2r": l2r.L2R,
    "ieg": functools.partial(ieg.IEG, strong=fainter),
    "fsr": functools.partial(
        fsr.FSR, queue_capacity=40, queue_bs=20, meta_start_epoch=1
    ),
    "dividemix": functools.partial(
        dividemix.DivideMix, warm_up=1, batch_size=BATCH, lr=0.05
    ),
    "bkd": functools.partial(bkd.BKD, n_epoch=12, lr=0.05),
}


def make(name, student=None, **kwargs):
    """Returns a method, not compiled.

    Args:
        name: one of `NAMES`.
        student: `dense()` if None.
        **kwargs: for its constructor.
    """
    return _CLASSES[name](dense() if student is None else student, **kwargs)


def compiled(name, student=None, metrics=None, **kwargs):
    """Returns a method, compiled with momentum."""
    method = make(name, student, **kwargs)
    method.compile(optimizer.TF1Momentum(0.1, momentum=0.9), metrics=metrics)
    return method


def fit_arguments(method):
    """Returns what `fit` of this method is given beside images and labels."""
    arguments = {"verbose": 0}
    if method.own_batch_size is None:
        arguments["batch_size"] = BATCH
    if method.needs_probe:
        arguments["probe"] = digits()[2]
    return arguments
