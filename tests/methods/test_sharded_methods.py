"""Each method on two replicas, where it must be what it is on one device.

Both replicas see the same images, labels and draws under ids of their own, so
that all per-replica quantities coincide: the mean of two equal gradients, and
of two equal moments, is that of one.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy import randomness
from tfnoisy.mentor import network as mentornet_net
from tfnoisy.methods import base, baseline, mentormix, mentornet
from tfnoisy.methods.bkd import bkd
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.methods.elr_plus import elr_plus
from tfnoisy.methods.ido import beta_mixture, ido
from tfnoisy.methods.look_ahead import fsr, ieg, l2r
from tfnoisy.methods.pes import pes, pes_semi
from tfnoisy.methods.promix import promix
from tfnoisy.nets import layers, pair, registry
from tfnoisy.training import optimizer

SIZE, CLASSES, STEPS = 6, 3, 5
NUM_IDS = 2 * SIZE


def network(seed=1, synchronized=False):
    images = x = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(
        4,
        3,
        use_bias=False,
        kernel_initializer=keras.initializers.GlorotUniform(seed),
    )(x)
    # The unbiased variance of a batch seen twice is another one.
    x = layers.BatchNorm(
        synchronized=synchronized, unbiased_variance=not synchronized
    )(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(
        CLASSES,
        kernel_initializer=keras.initializers.GlorotUniform(seed + 1),
        name="logits",
    )(x)
    return keras.Model(images, x)


def images_of(step, stream, views=()):
    return tf.random.stateless_normal([SIZE, *views, 4, 4, 2], [step, stream])


def batch_of(step, replica):
    """The step's batch: the same for both replicas but for its ids."""
    ids = tf.range(SIZE, dtype=tf.int64)
    return {
        "images": images_of(step, 1),
        "images_strong": images_of(step, 2),
        "labels": tf.cast((ids + step) % CLASSES, tf.int32),
        "probe_images": images_of(step, 3),
        "probe_labels": tf.cast(ids % CLASSES, tf.int32),
        "ids": ids + SIZE * replica,
    }


def divided_batch_of(step, replica):
    labelled = batch_of(step, replica)
    return {
        "labelled": {
            "images": images_of(step, 4, [2]),
            "labels": labelled["labels"],
            "ids": labelled["ids"],
            "clean_probability": tf.linspace(0.4, 1.0, SIZE),
        },
        "unlabelled": {"images": images_of(step, 5, [2])},
    }


def bkd_in_both_phases():
    method = bkd.BKD(pair.Pair(network(1), network(5)), num_ids=NUM_IDS)
    method.tipping_point.groups.assign([*range(5), 0] * 2)
    return method


def dividemix_after_ramp_up():
    method = dividemix.DivideMix(
        pair.Pair(network(1), network(5)), num_ids=NUM_IDS, batch_size=SIZE
    )
    # Of which the ramp looks at the epochs gone by, of all replicas.
    method.stage_index.assign(2 * 40)
    method.num_labelled.assign(100)
    return method


def ido_in_stage_2():
    method = ido.IDO(network(), num_ids=NUM_IDS)
    fitted = beta_mixture.fit(
        beta_mixture.start(CLASSES), [[9, 6, 3, 3, 6, 9]] * CLASSES, 20
    )
    method.mixtures.assign(beta_mixture.packed(fitted))
    return method


def pes_of_confident_labels():
    method = pes.PES(network(), num_ids=NUM_IDS, T1=1, T2=0)
    method.class_weights.assign([0.5, 1.0, 2.0])
    return method


def pes_that_mixes():
    method = pes_semi.PESSemi(network(), num_ids=NUM_IDS, T1=1)
    method.epoch.assign(4)
    return method


def promix_that_expands():
    method = promix.ProMix(
        pair.Pair(network(1), network(5)), num_ids=NUM_IDS, tau=0.3
    )
    method.epoch.assign(20)
    method.expands.assign(True)
    chosen = [True, False, True, False, False, True]
    method.selected.assign([chosen * 2, chosen[::-1] * 2])
    return method


WITH_MENTOR = {"num_steps": 20, "example_dropout_rates": "0.25, 100"}
METHODS = {
    "baseline": lambda: baseline.Baseline(network(), mixup_alpha=1.0),
    "mentornet": lambda: mentornet.MentorNet(
        network(), mentornet_net.analytic_pd, num_ids=NUM_IDS, **WITH_MENTOR
    ),
    "mentormix": lambda: mentormix.MentorMix(
        network(),
        mentornet_net.analytic_pd,
        ema_decay=0.9,
        num_ids=NUM_IDS,
        **WITH_MENTOR,
    ),
    "l2r": lambda: l2r.L2R(network(), num_ids=NUM_IDS),
    "ieg": lambda: ieg.IEG(network(), num_ids=NUM_IDS),
    "fsr": lambda: fsr.FSR(
        network(),
        num_ids=NUM_IDS,
        queue_capacity=6,
        queue_bs=3,
        meta_start_epoch=-1,
    ),
    # Moments of both replicas, in all its passes and their derivatives.
    "ieg_synchronised": lambda: ieg.IEG(
        network(synchronized=True), num_ids=NUM_IDS
    ),
    "dividemix": dividemix_after_ramp_up,
    "bkd": bkd_in_both_phases,
    "ido": ido_in_stage_2,
    "pes": pes_of_confident_labels,
    "pes_semi": pes_that_mixes,
    "promix": promix_that_expands,
    "elr_plus": lambda: elr_plus.ELRPlus(
        pair.Pair(network(1), network(5)), num_ids=NUM_IDS, ema_step=4
    ),
}


def trained(name, strategy):
    """Returns the method after five steps."""
    with strategy.scope():
        method = METHODS[name]()
        method.compile(optimizer.TF1Momentum(0.05))
    batch, step = batch_of, method.train_step
    if name == "dividemix":
        batch = divided_batch_of
        step = functools.partial(method.train_iteration, 0)
    if name == "elr_plus":
        step = functools.partial(method.train_iteration, 0)
    if name == "ido":
        step = method.stage2_step
    if name == "pes":
        step = method.divided_step
    if name == "pes_semi":
        batch = divided_batch_of
        step = method.divided_step
    if name == "promix":
        step = method.selected_step
    compiled = tf.function(
        lambda values: strategy.run(step, (values,)), autograph=False
    )
    for number in range(STEPS):
        batches = [batch(number, r) for r in (0, 1)]

        def of_replica(context, batches=batches):
            return batches[context.replica_id_in_sync_group]

        compiled(
            strategy.experimental_distribute_values_from_function(of_replica)
        )
    return method


def value(variable):
    return np.array(tf.convert_to_tensor(variable.value))


@pytest.mark.parametrize("name", slow_cases.but(slow_cases.METHODS, METHODS))
def test_two_replicas_are_one_device(name, two_replicas, monkeypatch):
    def of_first_replica(self, stream, *counters):
        return randomness.stream_seed(
            self.seed, stream, self.step, 0, *counters
        )

    monkeypatch.setattr(base.Method, "draw_seed", of_first_replica)
    alone = trained(name, tf.distribute.OneDeviceStrategy("/cpu:0"))
    both = trained(name, two_replicas)
    for v, w in zip(everything(alone), everything(both), strict=True):
        if v.name not in SUMS:
            np.testing.assert_allclose(
                value(v), value(w), atol=1e-5, err_msg=v.path
            )
    fresh = METHODS[name]().student.trainable_variables
    moved = [
        np.abs(value(v) - value(w)).max() > 1e-3
        for v, w in zip(fresh, both.student.trainable_variables)
    ]
    # DivideMix and ELR+ train one network of two.
    assert np.mean(moved) >= 0.5
    if by_id(alone) is not None:
        expected, found = value(by_id(alone)), value(by_id(both))
        assert np.abs(expected[:SIZE]).sum(1).min() > 0
        for ids in (slice(0, SIZE), slice(SIZE, NUM_IDS)):
            np.testing.assert_allclose(found[ids], expected[:SIZE], atol=1e-5)


def everything(method):
    return [*method.variables, *method.optimizer.variables]


# What is remembered adds up over replicas.
SUMS = (
    *("weight_sums", "recorded", "confidence", "scores", "mean_logits"),
    *("predicted", "changed", "targets_1"),
)


def by_id(method):
    """Returns what the method remembers of each example, or None."""
    if isinstance(method, bkd.BKD):
        return method.tipping_point.recorded
    if isinstance(method, elr_plus.ELRPlus):
        return method.targets[0]
    return method.mean_weights and method.mean_weights.sums


@pytest.mark.parametrize("synchronised", [True, False])
def test_synchronised_halves_are_the_whole_batch(synchronised, two_replicas):
    def after_five_steps(strategy, parts):
        with strategy.scope():
            method = baseline.Baseline(
                registry.build(
                    "small_cnn", 3, (8, 8, 1), sync_batch_norm=synchronised
                )
            )
            method.compile(optimizer.TF1Momentum(0.05))
        step = tf.function(
            lambda v: strategy.run(method.train_step, (v,)), autograph=False
        )
        for number in range(STEPS):
            images = tf.random.stateless_normal([8, 8, 8, 1], [number, 0])
            images *= tf.reshape(tf.range(1.0, 9.0), [8, 1, 1, 1])
            halves = list(
                zip(
                    tf.split(images, parts),
                    tf.split((tf.range(8) + number) % 3, parts),
                )
            )

            def of_replica(context, halves=halves):
                return halves[context.replica_id_in_sync_group]

            step(
                strategy.experimental_distribute_values_from_function(
                    of_replica
                )
            )
        return method.student.variables

    alone = after_five_steps(tf.distribute.OneDeviceStrategy("/cpu:0"), 1)
    both = after_five_steps(two_replicas, 2)
    difference = max(
        np.abs(value(v) - value(w)).max()
        for v, w in zip(alone, both, strict=True)
    )
    assert difference < 1e-5 if synchronised else difference > 1e-3
