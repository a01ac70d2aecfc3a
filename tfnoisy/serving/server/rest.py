"""TensorFlow Serving's REST API, as a WSGI application.

    GET  /v1/models/NAME[/versions/N]            whether it is served
    GET  /v1/models/NAME[/versions/N]/metadata   its signatures
    POST /v1/models/NAME[/versions/N]:predict    an answer

A request's `instances` are rows, its `inputs` columns; {"b64": ...} is bytes.
Errors are {"error": message}, with the status that TensorFlow Serving's
`http_rest_api_handler.cc` gives them.
"""

import contextlib
import json
import re
import sys
import threading
import traceback
import urllib.parse
import zlib

from google.protobuf import json_format
from werkzeug import wrappers

from tfnoisy.serving.loader import version_folder
from tfnoisy.serving.server import json_tensors, request_error

_MODEL = (
    r"(?i)/v1/models/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
)
_PATHS = {
    "GET": re.compile(_MODEL + "(?P<verb>/metadata)?", re.ASCII),
    "POST": re.compile(_MODEL + ":(?P<verb>predict)", re.ASCII),
}
_API = re.compile("(?i)/v1/.*")
# Parsed JSON takes up to 30 times the memory, and Python's lock; one at a
# time is as fast as several.
_LARGE_BODY = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS


class RestApplication:
    """Answers requests about one model, by PEP 3333."""

    def __init__(self, model, max_body_bytes):
        """Takes the model.

        Args:
            model: a `served_model.ServedModel`.
            max_body_bytes: of a request after decompression.
        """
        self._model = model
        self._max_body_bytes = max_body_bytes
        self._large_body = threading.Lock()

    def __call__(self, environ, start_response):
        """Answers a request, whatever it is."""
        request = wrappers.Request(environ)
        # The path as it was sent: a name may hold an encoded slash.
        uri = environ.get("REQUEST_URI") or urllib.parse.quote(request.path)
        status = 200
        try:
            value = self._answer(request, uri)
        except request_error.RequestError as error:
            status, value = error.http_status, {"error": str(error)}
        except MemoryError:
            status, value = 429, {"error": "there is no memory to answer this"}
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            status, value = 500, {"error": f"Internal: {type(error).__name__}"}
        response = wrappers.Response(
            b"" if value is None else json.dumps(value, allow_nan=False),
            status,
            content_type="application/json",
        )
        return response(environ, start_response)

    def _answer(self, request, uri):
        """Returns what to send as JSON; None for nothing."""
        if not uri.startswith("/"):
            parts = urllib.parse.urlsplit(uri)
            uri = parts._replace(scheme="", netloc="").geturl()
        if request.method == "OPTIONS":
            return _answer_preflight(request)
        malformed = f"Malformed request: {request.method} {uri}"
        path = _PATHS.get(request.method)
        match = path and path.fullmatch(uri)
        if not match:
            code = "INVALID_ARGUMENT" if _API.fullmatch(uri) else "NOT_FOUND"
            raise request_error.RequestError(malformed, code)
        asked = _asked_for(match)
        if request.method == "POST":
            return self._predict(asked, request)
        if match["verb"]:
            return _message(self._model.metadata(*asked))
        return _message(self._model.status(*asked[:2]))

    def _predict(self, asked, request):
        body = self._body(request)
        large = len(body) > _LARGE_BODY
        with self._model.lease(*asked) as version:
            with self._large_body if large else contextlib.nullcontext():
                parsed = json_tensors.parse(body)
                name, signature = version.signature(
                    json_tensors.signature_name(parsed)
                )
                by_rows, inputs = json_tensors.arrays(parsed, signature)
                del parsed
            outputs = version.predict(name, inputs)
        return json_tensors.answer(outputs, by_rows)

    def _body(self, request):
        """Returns the body, decompressed if need be."""
        body = request.get_data(cache=False)
        encoding = request.headers.get("Content-Encoding", "identity").lower()
        if "gzip" not in encoding:
            return body
        unzip = zlib.decompressobj(_GZIP)
        try:
            body = unzip.decompress(body, self._max_body_bytes + 1)
        except zlib.error as error:
            raise request_error.RequestError(
                f"the body is not compressed by gzip: {error}"
            ) from error
        if len(body) > self._max_body_bytes:
            raise request_error.RequestError(
                f"the body has more than {self._max_body_bytes:,} bytes, "
                "decompressed"
            )
        return body


def _asked_for(match):
    """Returns the name, version and label of a path's match."""
    name, version, label = (
        match[group] and urllib.parse.unquote(match[group])
        for group in ("name", "version", "label")
    )
    if version:
        number = version_folder.number_of(version.lstrip("0") or "0")
        if number is None:
            raise request_error.RequestError(
                f"Failed to convert version: "
                f"{request_error.shortened(version)} to numeric."
            )
        version = number
    return name, version, label


def _answer_preflight(request):
    """Answers what a browser asks before a request to another host."""
    if re.match("https?://", request.headers.get("Origin", "")):
        return None
    raise request_error.RequestError(
        "Origin header is missing in CORS preflight"
    )


def _message(found):
    """Returns a protobuf message as TensorFlow Serving writes it."""
    value = json_format.MessageToDict(
        found,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )
    for part in value.get("metadata", {}).values():
        del part["@type"]
    return value
