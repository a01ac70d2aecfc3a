"""The refinement of PES: the last layers begin anew and are trained alone.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, NeurIPS 2021 (arXiv 2106.15853); the
code followed is tmllab/PES at 5466238, `renew_layers` and `noisy_refine`.

The code's networks have four stages and a final linear layer.  Here a stage of
any network is the layers whose maps have one size; layers between the last maps
and the final one are a stage of their own.  In a network that normalises before
it convolves, the normalisation in front of a smaller map is of the stage
before.
"""

import math

import keras
import tensorflow as tf

from tfnoisy import errors, randomness, replicas
from tfnoisy.methods import base, last_layer, students

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
# What normalisation begins with; `updates` counts its passes.
_CONSTANTS = {
    "gamma": 1.0,
    "beta": 0.0,
    "moving_mean": 0.0,
    "moving_variance": 1.0,
    "updates": 0.0,
}
_FLOATS = ("float16", "bfloat16", "float32", "float64")
# Drawn from U(-b, b), b = 1 / sqrt(fan in of the layer).
_DRAWN = ("kernel", "depthwise_kernel", "pointwise_kernel", "bias")


def last_stages(network, num_stages):
    """Returns the final layer, and the stages before it, a list of layers.

    Layers without weights, and frozen ones, are left out.

    Args:
        network: a built, functional or sequential `keras.Model`.
        num_stages: how many stages before the final layer; all that there are
            if it has fewer.

    Raises:
        ArgumentError: if the network does not end in a dense layer, or the
            sizes of its maps are not known.
    """
    last = last_layer.of(network)
    if not num_stages:
        return [last]
    sizes = {
        layer: _map_size(network, layer)
        for layer in _layers(network)
        if layer is not last and layer.trainable and layer.weights
    }
    smallest = sorted(set(sizes.values()))[:num_stages]
    return [*(x for x, size in sizes.items() if size in smallest), last]


def _layers(network):
    """Yields the layers of a network and of networks within it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model) and getattr(layer, "outputs", None):
            yield from _layers(layer)
        else:
            yield layer


def _map_size(network, layer):
    """Returns the positions of a layer's map; 0 where there is none."""
    shape = layer._inbound_nodes[0].output_tensors[0].shape
    if None in shape[1:]:
        raise errors.ArgumentError(
            f"{network.name} takes images of any size, so that its stages are "
            "not known: PES needs one size, keras.Input((H, W, channels))"
        )
    return math.prod(shape[1:-1]) if len(shape) > 2 else 0


def trained(layers):
    """Returns the trainable variables of some layers, a list."""
    return [v for layer in layers for v in layer.trainable_variables]


def begin_anew(layers, seed, *counters):
    """Gives layers the weights that PyTorch's layers begin with.

    Args:
        layers: a list, see `last_stages`.
        seed: the run's seed.
        *counters: integers that key this draw.

    Raises:
        ArgumentError: for a variable whose beginning is not known.
    """
    changes = []
    for layer in layers:
        for part in students.layers_of(layer):
            own = [*part._trainable_variables, *part._non_trainable_variables]
            fans = [math.prod(v.shape[:-1]) for v in own if len(v.shape) > 1]
            for v in own:
                number = len(changes)
                if v.name in _CONSTANTS:
                    value = tf.fill(v.shape, _CONSTANTS[v.name])
                elif v.name in _DRAWN and fans:
                    stream = randomness.stream_seed(
                        seed, "new_layer", *counters, number
                    )
                    drawn = randomness.uniform(stream, v.shape)
                    value = (2.0 * drawn - 1.0) / math.sqrt(fans[0])
                elif not v.trainable and v.dtype not in _FLOATS:
                    # The state of a generator.
                    continue
                else:
                    raise errors.ArgumentError(
                        f"layer {layer.name!r} cannot begin anew: there is no "
                        f"rule for its variable {v.name!r}; give PES fewer "
                        "stages to refine"
                    )
                changes.append((v, tf.cast(value, v.dtype)))
    for v, value in changes:
        v.assign(value)


def forget(optimizer, variables):
    """Sets what an optimiser remembers of some variables to zero.

    Args:
        optimizer: a built Keras optimiser.
        variables: a list of those that it trains.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    own = optimizer._trainable_variables
    rows = [optimizer._get_variable_index(v) for v in variables]
    for slots in list(vars(optimizer).values()):
        of_each = isinstance(slots, (list, tuple)) and len(slots) == len(own)
        if not of_each or slots is own:
            continue
        for row in rows:
            slot = slots[row]
            if isinstance(slot, keras.Variable) and slot is not own[row]:
                slot.assign(tf.zeros(slot.shape, slot.dtype))


@keras.saving.register_keras_serializable("tfnoisy")
class Adam(keras.layers.Layer):
    """PyTorch's Adam of some variables, with state that a method keeps.

    m <- b1 m + (1 - b1) g,  s <- b2 s + (1 - b2) g^2
    weight <- weight - rate (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + 1e-8)

    Keras's adds epsilon to sqrt(s), which is much smaller in the first steps.
    """

    def __init__(self, learning_rate, variables):
        """Makes the moments, zero.

        Args:
            learning_rate: a float.
            variables: a list of trainable `keras.Variable`s.
        """
        super().__init__(name="refining_adam")
        self.learning_rate = learning_rate
        self._row = {id(v): n for n, v in enumerate(variables)}
        self.means, self.squares = (
            [
                self.add_weight(
                    shape=v.shape,
                    initializer="zeros",
                    dtype=v.dtype,
                    trainable=False,
                    aggregation="only_first_replica",
                    name=f"{name}_{n}",
                )
                for n, v in enumerate(variables)
            ]
            for name in ("mean", "square")
        )
        self.built = True

    def begin(self):
        """Sets the moments to zero."""
        for v in (*self.means, *self.squares):
            v.assign(tf.zeros(v.shape, v.dtype))

    def apply(self, gradients, variables, t):
        """Updates some of the variables, within a step.

        Args:
            gradients: of this replica's mean loss, a list.
            variables: those that they are for.
            t: float32 scalar, which update it is since `begin`, from 1.
        """
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(
                tf.distribute.ReduceOp.MEAN, gradients
            )
        changes = []
        for v, g in zip(variables, gradients, strict=True):
            row = self._row[id(v)]
            b1, b2, step = (tf.cast(x, v.dtype) for x in (_BETA1, _BETA2, t))
            mean = b1 * self.means[row] + (1.0 - b1) * g
            square = b2 * self.squares[row] + (1.0 - b2) * g**2
            root = tf.sqrt(square / (1.0 - b2**step)) + _EPSILON
            changes += [
                (self.means[row], mean),
                (self.squares[row], square),
                (v, v - self.learning_rate * mean / (1.0 - b1**step) / root),
            ]
        replicas.assign_alike(changes)


def averages_follow(method, variables):
    """Gives the moving averages of some variables the variables' values.

    Args:
        method: a `base.Method`.
        variables: a list of trainable ones.
    """
    if method.averages is not None:
        for v in variables:
            method.average_of(v).assign(base.value_of(v))
