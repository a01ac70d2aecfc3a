"""The same classifier as a LiteRT (TensorFlow Lite) file.

Its one signature, `serving_default`, takes images as the SavedModel's does,
float32 [N, H, W, C] in 0..255, and gives `probabilities` [N, C]: a table of
names is no operation of LiteRT, so the names are those of assets/labels.txt.
"""

import tempfile
import warnings

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import choices

# The name by which TensorFlow Serving takes one (--prefer_tflite_model).
FILE = "model.tflite"
SIGNATURE = "serving_default"
QUANTISATIONS = choices.QUANTISATIONS
_CALIBRATION_IMAGES = 300


def convert(classifier, quantise, training_images):
    """Converts a classifier.

    Args:
        classifier: a `signatures.Classifier`.
        quantise: `none`: float32; `float16`: the weights are kept in 16 bits;
            `int8`: weights and activations are 8-bit integers, scaled by what
            is seen of them on training images.
        training_images: uint8 [N, H, W, C], in memory or streamed, of which a
            few hundred calibrate `int8`; else not looked at.

    Returns:
        The file's contents, bytes.
    """
    _, spec = classifier.signatures()[SIGNATURE]
    with tempfile.TemporaryDirectory() as scratch:
        # By a SavedModel: the converter loses the variables of a Keras model
        # that is handed to it as concrete functions.
        archive = keras.export.ExportArchive()
        archive.add_endpoint(SIGNATURE, classifier.probabilities, [spec])
        archive.write_out(scratch, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            scratch, signature_keys=[SIGNATURE]
        )
        _quantise(converter, quantise, training_images)
        return converter.convert()


def _quantise(converter, quantise, training_images):
    if quantise != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantise == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantise == "int8":
        count = min(_CALIBRATION_IMAGES, len(training_images))
        rows = np.arange(count) * len(training_images) // count
        converter.representative_dataset = lambda: (
            [np.float32(training_images[row])[np.newaxis]] for row in rows
        )


def probabilities(contents, images, batch_size=64):
    """Runs a file on images.

    Args:
        contents: the file's.
        images: uint8 [N, H, W, C].
        batch_size: images at a time.

    Returns:
        float32 [N, C].
    """
    with warnings.catch_warnings():
        # That it moves to a package of its own.
        warnings.filterwarnings("ignore", r"\s+Warning: tf.lite.Interpreter")
        interpreter = tf.lite.Interpreter(model_content=contents)
    run = interpreter.get_signature_runner(SIGNATURE)
    return np.concatenate(
        [
            run(images=images[i : i + batch_size].astype(np.float32))[
                "probabilities"
            ]
            for i in range(0, len(images), batch_size)
        ]
    )
