"""The REST half of `local_server`: TensorFlow Serving's URLs and JSON.

    GET  /v1/models/NAME[/versions/N]            whether it is served
    GET  /v1/models/NAME[/versions/N]/metadata   its signatures
    POST /v1/models/NAME[/versions/N]:predict    an answer

A request's `instances` are rows, its `inputs` columns; {"b64": ...} is bytes.
"""

import base64
import http.server
import json
import re
import urllib.parse

import numpy as np
from google.protobuf import json_format

from tfnoisy import errors

_PATH = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>\d+))?"
    r"(?P<verb>/metadata|:predict)?"
)


class Server(http.server.ThreadingHTTPServer):
    """An HTTP server of one model."""

    daemon_threads = False

    def __init__(self, address, model):
        """Listens.

        Args:
            address: (host, port), 0 for any port that is free.
            model: a `local_server.ServedModel`.
        """
        self.model = model
        super().__init__(address, _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(None)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        self._answer(self.rfile.read(length))

    def log_message(self, *_):
        pass

    def _answer(self, body):
        status, value = respond(self.server.model, self.path, body)
        contents = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(contents)))
        self.end_headers()
        self.wfile.write(contents)


def respond(model, path, body):
    """Answers a request.

    Args:
        model: a `local_server.ServedModel`.
        path: of the URL.
        body: bytes of a POST, None for a GET.

    Returns:
        The HTTP status, and what to send as JSON.
    """
    match = _PATH.fullmatch(urllib.parse.unquote(path))
    if not match or (body is None) == (match["verb"] == ":predict"):
        method = "GET" if body is None else "POST"
        return 400, {"error": f"Malformed request: {method} {path}"}
    version = match["version"] and int(match["version"])
    if refusal := model.refusal(match["name"], version):
        return 404, {"error": refusal}
    if body is None:
        found = model.metadata() if match["verb"] else model.status()
        return 200, _message(found)
    try:
        return 200, predict(model.session, json.loads(body))
    except (errors.UserError, ValueError, TypeError, KeyError) as error:
        return 400, {"error": str(error)}


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


def predict(session, request):
    """Answers the parsed body of a request.

    Args:
        session: a `c_loader.Session`.
        request: {signature_name, instances or inputs}.

    Returns:
        {predictions} in rows, or {outputs} in columns.

    Raises:
        UserError, ValueError, TypeError, KeyError: if the request is wrong.
    """
    if not isinstance(request, dict) or (
        ("instances" in request) == ("inputs" in request)
    ):
        raise ValueError("a request has either instances or inputs")
    name = request.get("signature_name", "serving_default")
    if name not in session.signatures:
        raise ValueError(f'Serving signature name: "{name}" not found')
    taken = session.signatures[name].inputs
    by_rows = "instances" in request
    values = request["instances" if by_rows else "inputs"]
    columns = _columns(values, taken, by_rows)
    unknown = set(columns) ^ set(taken)
    if unknown:
        raise ValueError(f"inputs are {sorted(taken)}, not {sorted(columns)}")
    outputs = session.run(
        name,
        {key: _array(columns[key], taken[key].dtype) for key in taken},
    )
    outputs = {key: _json(array) for key, array in outputs.items()}
    if not by_rows:
        return {"outputs": _unnamed(outputs)}
    rows = [dict(zip(outputs, row)) for row in zip(*outputs.values())]
    return {"predictions": [_unnamed(row) for row in rows]}


def _columns(values, taken, by_rows):
    """Returns {input: values}; the name of a single input may be left out."""
    first = values[0] if by_rows and values else values
    if not isinstance(first, dict) or set(first) == {"b64"}:
        [only] = taken
        return {only: values}
    if not by_rows:
        return values
    return {key: [row[key] for row in values] for key in first}


def _unnamed(outputs):
    """Returns a single output without its name."""
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _array(values, dtype):
    # NumPy raises ValueError where rows are of different lengths.
    return np.array(_decoded(values), dtype)


def _decoded(value):
    """Returns bytes in place of {"b64": ...} and of strings."""
    if isinstance(value, list):
        return [_decoded(part) for part in value]
    if isinstance(value, dict):
        return base64.b64decode(value["b64"], validate=True)
    return value.encode() if isinstance(value, str) else value


def _json(array):
    if array.dtype != object:
        return array.tolist()
    names = [value.decode() for value in array.flat]
    return np.array(names, object).reshape(array.shape).tolist()
