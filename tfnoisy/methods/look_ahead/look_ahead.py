"""One look-ahead step, judged on trusted images: what L2R and IEG share.

    theta^  = theta - s (mu' m + dL/dtheta)     the look-ahead network
    M       = mean cross-entropy(probe batch; theta^) + R_meta(theta^)
    v       = dM/dtheta^

L is a sum of losses c_i, each times a coefficient e_i, plus the weight decay
R; m are the optimiser's accumulators, s and mu' constants.  As theta^ is
affine in e, the chain rule ends with a Jacobian-vector product of the passes
that gave c, at theta, along the constant v:

    dM/de_i = -s <v, dc_i/dtheta> = -s JVP[c_i](v)

Forward mode: one JVP of the student's logits along v, then of the few
operations from logits to c_i.  The student's JVP is the transpose of the
backward pass that the look-ahead has just made, which is linear in its
cotangents (`derivatives.vjp_and_jvp`).  So the passes need not be run again, as
`tf.autodiff.ForwardAccumulator` would.  Reverse mode: M is differentiated
through theta^.  This is what the originals do, with passes of its own; it is
kept as the reference.

Both differentiate batch normalisation through the moments of the batch, and
neither changes the student's weights or moving statistics.

If the student computes in half precision (`nets.precision`), all of this is
in float32, because dM/de is a small difference of large sums: the passes that
gave c, whose moments batch normalisation stores, the probe's pass, and what
goes back through them.  Only the loss of the update is of passes in half
precision, which are made again for it (`recorded_update`).

XLA's second derivative of max pooling is not TensorFlow's: on networks that
have it, such as `small_cnn` and `resnet50`, the meta gradients of a compiled
step would be off, of `small_cnn` by some 3 %; on others they agree.  The
trainers refuse it there (`check_xla`).
"""

import contextlib
import typing

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import base, configuration
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.look_ahead import derivatives
from tfnoisy.nets import precision
from tfnoisy.nets import weight_decay as decay


def look_ahead(weights, gradients, momenta, stepsize, momentum):
    """Returns theta^ = theta - s (mu' m + G), a list of tensors.

    Args:
        weights: theta, a list of tensors or variables.
        gradients: G, tensors of the same shapes.
        momenta: m, the same; constants to any derivative.
        stepsize: s.
        momentum: mu'.
    """
    return [
        w - stepsize * (momentum * tf.stop_gradient(m) + g)
        for w, g, m in zip(weights, gradients, momenta)
    ]


def example_weights(meta_gradient):
    """Returns omega* = u / (sum(u) + 1e-5) with u = max(-dM/domega, 0), [B].

    Args:
        meta_gradient: dM/domega, [B].

    Returns:
        [B], at least 0, with a sum below 1; all 0 if no derivative is
        negative.  No gradient flows through them.
    """
    u = tf.nn.relu(-tf.stop_gradient(meta_gradient))
    return u / (tf.reduce_sum(u) + 1e-5)


def keeps_accumulators(optimizer):
    """Returns whether an optimiser has the accumulators of TF1's momentum."""
    return hasattr(_unscaled(optimizer), "accumulator")


def _unscaled(optimizer):
    """Returns the optimiser that Keras's loss scaling works on."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def check_xla(student):
    """Refuses to compile look-aheads of a network with XLA if it is not exact.

    Args:
        student: a `keras.Model`.

    Raises:
        UserError: if the network has max pooling.
    """
    if any(
        isinstance(layer, keras.layers.MaxPooling2D)
        for layer in student._flatten_layers()
    ):
        raise errors.UserError(
            f"--jit_compile: {student.name} has max pooling, whose second "
            "derivative XLA computes wrongly; train without it, or take a "
            "network without max pooling"
        )


def published_decay(student, doubled=True):
    """Returns the weight decay of IEG's networks, as keyword arguments.

    R is 1e-4 |kernels|^2 for `resnet29`, 4e-4 |all trainables|^2 / 2 for
    `resnet50` and 5e-4 |all trainables|^2 / 2 for the others; R_meta takes half
    the square of all trainables in each.

    Args:
        student: a `keras.Model`, of which the name counts.
        doubled: for `resnet29`, 1e-4 |w|^2 as in the later revisions of the
            original code; False for 1e-4 |w|^2 / 2 as in the first.

    Returns:
        {weight_decay, decayed, meta_weight_decay} for `LookAheadMethod`.
    """
    if student.name == "resnet29":
        return {
            "weight_decay": 2e-4 if doubled else 1e-4,
            "decayed": decay.kernels(student),
            "meta_weight_decay": 1e-4,
        }
    factor = 4e-4 if student.name == "resnet50" else 5e-4
    return {
        "weight_decay": factor,
        "decayed": decay.all_trainable(student),
        "meta_weight_decay": factor,
    }


class Passes(typing.NamedTuple):
    """The student's passes over some views of a batch.

    Attributes:
        tape: the persistent `tf.GradientTape` that has recorded them.
        views: a list of images [B, H, W, C].
        logits: the logits of each view, in float32, a list of [B, C].
    """

    tape: tf.GradientTape
    views: list
    logits: list


class MetaGradients(typing.NamedTuple):
    """What the probe batch says of the look-ahead.

    Attributes:
        gradients: dM/de of each coefficient e, a list.
        loss: M, a scalar.
        logits: the look-ahead network's logits of the probe batch, [B', C].
    """

    gradients: list
    loss: tf.Tensor
    logits: tf.Tensor


class LookAheadMethod(base.Method):
    """A method that looks one step ahead and judges it by a probe batch.

    Its batches are dictionaries {images, labels, ids, probe_images,
    probe_labels}; `fit` makes them of images, labels and a probe.  Each replica
    looks ahead by itself: only the final gradients are averaged over replicas.
    """

    needs_probe = True

    def __init__(
        self,
        student,
        *,
        meta_stepsize=0.1,
        meta_momentum=0.9,
        meta_gradient="forward",
        weight_decay=5e-4,
        decayed=None,
        meta_weight_decay=None,
        ema_decay=0.999,
        probe=None,
        **kwargs,
    ):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.  A classifier
                that starts at zero breaks IEG's logit normalisation.  In half
                precision if its policy is a `precision.MixedPolicy`.
            meta_stepsize: s; not the learning rate, and constant.
            meta_momentum: mu', the share of the optimiser's accumulators.
                Where the optimiser has none, as all but `TF1Momentum`, the
                look-ahead is without momentum, or refused if this is given.
            meta_gradient: `forward` or `reverse`, see above.
            weight_decay: the factor of R, of sum(w^2) / 2.
            decayed: the variables in R; all trainable ones if None.
            meta_weight_decay: the factor of R_meta, of sum(w^2) / 2 over all
                trainable variables; `weight_decay` if None.
            ema_decay: of the weights that are evaluated; 0 for none.
            probe: trusted (images, labels), in place of those of `fit`.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for an unknown `meta_gradient`.
        """
        if meta_gradient not in ("forward", "reverse"):
            raise errors.UserError(
                f"--meta_gradient={meta_gradient}: there are forward, reverse"
            )
        if decayed is None:
            decayed = decay.all_trainable
        super().__init__(
            student,
            weight_decay=weight_decay,
            decayed=decayed,
            ema_decay=ema_decay,
            **kwargs,
        )
        self._probe = configuration.Hidden(probe)
        self.meta_stepsize = meta_stepsize
        self.meta_momentum = meta_momentum
        self.meta_gradient = meta_gradient
        if meta_weight_decay is None:
            meta_weight_decay = weight_decay
        self.meta_weight_decay = meta_weight_decay

    @property
    def probe(self):
        """The trusted (images, labels) of the constructor, or None."""
        return self._probe.value

    def check_optimizer(self, optimizer):
        """Refuses an optimiser without the accumulators that are asked for.

        Args:
            optimizer: a `tfnoisy.training.optimizer.TF1Momentum`; any other
                unless `meta_momentum` is given.

        Raises:
            ArgumentError: if the optimiser keeps no TF1 accumulators.
        """
        super().check_optimizer(optimizer)
        asked = self.was_given("meta_momentum") and self.meta_momentum
        if asked and not keeps_accumulators(optimizer):
            raise errors.ArgumentError(
                f"meta_momentum={self.meta_momentum} takes the accumulators "
                f"of TF1Momentum, which {optimizer.name} has not; leave it out"
            )

    def unpack(self, batch):
        """Returns images [B, H, W, C] and one-hot given labels [B, C].

        The labels are of the logits' type.
        """
        images, labels = super().unpack(batch)
        return images, tf.cast(labels, self.student.outputs[0].dtype)

    def unpack_probe(self, batch):
        """Returns the probe's images and one-hot labels.

        Raises:
            UserError: if the batch has none.
        """
        if not isinstance(batch, dict) or "probe_images" not in batch:
            raise errors.UserError(
                f"{type(self).__name__} trains on batches with probe_images "
                "and probe_labels beside images and labels"
            )
        return self.unpack((batch["probe_images"], batch["probe_labels"]))

    def record_passes(self, *views):
        """Returns the student's `Passes` over these views, in training mode.

        The first one stores the moments of batch normalisation.

        Args:
            *views: images, each [B, H, W, C].
        """
        first, *others = views
        with (
            tf.GradientTape(persistent=True) as tape,
            precision.in_float32(),
        ):
            logits = [self.student(first, training=True)]
            logits += [self.forward_untracked(images) for images in others]
        return Passes(tape, list(views), logits)

    @contextlib.contextmanager
    def recorded_update(self, passes):
        """Records what is computed within it, the loss of the update.

        Args:
            passes: `Passes`, on whose tape it is recorded.

        Yields:
            The logits of each view to compute it from, a list of [B, C]: those
            of the passes, or of new ones if the student computes in half
            precision.
        """
        with passes.tape:
            if precision.is_mixed(self.student):
                yield [self.forward_untracked(view) for view in passes.views]
            else:
                yield passes.logits

    @property
    def look_ahead_variables(self):
        """The variables that the look-ahead moves: all trainable ones."""
        return self.student.trainable_variables

    def look_ahead_weights(self, gradients):
        """Returns theta^, of which R's gradient is a part.

        Args:
            gradients: of the losses at theta, without R.
        """
        variables = self.look_ahead_variables
        if self.weight_decay:
            with tf.GradientTape() as tape:
                regulariser = self.decay_loss()
            decays = derivatives.gradients(tape, regulariser, variables)
            gradients = [g + d for g, d in zip(gradients, decays)]
        momenta, momentum = [tf.constant(0, v.dtype) for v in variables], 0.0
        if self.meta_momentum and keeps_accumulators(self.optimizer):
            momentum = self.meta_momentum
            optimizer = _unscaled(self.optimizer)
            momenta = [optimizer.accumulator(v) for v in variables]
        return look_ahead(
            variables,
            gradients,
            [tf.convert_to_tensor(m) for m in momenta],
            self.meta_stepsize,
            momentum,
        )

    def at(self, weights, images):
        """Returns the student's logits at other weights, in training mode.

        Args:
            weights: of the `look_ahead_variables`, a list of tensors.
            images: [B, H, W, C].
        """
        moved = {
            id(variable): weight
            for variable, weight in zip(self.look_ahead_variables, weights)
        }
        logits, _ = self.student.stateless_call(
            [moved.get(id(v), v) for v in self.student.trainable_variables],
            self.student.non_trainable_variables,
            images,
            training=True,
        )
        return logits

    def meta_loss(self, weights, probe_images, probe_labels):
        """Returns M at these weights, and the probe's logits.

        Batch normalisation takes the moments of the probe batch.

        Args:
            weights: theta^, a list of tensors.
            probe_images: [B', H, W, C].
            probe_labels: [B', C].
        """
        logits = self.at(weights, probe_images)
        loss = tf.reduce_mean(losses_lib.cross_entropy(probe_labels, logits))
        regulariser = self.meta_weight_decay * decay.l2(weights)
        return loss + tf.cast(regulariser, loss.dtype), logits

    def meta_gradients(
        self, passes, loss_of, coefficients, probe, at_zero=False
    ):
        """Looks ahead along L and differentiates M for L's coefficients.

        Args:
            passes: `Passes`.
            loss_of: (list of logits, *coefficients) -> L without R, a scalar.
            coefficients: a list of tensors, where L is taken.
            probe: images [B', H, W, C] and labels [B', C], and what else
                `meta_loss` takes.
            at_zero: that the coefficients, hence L and its gradient, are 0;
                the gradient is then not computed.

        Returns:
            `MetaGradients`.
        """
        with precision.in_float32():
            if self.meta_gradient == "reverse":
                return self._reverse_mode(
                    passes.views, loss_of, coefficients, probe
                )
            return self._forward_mode(
                passes, loss_of, coefficients, probe, at_zero
            )

    def _forward_mode(self, passes, loss_of, coefficients, probe, at_zero):
        """`meta_gradients` by the transpose of the backward pass."""
        logits = passes.logits
        with tf.GradientTape() as head:
            head.watch(logits)
            loss = loss_of(logits, *coefficients)
        variables = self.look_ahead_variables
        gradients, jvp = derivatives.vjp_and_jvp(
            passes.tape, logits, head.gradient(loss, logits), variables
        )
        if at_zero:
            gradients = [tf.zeros_like(v) for v in variables]
        weights = self.look_ahead_weights(gradients)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            meta_loss, probe_logits = self.meta_loss(weights, *probe)
        tangents = jvp(tape.gradient(meta_loss, weights))
        # <v, dL/dtheta>, of which the derivatives are <v, dc_i/dtheta>.
        with tf.GradientTape() as tape:
            tape.watch(coefficients)
            with tf.autodiff.ForwardAccumulator(logits, tangents) as forward:
                loss = loss_of(logits, *coefficients)
            slope = forward.jvp(loss)
        gradients = [
            -self.meta_stepsize * g for g in tape.gradient(slope, coefficients)
        ]
        return MetaGradients(gradients, meta_loss, probe_logits)

    def _reverse_mode(self, views, loss_of, coefficients, probe):
        """`meta_gradients` through theta^, with passes of its own."""
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(coefficients)
            with tf.GradientTape() as inner:
                logits = [self.forward_untracked(images) for images in views]
                loss = loss_of(logits, *coefficients)
            weights = self.look_ahead_weights(
                derivatives.gradients(inner, loss, self.look_ahead_variables)
            )
            meta_loss, probe_logits = self.meta_loss(weights, *probe)
        gradients = outer.gradient(meta_loss, coefficients)
        return MetaGradients(gradients, meta_loss, probe_logits)
