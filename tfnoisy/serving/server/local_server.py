"""A small server in this process, over the loader of TensorFlow Serving.

It speaks tensorflow_serving's gRPC (`grpc_service`) and REST (`rest`), and is
for tests and measurements, and to try a model where there is no
tensorflow_model_server: one model, its newest version, a pool of threads, no
batching of requests, no warm-up.
"""

import concurrent.futures
import dataclasses

import grpc

from tfnoisy import errors
from tfnoisy.http import server as http_server
from tfnoisy.serving.server import grpc_service, rest, served_model

# Calls that are answered or wait; more are refused.
_MAX_CALLS = 256


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        request_bytes: of a request's body or message.
        batch_size: rows in a request.
        threads: requests that are answered at a time, by each protocol.
    """

    request_bytes: int = 64 << 20
    batch_size: int = 1024
    threads: int = 8


class LocalServer:
    """A model behind a gRPC port and a REST port, until it is closed.

    It is a context manager.

    Attributes:
        model: the `served_model.ServedModel`.
        grpc_address: HOST:PORT.
        rest_address: likewise.
    """

    def __init__(
        self,
        model_dir,
        port=0,
        rest_port=0,
        model_name=None,
        limits=None,
        poll_seconds=1.0,
        tell=None,
    ):
        """Loads a model and begins to answer.

        Args:
            model_dir: models/NAME or models/NAME/VERSION.
            port: of gRPC, on this machine only; 0 for any that is free.
            rest_port: of REST, in the same way.
            model_name: in place of the folder's name.
            limits: a `Limits`.
            poll_seconds: between two looks for a newer version.
            tell: a function of a line, called when the version changes, and
                when a new one cannot be loaded.

        Raises:
            UserError: if there is no such model, or a port is taken.
        """
        limits = limits or Limits()
        self.model = served_model.ServedModel(
            model_dir, model_name, limits.batch_size, poll_seconds, tell
        )
        self._grpc = _grpc_server(limits)
        grpc_service.add_to(self._grpc, self.model)
        try:
            port = self._grpc.add_insecure_port(f"127.0.0.1:{port}")
            self._rest = http_server.HttpServer(
                rest.RestApplication(self.model, limits.request_bytes),
                port=rest_port,
                limits=http_server.Limits(
                    body_bytes=limits.request_bytes, threads=limits.threads
                ),
            )
        except (RuntimeError, OSError) as error:
            self._grpc.stop(None)
            self.model.close()
            raise errors.UserError(
                f"cannot listen on port {port} and {rest_port}: {error}"
            ) from error
        self.grpc_address = f"127.0.0.1:{port}"
        self.rest_address = self._rest.address
        self._grpc.start()

    def wait(self):
        """Returns when the server was closed."""
        self._grpc.wait_for_termination()

    def close(self, seconds=5.0):
        """Answers what was begun, and no more.

        Args:
            seconds: the most that this takes.

        Returns:
            Whether all of it was answered.
        """
        stopped = self._grpc.stop(seconds)
        self._rest.close(seconds)
        stopped.wait()
        self.model.close()
        return not self.model.is_busy()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _grpc_server(limits):
    return grpc.server(
        concurrent.futures.ThreadPoolExecutor(limits.threads),
        options=(
            ("grpc.max_send_message_length", -1),
            ("grpc.max_receive_message_length", limits.request_bytes),
            # Else a second server shares the port of the first.
            ("grpc.so_reuseport", 0),
        ),
        maximum_concurrent_rpcs=_MAX_CALLS,
    )
