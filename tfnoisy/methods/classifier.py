"""The trained classifier of a method, as a Keras model of its own."""

import keras

from tfnoisy.methods import students


def build(method, logits=False):
    """Returns a plain model with the weights that a method is evaluated with.

    Args:
        method: a `methods.base.Method`.
        logits: whether it gives logits in place of probabilities.

    Returns:
        A `keras.Model` of images to [N, C], in float32.

    Raises:
        ArgumentError: if the student cannot be copied.
    """
    student = method.student
    copy = students.in_float32(student)
    values = method.evaluated_values()
    for variable, source in zip(copy.weights, student.weights):
        variable.assign(values[id(source)])
    images = keras.Input(
        copy.input_shape[1:], dtype=copy.inputs[0].dtype, name="images"
    )
    outputs = copy(images)
    if not logits:
        softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
        outputs = softmax(outputs)
    model = keras.Model(images, outputs, name=f"{student.name}_classifier")
    # Keras exports only what has been called.
    model(images)
    return model
