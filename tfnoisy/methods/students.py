"""What a method asks of its student, and copies of students.

A student is any Keras classifier that gives logits: functional, sequential or
subclassed.  A method works on a functional model of it, which shares its
layers and weights.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.nets import precision

# What a layer must not end in: a method takes the softmax itself.
_SQUASHED = ("softmax", "sigmoid", "sparsemax")
# Added to the seed of an initialiser for each further copy of a network.
_BETWEEN_COPIES = 1_000_003
_AS_LOGITS = (
    "a method needs logits: let the last layer be Dense(num_classes) without "
    "an activation"
)


def checked(student):
    """Returns the student as a functional model of float32 logits.

    A student in Keras's `mixed_float16` or `mixed_bfloat16` is given
    `precision.MixedPolicy`, so that it can be evaluated in float32.

    Args:
        student: a `keras.Model`; built, or returned as it is.

    Raises:
        ArgumentError: if it cannot be a student.
    """
    if not isinstance(student, keras.Model):
        raise errors.ArgumentError(
            f"the student must be a keras.Model, not {type(student).__name__}"
        )
    if not is_built(student):
        return student
    student = _functional(student)
    for what in ("inputs", "outputs"):
        if len(getattr(student, what)) != 1:
            raise errors.ArgumentError(
                f"{student.name} has {len(getattr(student, what))} {what}; a "
                "student maps one batch of images to one batch of logits"
            )
    if len(student.outputs[0].shape) != 2:
        raise errors.ArgumentError(
            f"{student.name} gives outputs of shape {student.output_shape}; "
            "logits are [B, C]"
        )
    _refuse_channels_first(student)
    _refuse_activation(student)
    _refuse_activity_regularizers(student)
    _adapt_precision(student)
    return _float32_logits(student)


def variable_dtype(student):
    """Returns the type of a student's variables, for what goes with them."""
    return getattr(student, "variable_dtype", "float32")


def is_built(student):
    """Returns whether the student knows the shape of its images."""
    return bool(student.built and student.weights)


def refuse_unbuilt(student):
    """Raises an `ArgumentError` if the student has no weights yet."""
    if not is_built(student):
        raise errors.ArgumentError(
            f"{student.name} is not built: call fit, or predict on an array "
            "of images, first"
        )


def build(student, image_shape):
    """Returns an unbuilt student, `checked`, for images of this shape.

    Args:
        student: a `keras.Model`.
        image_shape: of one image, (H, W, channels).
    """
    images = keras.Input(image_shape)
    logits = student(images)
    if not student.weights:
        raise errors.ArgumentError(f"{student.name} has no weights to train")
    return checked(
        keras.Model(
            images, logits, name=student.name, dtype=student.dtype_policy
        )
    )


def _functional(student):
    if getattr(student, "inputs", None):
        return student
    shape = student.get_build_config()["input_shape"]
    images = keras.Input(tuple(shape)[1:])
    return keras.Model(
        images, student(images), name=student.name, dtype=student.dtype_policy
    )


def layers_of(model):
    """Returns the model and all layers in it, outer ones first, a list."""
    return list(model._flatten_layers())


def trainable_in_principle(student):
    """Returns the variables that are trained, or would be if not frozen.

    Args:
        student: a built `keras.Model`; what is frozen stays so.
    """
    flags = [(layer, layer.trainable) for layer in layers_of(student)]
    if all(flag for _, flag in flags):
        return list(student.trainable_variables)
    try:
        for layer, _ in flags:
            layer.trainable = True
        return list(student.trainable_variables)
    finally:
        # A model's flag overrides those of its layers, which follow it.
        for layer, flag in flags:
            layer.trainable = flag


def _refuse_channels_first(student):
    formats = {
        getattr(layer, "data_format", None) for layer in layers_of(student)
    }
    if "channels_first" in formats or (
        keras.config.image_data_format() == "channels_first"
    ):
        raise errors.ArgumentError(
            f"{student.name} takes images with channels first; students take "
            "[B, H, W, channels]: keras.config.set_image_data_format("
            "'channels_last') before the network is made"
        )


def last_operation(model):
    """Returns the operation whose result the model gives."""
    operation = model.outputs[0]._keras_history.operation
    if isinstance(operation, keras.Model) and getattr(
        operation, "outputs", None
    ):
        return last_operation(operation)
    return operation


def ends_in_logits(student):
    """Returns whether the last layer is known to apply no activation."""
    activation = getattr(last_operation(student), "activation", None)
    return activation is keras.activations.linear


def _refuse_activation(student):
    last = last_operation(student)
    activation = getattr(last, "activation", None)
    names = {
        getattr(activation, "__name__", ""),
        type(last).__name__.lower(),
    }
    found = names.intersection(_SQUASHED)
    if found:
        raise errors.ArgumentError(
            f"{student.name} ends in {found.pop()} (layer {last.name!r}); "
            + _AS_LOGITS
        )


def refuse_by_example(student, images):
    """Refuses a student for what only a call of it shows.

    Args:
        student: a built `keras.Model`.
        images: [B, ...], a few of those that it will see.

    Raises:
        ArgumentError: if its outputs are probabilities, all at least 0 and
            each row with the sum 1; or if its layers add losses of their own.
    """
    outputs = tf.cast(student(images, training=False), tf.float32)
    if len(student.losses) > _number_of_regularisers(student):
        raise errors.ArgumentError(
            f"a layer of {student.name} adds a loss of its own (add_loss), "
            "which a method would ignore; regularisers of weights count"
        )
    if ends_in_logits(student):
        return
    sums = tf.reduce_sum(outputs, -1)
    if tf.reduce_all(outputs >= 0) and tf.reduce_all(tf.abs(sums - 1) < 1e-3):
        raise errors.ArgumentError(
            f"the outputs of {student.name} are at least 0 and sum to 1, as "
            "those of a softmax; " + _AS_LOGITS
        )


def _number_of_regularisers(student):
    return sum(v.regularizer is not None for v in student.trainable_variables)


def _refuse_activity_regularizers(student):
    for layer in layers_of(student):
        if getattr(layer, "activity_regularizer", None) is not None:
            raise errors.ArgumentError(
                f"the layer {layer.name!r} of {student.name} has an "
                "activity_regularizer, which a method would ignore; "
                "regularisers of weights count"
            )


def _adapt_precision(student):
    for layer in layers_of(student):
        name = layer.dtype_policy.name
        if name.startswith("mixed_"):
            if not isinstance(layer.dtype_policy, precision.MixedPolicy):
                layer.dtype_policy = precision.MixedPolicy(name)
            if not precision.is_mixed(student):
                student.dtype_policy = precision.MixedPolicy(name)


def compute_dtypes(student):
    """Returns the names of the types that a student computes in, a set."""
    return {layer.compute_dtype for layer in layers_of(student)}


def _float32_logits(student):
    """Appends a cast where the logits are of half precision."""
    if student.outputs[0].dtype not in ("float16", "bfloat16"):
        return student
    cast = keras.layers.Identity(dtype="float32", name="float32_logits")
    return keras.Model(
        student.inputs,
        cast(student.outputs[0]),
        name=student.name,
        dtype=student.dtype_policy,
    )


def reinitialised(student, number=1):
    """Returns a copy of the student with initial weights of its own.

    Args:
        student: a built `keras.Model`.
        number: which copy; initialisers that have a seed get another one for
            each, the others draw anew.

    Raises:
        ArgumentError: if it cannot be copied.
    """

    def reseed(node):
        if isinstance(node.get("seed"), int):
            seed = node["seed"] + number * _BETWEEN_COPIES
            return {**node, "seed": seed % 2**31}
        return node

    return _from_changed_config(student, reseed)


def in_float32(student):
    """Returns a copy that computes in float32, with the same weights.

    Args:
        student: a built `keras.Model`.

    Raises:
        ArgumentError: if it cannot be copied.
    """

    def widen(node):
        config = node.get("config")
        named = isinstance(config, dict) and str(config.get("name"))
        if named in ("mixed_float16", "mixed_bfloat16"):
            policy = keras.DTypePolicy("float32")
            return keras.saving.serialize_keras_object(policy)
        if node.get("dtype") in ("mixed_float16", "mixed_bfloat16"):
            return {**node, "dtype": "float32"}
        return node

    copy = _from_changed_config(student, widen)
    copy.set_weights(student.get_weights())
    return copy


def _from_changed_config(student, change):
    """Returns the model of the student's configuration with changed nodes."""

    def walk(node):
        if isinstance(node, dict):
            return change({name: walk(value) for name, value in node.items()})
        if isinstance(node, (list, tuple)):
            return type(node)(walk(value) for value in node)
        return node

    try:
        config = keras.saving.serialize_keras_object(student)
        return keras.saving.deserialize_keras_object(walk(config))
    except (NotImplementedError, TypeError, ValueError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise errors.ArgumentError(
            f"{student.name} cannot be copied: give its classes get_config "
            f"and keras.saving.register_keras_serializable ({line})"
        ) from error
