"""The methods' steps as the loop runs them, and the passes in each.

What `benchmark_step` times: for each method its own compiled step on a batch
of noise, and the pieces of plain training that the step cannot do without.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfnoisy import randomness, registry
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.mentor import network as mentornet_net
from tfnoisy.methods import arguments, baseline, execution
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.look_ahead import look_ahead
from tfnoisy.nets import pair, precision
from tfnoisy.nets import registry as networks
from tfnoisy.training import loss_scale


@dataclasses.dataclass(frozen=True)
class Setting:
    """On what a step is timed.

    Attributes:
        studentnet: a name in `nets.registry`.
        batch_size: B.
        image_shape: (H, W, C).
        num_classes: C.
        mixed_precision: what the networks compute in, see `nets.precision`.
        jit_compile: whether XLA compiles what is timed.
    """

    studentnet: str
    batch_size: int
    image_shape: tuple[int, int, int] = (32, 32, 3)
    num_classes: int = 10
    mixed_precision: str = "none"
    jit_compile: bool = False

    def network(self, k=0):
        """Returns the k-th network with its initial weights."""
        return networks.build(
            self.studentnet,
            self.num_classes,
            self.image_shape,
            seed=k,
            dtype=precision.policy(self.mixed_precision),
        )

    def optimizer(self):
        """Returns an optimiser for it."""
        return loss_scale.momentum_for(self.mixed_precision)(0.01)

    def pair(self):
        """Returns the first two as one."""
        return pair.Pair(self.network(0), self.network(1))

    def images(self, *index, views=()):
        """Returns noise, float32 [B, *views, H, W, C], by the index."""
        return tf.random.stateless_uniform(
            [self.batch_size, *views, *self.image_shape],
            randomness.stream_seed(0, "evaluation", *index),
            -1.0,
            1.0,
        )

    def labels(self):
        """Returns int32 [B]."""
        return tf.range(self.batch_size) % self.num_classes


def _batch(setting):
    """Returns a batch that serves every method of one network, and BKD."""
    return {
        "images": setting.images(0),
        "images_strong": setting.images(1),
        "labels": setting.labels(),
        "ids": tf.range(setting.batch_size, dtype=tf.int64),
        "probe_images": setting.images(2),
        "probe_labels": setting.labels(),
    }


def _divided_batch(setting):
    """Returns a batch of DivideMix's: B examples of either part, two views."""
    return {
        "labelled": {
            "images": setting.images(0, views=[2]),
            "labels": setting.labels(),
            "clean_probability": tf.fill([setting.batch_size], 0.75),
        },
        "unlabelled": {"images": setting.images(1, views=[2])},
    }


@dataclasses.dataclass(frozen=True)
class Step:
    """What a method's step is, and what it is compared with.

    Attributes:
        make: (setting, `catalogue.methods.Method`, **options) -> method.
        passes: which pieces of `pieces` the step cannot avoid, each with its
            number.
        mixed: how many batches' worth of images are in a mixed piece.
        of_pair: whether a piece is of both networks.
        step: method -> the function of a batch that the loop compiles.
        batch: setting -> a batch.
        short_batches: whether the loop's batches have no fixed size, so that
            the step is compiled for any.
        studentnet: the network, if none is asked for.
        batch_size: B, if none is asked for.
        variants: other forms of the step, {name: options}, to be compared
            with it in time and memory.
        entry: whose step it is, see `step_of`.
    """

    make: Callable
    passes: Mapping = dataclasses.field(default_factory=lambda: {"update": 1})
    mixed: int = 0
    of_pair: bool = False
    step: Callable = lambda method: method.train_step
    batch: Callable = _batch
    short_batches: bool = False
    studentnet: str = "cifar_resnet32"
    batch_size: int = 128
    variants: Mapping = dataclasses.field(default_factory=dict)
    entry: catalogue.Method | None = None

    def method(self, setting, **options):
        """Returns the method, not compiled."""
        return self.make(setting, self.entry, **options)

    def compiled(self, setting, **options):
        """Returns (the compiled step, its batch), not traced yet."""
        method = self.method(setting, **options)
        method.compile(setting.optimizer())
        batch, signature = self.batch(setting), None
        if self.short_batches:
            signature = [
                tf.nest.map_structure(
                    lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype),
                    batch,
                )
            ]
        step = self.step(method)
        if setting.jit_compile:
            step = execution.by_xla(step, method.prepare)
        step = tf.function(
            step,
            input_signature=signature,
            jit_compile=False,
            autograph=False,
        )
        return step, batch


def _with_mentornet(setting, entry):
    return entry.load()(
        setting.network(), mentornet_net.default(), num_steps=100000
    )


def _with_look_ahead(setting, entry, **options):
    student = setting.network()
    return entry.load()(
        student, **look_ahead.published_decay(student), **options
    )


def _plain(setting, entry):
    """Makes a method of which no more is known than its constructor."""
    student = setting.pair() if entry.networks == 2 else setting.network()
    return entry.load()(
        student,
        **arguments.accepted(
            entry.load(),
            {"num_ids": setting.batch_size, "num_steps": 100000},
        ),
    )


def _with_ids(setting, entry):
    return entry.load()(setting.pair(), num_ids=setting.batch_size)


_FORWARD_OR_REVERSE: dict[str, Any] = {
    "studentnet": "resnet29",
    "batch_size": 100,
    "variants": {"reverse": {"meta_gradient": "reverse"}},
}
PLAIN = Step(_plain)
MENTORNET = Step(_with_mentornet)
MENTORMIX = Step(_with_mentornet, {"forward": 1, "update": 1})
# Of the first network: the pass of the other's average, and the update.
ELR_PLUS = Step(
    _with_ids,
    {"forward": 1, "update": 1},
    step=lambda method: functools.partial(method.train_iteration, 0),
    short_batches=True,
)
# Stage 2: both views, forward and backward.
IDO = Step(
    _plain,
    {"update": 1, "gradient": 1},
    step=lambda method: method.stage2_step,
    short_batches=True,
)
# Both views in one pass.
SOP_PLUS = Step(_plain, {"mixed_update": 1}, mixed=2)
# On confident examples: of the layers before the new ones alone.
PES = Step(
    _plain,
    {"update": 1},
    step=lambda method: method.divided_step,
    short_batches=True,
)
# The guesses of two views, and the update on four batches' worth.
PES_SEMI = Step(
    _plain,
    {"forward": 2, "mixed_update": 1},
    mixed=4,
    step=lambda method: method.divided_step,
    batch=_divided_batch,
    short_batches=True,
    batch_size=64,
)
# Both networks: weak and strong view, and four of mixed images, which are of a
# part of the batch alone.
PROMIX = Step(
    _with_ids,
    {"update": 1, "gradient": 5},
    of_pair=True,
    step=lambda method: method.selected_step,
    short_batches=True,
)
# A Jacobian-vector product costs what a backward pass does: two convolutions
# a layer.  Hence gradient - forward for each.
#
# The probe's and that of the images, whose look-ahead stays where it is, and
# the product through the images.
L2R = Step(
    _with_look_ahead, {"gradient": 3, "forward": -1}, **_FORWARD_OR_REVERSE
)
# The images' pass and, of the buffer and the images, one without a gradient.
# The product is of the last layer alone.
FSR = Step(
    lambda setting, entry, **options: _with_look_ahead(
        setting,
        entry,
        num_ids=setting.batch_size,
        queue_capacity=setting.num_classes,
        queue_bs=setting.num_classes,
        **options,
    ),
    {"gradient": 1, "forward": 2},
    **_FORWARD_OR_REVERSE,
)
# Five backward passes over B images: of the look-ahead through both
# views, of the probe, of the loss through both views; two of them go back
# over passes that were made before.  The product through both views.  Then the
# mixed images' pass and its backward one.  In forward passes: 26.
IEG = Step(
    _with_look_ahead,
    {"gradient": 7, "forward": -4, "mixed_gradient": 1},
    mixed=3,
    **_FORWARD_OR_REVERSE,
)
# An iteration of the first network: its guesses of two views of either
# part, the other's of the unlabelled views, and the update on all, mixed.
DIVIDEMIX = Step(
    _with_ids,
    {"forward": 4, "evaluation": 1, "mixed_update": 1},
    mixed=4,
    step=lambda method: functools.partial(method.train_iteration, 0),
    batch=_divided_batch,
    short_batches=True,
    batch_size=64,
)
# Both phases are this step: they differ by the groups in a variable.
BKD = Step(_with_ids, of_pair=True, short_batches=True)


def step_of(method):
    """Returns the `Step` of a method.

    Args:
        method: a name in `catalogue.methods`.

    Raises:
        UserError: for an unknown name.
    """
    entry = catalogue.METHODS[method]
    step = dataclasses.replace(registry.resolve(entry.step), entry=entry)
    if entry.networks == 2 and entry.step == catalogue.PLAIN_STEP:
        step = dataclasses.replace(step, of_pair=True)
    return step


def pieces(step, setting):
    """Returns the pieces of plain training, compiled, not traced yet.

    Args:
        step: a `Step`.
        setting: a `Setting`.

    Returns:
        {name: function without arguments}: `forward`, a pass in training mode
        over a batch; `evaluation`, one in evaluation mode over two batches'
        worth of images; `gradient`, a pass and the backward one over a batch;
        `update`, the whole step of plain training; `mixed_gradient` and
        `mixed_update`, the same over `step.mixed` batches' worth.
    """
    plain = baseline.Baseline(
        setting.pair() if step.of_pair else setting.network()
    )
    plain.compile(setting.optimizer())
    variables = plain.student.trainable_variables

    def gradient(batch):
        images, labels = plain.unpack(batch)
        with tf.GradientTape() as tape:
            logits = plain.forward_untracked(images)
            loss = tf.reduce_mean(losses_lib.cross_entropy(labels, logits))
        # Sums: to fetch the gradients themselves would be counted as well.
        return [tf.reduce_sum(g) for g in tape.gradient(loss, variables)]

    def evaluation(images):
        return plain.student(images, training=False)

    def of(function, argument):
        return functools.partial(
            tf.function(
                function, jit_compile=setting.jit_compile, autograph=False
            ),
            argument,
        )

    def several(count):
        images = [setting.images(index) for index in range(count)]
        labels = tf.one_hot(setting.labels(), setting.num_classes)
        return {
            "images": tf.concat(images, 0),
            "labels": tf.concat([labels] * count, 0),
        }

    one, mixed = several(1), several(step.mixed or 1)
    return {
        "forward": of(plain.forward_untracked, one["images"]),
        "evaluation": of(evaluation, several(2)["images"]),
        "gradient": of(gradient, one),
        "update": of(plain.train_step, one),
        "mixed_gradient": of(gradient, mixed),
        "mixed_update": of(plain.train_step, mixed),
    }
