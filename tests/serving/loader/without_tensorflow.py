"""Answers requests in a process in which `tensorflow` was never imported.

    python without_tensorflow.py MODEL_DIR IMAGES.npz OUTPUT.npz

Runs `serving_uint8` on the images, then every record of the warm-up, and
writes what came out.  The messages of tensorflow and of tensorflow_serving are
plain protobuf modules; a package of their name without the library stands in
for tensorflow's own.
"""

import importlib.machinery
import importlib.util
import pathlib
import struct
import sys
import types

import numpy as np


def stand_in_for_tensorflow():
    """Lets `tensorflow.core...` be imported, and nothing that has code."""
    spec = importlib.util.find_spec("tensorflow")
    package = types.ModuleType("tensorflow")
    package.__spec__ = spec
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = package


def records(path):
    """Yields the records of a TFRecord file."""
    contents = path.read_bytes()
    start = 0
    while start < len(contents):
        (length,) = struct.unpack_from("<Q", contents, start)
        # A length and its checksum; the record; its checksum.
        yield contents[start + 12 : start + 12 + length]
        start += 12 + length + 4


def array_of(proto, dtype):
    """Returns the array of a TensorProto."""
    shape = [axis.size for axis in proto.tensor_shape.dim]
    if proto.tensor_content:
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
    values = proto.string_val or proto.float_val or proto.int_val
    # One value may stand for all.
    return np.broadcast_to(np.array(list(values), dtype), shape)


def main(model_dir, images_file, output_file):
    stand_in_for_tensorflow()
    from tensorflow_serving.apis import prediction_log_pb2

    from tfnoisy.serving.loader import c_loader

    results = {}
    path = pathlib.Path(model_dir)
    images = np.load(images_file)["images"]
    with c_loader.Session(path) as session:
        batches = [
            session.run("serving_uint8", {"images": images[i : i + 100]})
            for i in range(0, len(images), 100)
        ]
        for name in batches[0]:
            results[name] = np.concatenate([batch[name] for batch in batches])
        warm_up = path / "assets.extra/tf_serving_warmup_requests"
        for number, record in enumerate(records(warm_up)):
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            name = request.model_spec.signature_name
            signature = session.signatures[name]
            answer = session.run(
                name,
                {
                    key: array_of(proto, signature.inputs[key].dtype)
                    for key, proto in request.inputs.items()
                },
            )
            for key, values in answer.items():
                results[f"warm_up/{number}/{name}/{key}"] = values
    # The library's Python is not there, nor are our classes.
    results["modules"] = np.array(
        [name for name in sys.modules if name.startswith(("tensor", "keras"))]
        + [name for name in sys.modules if name.startswith("tfnoisy")]
    )
    np.savez(output_file, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
