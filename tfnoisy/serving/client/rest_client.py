"""A model behind a TensorFlow Serving, asked by REST (columnar JSON)."""

import base64
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request

import numpy as np

from tfnoisy import errors
from tfnoisy.serving.client import client

_NOT_FOUND = 404
# Time-out, too many requests, and what a server or a proxy that is down says.
_TRANSIENT = {408, 429, 502, 503, 504}


class Rest:
    """A transport, see `client`.

    Attributes:
        place: the server and the model.
    """

    def __init__(self, server, model_name, version=None, timeout=10.0):
        """Connects with each request.

        Args:
            server: HOST:PORT, or its URL.
            model_name: what the server calls the model.
            version: an int, or None for the server's newest.
            timeout: seconds that a request may wait for its server.

        Raises:
            UserError: if it is no address of a server.
        """
        self.place = f"model {model_name} at {server} (REST)"
        base = server if "://" in server else f"http://{server}"
        if not base.startswith(("http://", "https://")):
            raise errors.UserError(
                f"--server={server}: HOST:PORT, http://... or https://..."
            )
        try:
            urllib.parse.urlsplit(base).port  # noqa: B018  It may raise.
        except ValueError as error:
            raise errors.UserError(f"--server={server}: {error}") from error
        name = urllib.parse.quote(model_name, safe="")
        self._url = f"{base.rstrip('/')}/v1/models/{name}"
        if version is not None:
            self._url += f"/versions/{version}"
        self._timeout = timeout

    def signatures(self):
        """Returns {name: `client.Signature`}.  For errors see `client`."""
        response = self._call("/metadata")
        try:
            found = response["metadata"]["signature_def"]["signature_def"]
            return {
                name: client.Signature(
                    {
                        key: _shape(info["tensor_shape"])
                        for key, info in signature["inputs"].items()
                    },
                    frozenset(signature["outputs"]),
                )
                for name, signature in found.items()
                # Where variables are initialised anew, which takes nothing.
                if not name.startswith("__")
            }
        except (KeyError, TypeError, AttributeError) as error:
            raise client.RefusedError(
                "what answers is no TensorFlow Serving"
            ) from error

    def predict(self, signature, inputs):
        """Returns {output: array} of {input: array}; strings as str."""
        response = self._call(
            ":predict",
            {
                "signature_name": signature,
                "inputs": {
                    name: _to_json(array) for name, array in inputs.items()
                },
            },
        )
        try:
            outputs = response["outputs"].items()
        except (KeyError, TypeError, AttributeError) as error:
            raise client.RefusedError("an answer without outputs") from error
        return {name: np.array(values) for name, values in outputs}

    def close(self):
        """Has nothing to close."""

    def _call(self, suffix, body=None):
        request = urllib.request.Request(
            self._url + suffix,
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as file:
                return json.load(file)
        except urllib.error.HTTPError as error:
            words = _error_of(error)
            if error.code == _NOT_FOUND:
                raise errors.UserError(f"{self.place}: {words}") from error
            if error.code in _TRANSIENT:
                raise client.TransientError(words) from error
            raise client.RefusedError(words) from error
        except TimeoutError as error:
            raise self._too_late() from error
        except urllib.error.URLError as error:
            if isinstance(error.reason, TimeoutError):
                raise self._too_late() from error
            words = getattr(error.reason, "strerror", None) or error.reason
            raise client.TransientError(str(words)) from error
        except (OSError, http.client.HTTPException) as error:
            words = str(error) or type(error).__name__
            raise client.TransientError(words) from error
        except ValueError as error:
            raise client.RefusedError(
                f"what answers is no JSON: {error}"
            ) from error

    def _too_late(self):
        return client.TransientError(f"not within {self._timeout:g} seconds")


def _error_of(error):
    """Returns the words of an HTTPError, which TensorFlow Serving wraps."""
    body = error.read().decode(errors="replace")
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {error.code} {error.reason}"


def _shape(shape):
    if shape.get("unknown_rank"):
        return None
    # JSON has 64-bit integers as strings.
    sizes = [int(axis["size"]) for axis in shape.get("dim", [])]
    return tuple(None if size < 0 else size for size in sizes)


def _to_json(array):
    if array.dtype != object:
        return array.tolist()
    return [{"b64": base64.b64encode(value).decode()} for value in array]
