"""A model behind a TensorFlow Serving, asked by gRPC."""

import grpc

from tfnoisy import errors
from tfnoisy.serving.client import client
from tfnoisy.serving.loader import messages, tensor_protos

_TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    # The server's queue is full.
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
}
# A message that is refused for its size has the status of a full queue.
_TOO_LARGE = "larger than max"
_OPTIONS = (
    # A batch of photographs is more than gRPC's default of 4 MB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Else a call of ours soon after one that failed would fail by itself,
    # without another attempt to connect.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)


class Grpc:
    """A transport, see `client`.

    Attributes:
        place: the server and the model.
    """

    def __init__(self, server, model_name, version=None, timeout=10.0):
        """Connects when it is first asked.

        Args:
            server: HOST:PORT.
            model_name: what the server calls the model.
            version: an int, or None for the server's newest.
            timeout: seconds for a request.
        """
        self.place = f"model {model_name} at {server} (gRPC)"
        self._model_name, self._version = model_name, version
        self._timeout = timeout
        self._channel = grpc.insecure_channel(server, _OPTIONS)
        self._stub = messages.prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )

    def signatures(self):
        """Returns {name: `client.Signature`}.  For errors see `client`."""
        request = messages.get_model_metadata_pb2.GetModelMetadataRequest(
            metadata_field=["signature_def"]
        )
        response = self._call(self._stub.GetModelMetadata, request)
        found = messages.get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        return {
            name: client.Signature(
                {
                    key: tensor_protos.shape_of(info.tensor_shape)
                    for key, info in signature.inputs.items()
                },
                frozenset(signature.outputs),
            )
            for name, signature in found.signature_def.items()
        }

    def predict(self, signature, inputs):
        """Returns {output: array} of {input: array}."""
        request = messages.predict_pb2.PredictRequest()
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tensor_protos.proto_of(array))
        response = self._call(self._stub.Predict, request)
        return {
            name: tensor_protos.array_of(proto)
            for name, proto in response.outputs.items()
        }

    def close(self):
        """Hangs up."""
        self._channel.close()

    def _call(self, method, request):
        request.model_spec.name = self._model_name
        if self._version is not None:
            request.model_spec.version.value = self._version
        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            code, words = error.code(), error.details() or error.code().name
            if code == grpc.StatusCode.DEADLINE_EXCEEDED:
                words = f"not within {self._timeout:g} seconds"
            if code == grpc.StatusCode.NOT_FOUND:
                raise errors.UserError(f"{self.place}: {words}") from error
            if code in _TRANSIENT and _TOO_LARGE not in words:
                # Of all addresses of a host the last one's is said.
                words = words.rpartition("last error: ")[2]
                raise client.TransientError(words) from error
            raise client.RefusedError(words) from error
