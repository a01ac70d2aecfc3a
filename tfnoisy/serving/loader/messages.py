"""TensorFlow Serving's messages and stubs, without TensorFlow's Python.

They import messages of `tensorflow.core`, and so the package `tensorflow`,
which takes seconds.  For the time of that import a package of its name and
folder, and with none of its code, stands in for it.
"""

import contextlib
import importlib.util
import sys
import types


@contextlib.contextmanager
def tensorflow_without_code():
    """Lets modules of `tensorflow.core` be imported, and nothing that has code.

    Nothing changes where tensorflow has been imported already, and it can be
    imported afterwards as ever.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("tensorflow")
    package = types.ModuleType("tensorflow")
    package.__spec__ = spec
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["tensorflow"] = package
    try:
        yield
    finally:
        del sys.modules["tensorflow"]


with tensorflow_without_code():
    from tensorflow.core.framework import tensor_pb2
    from tensorflow_serving.apis import (
        get_model_metadata_pb2,
        get_model_status_pb2,
        model_service_pb2_grpc,
        predict_pb2,
        prediction_service_pb2_grpc,
    )

__all__ = [
    "get_model_metadata_pb2",
    "get_model_status_pb2",
    "model_service_pb2_grpc",
    "predict_pb2",
    "prediction_service_pb2_grpc",
    "tensor_pb2",
    "tensorflow_without_code",
]
