"""The layers that the networks share beyond those of Keras."""

import keras
import tensorflow as tf

from tfnoisy import randomness

_serializable = keras.saving.register_keras_serializable("tfnoisy")

# The fused operation's, of cuDNN.
_LEAST_EPSILON = 1.001e-5


@_serializable
class BatchNorm(keras.layers.Layer):
    """Batch normalisation of maps [N, H, W, C] with the originals' statistics.

    In training the outputs are normalised by the moments of the batch, and
    `moving <- momentum * moving + (1 - momentum) * batch`.  A pass that must
    leave the moving statistics alone goes through `model.stateless_call`.

    float32, bfloat16 and float16 maps go through TensorFlow's fused operation:
    a training step of `cifar_resnet20` (batch 128, two CPU cores) took 0.18 s,
    with single operations or `keras.layers.BatchNormalization` 0.23 s.  It
    raises an `epsilon` below 1.001e-5 to that value.  Reverse and forward mode
    differentiate it, in training through `_normalised`.

    Args:
        momentum: the share of the old moving statistics that is kept.
        epsilon: added to the variance.
        debias_mean: divide the moving mean by the weight that it has gathered,
            as TF1's `assign_moving_average(zero_debias=True)` does (the
            mentor ResNet).  Costs one more variable, `updates`.
        unbiased_variance: let the moving variance gather n / (n - 1) times the
            variance of the batch (PyTorch, TF1's fused operation).  The
            outputs always use the biased one.
        synchronized: take the moments over the batches of all replicas.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(
        self,
        momentum=0.9,
        epsilon=1e-5,
        debias_mean=False,
        unbiased_variance=True,
        synchronized=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.debias_mean = debias_mean
        self.unbiased_variance = unbiased_variance
        self.synchronized = synchronized
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape):
        """Creates the weights."""

        def weight(name, initializer, **kwargs):
            return self.add_weight(
                shape=[input_shape[-1]],
                initializer=initializer,
                autocast=False,
                name=name,
                **kwargs,
            )

        self.gamma = weight("gamma", "ones")
        self.beta = weight("beta", "zeros")
        moving = dict(trainable=False, aggregation="mean")
        self.moving_mean = weight("moving_mean", "zeros", **moving)
        self.moving_variance = weight("moving_variance", "ones", **moving)
        if self.debias_mean:
            self.updates = self.add_weight(
                dtype="int64",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
                name="updates",
            )

    def call(self, inputs, training=False):
        """Returns the normalised maps, [N, H, W, C]."""
        synchronized = training and self.synchronized
        if inputs.dtype == tf.float64 or synchronized:
            x = tf.cast(inputs, self.variable_dtype)
            if training:
                mean, variance, count = _moments(x, synchronized)
            else:
                mean = self.moving_mean.value
                variance = self.moving_variance.value
            outputs = tf.nn.batch_normalization(
                x,
                mean,
                variance,
                self.beta.value,
                self.gamma.value,
                self.epsilon,
            )
            outputs = tf.cast(outputs, inputs.dtype)
            if training and self.unbiased_variance:
                variance *= count / tf.maximum(count - 1, 1)
        elif training:
            outputs, mean, variance, *_ = _normalised(
                inputs,
                self.gamma.value,
                self.beta.value,
                max(self.epsilon, _LEAST_EPSILON),
            )
            if not self.unbiased_variance:
                variance = _biased(variance, inputs)
        else:
            outputs, _, _ = tf.compat.v1.nn.fused_batch_norm(
                inputs,
                self.gamma.value,
                self.beta.value,
                mean=self.moving_mean.value,
                variance=self.moving_variance.value,
                epsilon=self.epsilon,
                is_training=False,
            )
        if training:
            self._update(mean, variance)
        return outputs

    def _update(self, mean, variance):
        keep = tf.constant(self.momentum, mean.dtype)
        new = 1 - keep
        self.moving_variance.assign(
            keep * self.moving_variance.value + new * variance
        )
        if self.debias_mean:
            # biased_t / (1 - keep**t) with biased_t = keep * biased_(t-1) +
            # new * mean, written without the biased average.
            updates = self.updates.value + 1
            new /= 1 - keep ** tf.cast(updates, mean.dtype)
            self.updates.assign(updates)
        self.moving_mean.assign((1 - new) * self.moving_mean.value + new * mean)


def _normalised(x, gamma, beta, epsilon, moments=None):
    """Batch normalisation whose transposed gradient is fused kernels, too.

    The gradient dx = gamma / std (dy - mean(dy) - x^ mean(x^ dy)) of
    y = gamma x^ + beta is symmetric as a map from dy.  So the derivative of
    <dx, u> + <dgamma, a> + <dbeta, b> with respect to dy, which a
    Jacobian-vector product is made of, is dx with u for dy, plus a x^ + b: the
    gradient's kernel again, and the forward one.  TensorFlow makes it of some
    twenty single operations; of those are still the derivatives with respect
    to x and gamma, and a graph that does not use them leaves them out.

    Args:
        x: [N, H, W, C] of any type that the fused operation takes.
        gamma: float32 [C].
        beta: float32 [C].
        epsilon: at least `_LEAST_EPSILON`.
        moments: what an earlier call on this x returned beside y; saves
            taking them again.

    Returns:
        (y, mean [C], unbiased variance [C], three outputs for the gradient's
        kernel).  Gradients flow through y alone, as in TensorFlow.
    """
    outputs = []

    @tf.custom_gradient
    def forward(x, gamma, beta, *moments):
        y, *computed = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=gamma,
            offset=beta,
            mean=moments[0] if moments else tf.zeros([0]),
            variance=_biased(moments[1], x) if moments else tf.zeros([0]),
            epsilon=epsilon,
            is_training=not moments,
        )
        outputs.extend(moments or computed)

        def gradient(dy):
            gradients = _gradient(dy, x, gamma, epsilon, outputs)
            return *gradients, *[None] * len(moments)

        # The others go round: Grappler fuses y with a ReLU that follows only
        # if the custom gradient has but one output.
        return y, gradient

    return forward(x, gamma, beta, *(moments or ())), *outputs


def _gradient(dy, x, gamma, epsilon, moments):
    """Returns dx, dgamma and dbeta, differentiable: see `_normalised`."""

    @tf.custom_gradient
    def gradient(dy, x, gamma, *moments):
        def kernel():
            return tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=dy,
                x=x,
                scale=gamma,
                reserve_space_1=moments[2],
                reserve_space_2=moments[3],
                reserve_space_3=moments[4],
                epsilon=epsilon,
            )[:3]

        def second_order(u, a, b):
            symmetric, _, _ = _gradient(u, x, gamma, epsilon, moments)
            affine, *_ = _normalised(x, a, b, epsilon, moments)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([x, gamma])
                gradients = kernel()
            others = tape.gradient(gradients, [x, gamma], [u, a, b])
            return symmetric + affine, *others, *[None] * len(moments)

        return tuple(kernel()), second_order

    return gradient(dy, x, gamma, *moments)


def _biased(variance, x):
    """Returns the biased form of the unbiased variance [C] of x."""
    count = _count(x, variance.dtype)
    return variance * (count - 1) / count


def _count(x, dtype):
    """Returns N * H * W, the values that a channel's moments are taken of."""
    return tf.cast(tf.size(x) // x.shape[-1], dtype)


def _moments(x, synchronized):
    """Returns mean [C], biased variance [C] and count of x [N, H, W, C].

    Not by `tf.nn.moments`, whose second derivatives are wrong: its variance
    takes the mean for a constant.
    """
    replica = tf.distribute.get_replica_context() if synchronized else None

    def total(value):
        if replica is None:
            return value
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, value)

    # Two rounds, since E[x^2] - E[x]^2 would lose digits where |mean| >> std.
    count = total(_count(x, x.dtype))
    mean = total(tf.reduce_sum(x, [0, 1, 2])) / count
    variance = total(tf.reduce_sum(tf.square(x - mean), [0, 1, 2])) / count
    return mean, variance, count


@_serializable
class PoolAndPad(keras.layers.Layer):
    """A shortcut without weights to a smaller, wider map.

    Averages windows of stride x stride, then adds as many zero channels
    before as after.  At the border of a map that the stride does not divide,
    the average is that of the pixels there.

    Args:
        stride: side and step of the windows.
        filters: the number of output channels; exceeds the inputs' by an even
            number.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, stride, filters, **kwargs):
        super().__init__(**kwargs)
        self.stride = stride
        self.filters = filters

    def call(self, inputs):
        """Returns maps [N, ceil(H / stride), ceil(W / stride), filters]."""
        x = inputs
        if self.stride > 1:
            x = tf.nn.avg_pool2d(x, self.stride, self.stride, "SAME")
        side = (self.filters - x.shape[-1]) // 2
        return tf.pad(x, [[0, 0], [0, 0], [0, 0], [side, side]])


@_serializable
class LocalResponseNorm(keras.layers.Layer):
    """x / (1 + alpha * s)^(3/4), s the sum of squares of nearby channels.

    Not `tf.nn.lrn`, which has neither a float64 form nor second
    derivatives (hence no forward mode).

    Args:
        radius: how many channels on each side belong to a sum.
        alpha: the weight of a sum.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, radius, alpha, **kwargs):
        super().__init__(**kwargs)
        self.radius = radius
        self.alpha = alpha

    def call(self, inputs):
        """Returns maps of the shape of the inputs, [N, H, W, C]."""
        x = tf.cast(inputs, self.variable_dtype)
        channels = x.shape[-1]
        ones = tf.ones([channels, channels], x.dtype)
        nearby = tf.linalg.band_part(ones, self.radius, self.radius)
        root = tf.sqrt(1 + self.alpha * tf.linalg.matmul(x * x, nearby))
        return tf.cast(x / (root * tf.sqrt(root)), inputs.dtype)


@_serializable
class Dropout(keras.layers.Layer):
    """Dropout whose draws depend on (seed, training pass, replica) alone.

    The number of the training pass is the variable `calls`: a checkpoint keeps
    it, so that a resumed run goes on with the draws of an uninterrupted one,
    and a `stateless_call` is keyed by the value that it is given.

    Args:
        rate: the share of values set to zero, in [0, 1).
        seed: an integer.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, rate, seed, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed

    def build(self, input_shape):
        """Creates the counter."""
        self.calls = self.add_weight(
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
            name="calls",
        )

    def call(self, inputs, training=False):
        """Returns the inputs, in training with zeros and scaled up."""
        if not training:
            return inputs
        calls = self.calls.value
        replica = tf.distribute.get_replica_context()
        key = randomness.stream_seed(
            self.seed,
            "dropout",
            calls,
            replica.replica_id_in_sync_group if replica else 0,
        )
        self.calls.assign(calls + 1)
        drawn = randomness.uniform(key, tf.shape(inputs))
        kept = tf.cast(drawn >= self.rate, inputs.dtype)
        return inputs * kept / (1 - self.rate)
