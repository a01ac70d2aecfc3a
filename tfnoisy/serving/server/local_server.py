"""A small server in this process, over the loader of TensorFlow Serving.

It speaks tensorflow_serving's gRPC (Predict, GetModelMetadata, GetModelStatus)
and REST (`local_rest`), and is for tests and measurements, and to try a model
where there is no tensorflow_model_server: one model, the version that was the
newest at its start, a pool of threads, no batching of requests, no warm-up.
"""

import concurrent.futures
import threading

import grpc

from tfnoisy import errors
from tfnoisy.serving.loader import local_model, messages, tensor_protos
from tfnoisy.serving.server import local_rest

_AVAILABLE = messages.get_model_status_pb2.ModelVersionStatus.State.AVAILABLE
_TYPE_PREFIX = "type.googleapis.com"


class ServedModel:
    """What both protocols answer from.

    Attributes:
        name: of the model.
        version: an int.
        path: the version's folder.
        session: the `c_loader.Session`.
    """

    def __init__(self, model_dir):
        """Loads a version; see `local_model.find_version`.

        A folder that is no VERSION of a model is served under its own name.
        """
        self.path = path = local_model.find_version(model_dir)
        numbered = path.name.isdecimal()
        self.name = path.parent.name if numbered else path.name
        self.version = int(path.name) if numbered else 1
        self.session = local_model.LocalModel(path).session

    def refusal(self, name, version=None):
        """Returns why a request for a model is refused; None if it is not."""
        if name == self.name and version in (None, self.version):
            return None
        wanted = f"Latest({name})"
        if version is not None:
            wanted = f"Specific({name}, {version})"
        return f"Servable not found for request: {wanted}"

    def model_spec(self, signature=""):
        """Returns the ModelSpec of an answer."""
        spec = messages.predict_pb2.PredictRequest().model_spec
        spec.name, spec.signature_name = self.name, signature
        spec.version.value = self.version
        return spec

    def metadata(self):
        """Returns a GetModelMetadataResponse with the signatures."""
        response = messages.get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.CopyFrom(self.model_spec())
        found = messages.get_model_metadata_pb2.SignatureDefMap()
        for name, signature in self.session.meta_graph.signature_def.items():
            found.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(found, _TYPE_PREFIX)
        return response

    def status(self):
        """Returns a GetModelStatusResponse."""
        response = messages.get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(
            version=self.version, state=_AVAILABLE
        )
        return response


class _PredictionService(
    messages.prediction_service_pb2_grpc.PredictionServiceServicer
):
    def __init__(self, model):
        self._model = model

    def Predict(self, request, context):
        _check(self._model, request, context)
        name = request.model_spec.signature_name or "serving_default"
        response = messages.predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(self._model.model_spec(name))
        try:
            inputs = {
                key: tensor_protos.array_of(proto)
                for key, proto in request.inputs.items()
            }
            outputs = self._model.session.run(
                name, inputs, list(request.output_filter) or None
            )
        except (errors.UserError, ValueError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        for key, array in outputs.items():
            response.outputs[key].CopyFrom(tensor_protos.proto_of(array))
        return response

    def GetModelMetadata(self, request, context):
        _check(self._model, request, context)
        if list(request.metadata_field) != ["signature_def"]:
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "there is no metadata but signature_def",
            )
        return self._model.metadata()


class _ModelService(messages.model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, model):
        self._model = model

    def GetModelStatus(self, request, context):
        _check(self._model, request, context)
        return self._model.status()


def _check(model, request, context):
    """Ends a call about another model."""
    spec = request.model_spec
    version = spec.version.value if spec.HasField("version") else None
    if refusal := model.refusal(spec.name, version):
        context.abort(grpc.StatusCode.NOT_FOUND, refusal)


class LocalServer:
    """A model behind a gRPC port and a REST port, until it is closed.

    It is a context manager.

    Attributes:
        model: the `ServedModel`.
        grpc_address: HOST:PORT.
        rest_address: likewise.
    """

    def __init__(self, model_dir, port=0, rest_port=0, threads=8):
        """Loads a model and begins to answer.

        Args:
            model_dir: models/NAME or models/NAME/VERSION.
            port: of gRPC, on this machine only; 0 for any that is free.
            rest_port: likewise of REST.
            threads: how many requests are answered at a time by gRPC.

        Raises:
            UserError: if there is no such model, or a port is taken.
        """
        self.model = ServedModel(model_dir)
        self._grpc = grpc.server(
            concurrent.futures.ThreadPoolExecutor(threads),
            options=(
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                # Else a second server shares the port of the first.
                ("grpc.so_reuseport", 0),
            ),
        )
        prediction, models = (
            messages.prediction_service_pb2_grpc,
            messages.model_service_pb2_grpc,
        )
        prediction.add_PredictionServiceServicer_to_server(
            _PredictionService(self.model), self._grpc
        )
        models.add_ModelServiceServicer_to_server(
            _ModelService(self.model), self._grpc
        )
        try:
            port = self._grpc.add_insecure_port(f"127.0.0.1:{port}")
            self._rest = local_rest.Server(("127.0.0.1", rest_port), self.model)
        except (RuntimeError, OSError) as error:
            self._grpc.stop(None)
            self.model.session.close()
            raise errors.UserError(
                f"cannot listen on port {port} and {rest_port}: {error}"
            ) from error
        self.grpc_address = f"127.0.0.1:{port}"
        self.rest_address = f"127.0.0.1:{self._rest.server_port}"
        self._grpc.start()
        self._thread = threading.Thread(
            target=self._rest.serve_forever, daemon=True
        )
        self._thread.start()

    def wait(self):
        """Returns when the server was closed."""
        self._grpc.wait_for_termination()

    def close(self):
        """Answers what was begun, and no more."""
        self._grpc.stop(5).wait()
        self._rest.shutdown()
        self._rest.server_close()
        self._thread.join()
        self.model.session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
