"""Warm-up: requests that a server answers for itself before it takes others.

TensorFlow Serving replays `assets.extra/tf_serving_warmup_requests`, a
TFRecord file of PredictionLogs, when it loads a version.  The first request
for a signature builds its functions, and the first of a batch size its
kernels; here none of these is a user's.
"""

import pathlib

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

FILE = pathlib.PurePath("assets.extra/tf_serving_warmup_requests")
# Those that batching.config allows.
BATCH_SIZES = (1, 8, 64)
_GREY = 128


def write(model_dir, model_name, signatures, image):
    """Writes a request for each signature and batch size.

    The first of each signature holds a real image, or its PNG; batches of
    pixels are grey, which takes a few bytes where images would take megabytes.

    Args:
        model_dir: the version's folder.
        model_name: what the server calls the model.
        signatures: as of `signatures.Classifier.signatures`.
        image: uint8 [H, W, C].
    """
    path = pathlib.Path(model_dir) / FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as file:
        for name, (_, spec) in signatures.items():
            for batch_size in BATCH_SIZES:
                request = predict_pb2.PredictRequest()
                request.model_spec.name = model_name
                request.model_spec.signature_name = name
                request.inputs[spec.name].CopyFrom(
                    _values(spec, image, batch_size)
                )
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                file.write(log.SerializeToString())


def _values(spec, image, batch_size):
    """Returns a TensorProto that the signature's argument takes."""
    if spec.dtype == tf.string:
        png = tf.io.encode_png(image).numpy()
        return tf.make_tensor_proto([png] * batch_size)
    if batch_size == 1:
        return tf.make_tensor_proto(image[np.newaxis], spec.dtype)
    return tf.make_tensor_proto(_GREY, spec.dtype, [batch_size, *image.shape])


def read(model_dir):
    """Returns the requests of a version, a list of `PredictRequest`."""
    path = pathlib.Path(model_dir) / FILE
    return [
        prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    ]


def replay(session, model_dir):
    """Answers the requests of a version, as a server does at its start.

    Args:
        session: a `c_loader.Session` of the version.
        model_dir: its folder.

    Returns:
        How many there were.

    Raises:
        UserError: if one is refused; a server would then refuse the version.
    """
    requests = read(model_dir)
    for request in requests:
        inputs = {
            name: tf.make_ndarray(values)
            for name, values in request.inputs.items()
        }
        session.run(request.model_spec.signature_name, inputs)
    return len(requests)
