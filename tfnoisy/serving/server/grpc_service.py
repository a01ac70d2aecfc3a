"""TensorFlow Serving's gRPC services: Predict, GetModelMetadata and
GetModelStatus.
"""

import contextlib
import sys
import traceback

import grpc

from tfnoisy.serving.loader import messages, tensor_protos
from tfnoisy.serving.server import request_error


def add_to(server, model):
    """Makes a server answer about a model.

    Args:
        server: a `grpc.Server`.
        model: a `served_model.ServedModel`.
    """
    messages.prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        _PredictionService(model), server
    )
    messages.model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        _ModelService(model), server
    )


class _PredictionService(
    messages.prediction_service_pb2_grpc.PredictionServiceServicer
):
    def __init__(self, model):
        self._model = model

    def Predict(self, request, context):
        response = messages.predict_pb2.PredictResponse()
        with (
            _errors_as_status(context),
            self._model.lease(*_asked_for(request)) as version,
        ):
            name, _ = version.signature(request.model_spec.signature_name)
            for proto in request.inputs.values():
                # Before millions of strings become objects.
                for axis in proto.tensor_shape.dim[:1]:
                    version.check_batch_size(axis.size)
            response.model_spec.CopyFrom(self._model.model_spec(version, name))
            outputs = version.predict(
                name,
                {
                    key: _array_of(key, proto)
                    for key, proto in request.inputs.items()
                },
                list(request.output_filter) or None,
            )
            for key, array in outputs.items():
                response.outputs[key].CopyFrom(tensor_protos.proto_of(array))
        return response

    def GetModelMetadata(self, request, context):
        with _errors_as_status(context):
            if list(request.metadata_field) != ["signature_def"]:
                raise request_error.RequestError(
                    "there is no metadata but signature_def"
                )
            return self._model.metadata(*_asked_for(request))


class _ModelService(messages.model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, model):
        self._model = model

    def GetModelStatus(self, request, context):
        with _errors_as_status(context):
            name, version, _ = _asked_for(request)
            return self._model.status(name, version)


def _asked_for(request):
    """Returns the name, version and label of a request's ModelSpec."""
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    return spec.name, version, spec.version_label


def _array_of(name, proto):
    try:
        return tensor_protos.array_of(proto, complete=True)
    except ValueError as error:
        raise request_error.RequestError(f"input {name}: {error}") from error


@contextlib.contextmanager
def _errors_as_status(context):
    """Ends a call by a status where the body raises."""
    try:
        yield
    except request_error.RequestError as error:
        code, message = error.code, str(error)
    except MemoryError:
        code = "RESOURCE_EXHAUSTED"
        message = "there is no memory to answer this"
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        code, message = "INTERNAL", type(error).__name__
    else:
        return
    context.abort(grpc.StatusCode[code], message)
