"""The three ways to ask a model: they agree, and fail alike."""

import concurrent.futures
import contextlib
import http.server
import io
import json
import socket
import threading

import grpc
import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.http import server as http_server
from tfnoisy.serving.client import client, grpc_client, rest_client
from tfnoisy.serving.loader import local_model, messages
from tfnoisy.serving.server import rest

KINDS = ["grpc", "rest", "local"]
SERVED = KINDS[:2]


def transport(kind, server, name="digits", **options):
    if kind == "local":
        return local_model.LocalModel(server.model.path)
    transports = {
        "grpc": (grpc_client.Grpc, server.grpc_address),
        "rest": (rest_client.Rest, server.rest_address),
    }
    make, address = transports[kind]
    return make(address, name, **options)


@contextlib.contextmanager
def asking(kind, server, *arguments, signature=client.FILES, **options):
    """Yields a `client.Client`."""
    asked = transport(kind, server, *arguments, **options)
    try:
        yield client.Client(asked, signature, batch_size=5)
    finally:
        asked.close()


@pytest.fixture(scope="module")
def digits():
    return load.load("digits", "test[:13]")


@pytest.fixture(scope="module")
def files(digits):
    """The digits as PNG files, not one of which is longer than it is."""
    contents = []
    for image in digits.images:
        file = io.BytesIO()
        Image.fromarray(image[..., 0]).save(file, "PNG")
        contents.append(file.getvalue())
    return contents


def items(values):
    return [
        client.Item(str(number), lambda value=value: value)
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_give_the_same_probabilities(kind, server, digits, files):
    expected = server.model.session.run(
        "serving_uint8", {"images": digits.images}
    )
    for signature, values in (
        (client.FILES, files),
        (client.PIXELS, digits.images),
    ):
        with asking(kind, server, signature=signature) as asked:
            answers = list(asked.answers(items(values)))
        assert [answer.error for answer in answers] == [None] * 13
        found = np.stack([answer.probabilities for answer in answers])
        assert found.dtype == np.float32
        # Batches of 5 and of 13 are not added up in the same order.
        np.testing.assert_allclose(found, expected["probabilities"], atol=1e-6)
        for row, answer in enumerate(answers):
            assert [ranked.class_name for ranked in answer.top] == [
                name.decode() for name in expected["top_k_class_names"][row]
            ]
            assert answer.top[0].class_id == expected["class_ids"][row]


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_are_of_the_models_size(kind, server):
    with asking(kind, server, signature=client.PIXELS) as asked:
        assert asked.image_shape == (8, 8, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_image_is_named(kind, server, files):
    values = [*files[:6], b"no image", *files[6:]]
    with asking(kind, server) as asked:
        answers = list(asked.answers(items(values)))
    failed = {answer.item.name for answer in answers if answer.error}
    assert failed == {"6"}
    assert "Unknown image file format" in answers[6].error
    assert "[[" not in answers[6].error


@pytest.mark.parametrize("kind", SERVED)
def test_a_model_that_is_not_served(kind, server):
    for name, options in (("dogs", {}), ("digits", {"version": 7})):
        asked = transport(kind, server, name, **options)
        with pytest.raises(
            errors.UserError, match="Servable not found"
        ) as said:
            client.Client(asked, client.FILES)
        asked.close()
        assert f"model {name} at 127.0.0.1" in str(said.value)


@pytest.mark.parametrize("kind", SERVED)
def test_a_version_may_be_named(kind, server, files):
    with asking(kind, server, version=1) as asked:
        [answer] = asked.answers(items(files[:1]))
    assert answer.error is None


class Nobody:
    """Addresses where nobody listens, or where nobody answers."""

    def __init__(self, listening):
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        if listening:
            self._socket.listen()
        _, port = self._socket.getsockname()
        self.grpc_address = self.rest_address = f"127.0.0.1:{port}"

    def close(self):
        self._socket.close()


@pytest.mark.parametrize("kind", SERVED)
@pytest.mark.parametrize(
    "listening, words",
    [(False, "[Cc]onnection refused"), (True, "not within 0.3 seconds")],
)
def test_nobody_is_there(kind, listening, words):
    waits = []
    with contextlib.closing(Nobody(listening)) as nobody:
        asked = transport(kind, nobody, timeout=0.3)
        with pytest.raises(errors.UserError, match=words) as said:
            client.Client(
                asked,
                client.FILES,
                retries=client.Retries(3, 0.2, waits.append),
            )
        asked.close()
    assert waits == [0.2, 0.4]
    assert "no answer, asked 3 times" in str(said.value)
    assert "\n" not in str(said.value)


class Flaky:
    """Stands before a server; drops the first two requests for an answer."""

    def __init__(self, server):
        self.asked = 0
        flaky, real = self, grpc.insecure_channel(server.grpc_address)
        stub = messages.prediction_service_pb2_grpc.PredictionServiceStub(real)

        class Service(
            messages.prediction_service_pb2_grpc.PredictionServiceServicer
        ):
            def GetModelMetadata(self, request, _):
                return stub.GetModelMetadata(request)

            def Predict(self, request, context):
                flaky.asked += 1
                if flaky.asked <= 2:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
                return stub.Predict(request)

        answer = rest.RestApplication(server.model, 1 << 20)

        def application(environ, start_response):
            if environ["REQUEST_METHOD"] == "POST":
                flaky.asked += 1
                if flaky.asked <= 2:
                    start_response("503 Service Unavailable", [])
                    return [b"try again"]
            return answer(environ, start_response)

        self._grpc = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        add = messages.prediction_service_pb2_grpc
        add.add_PredictionServiceServicer_to_server(Service(), self._grpc)
        port = self._grpc.add_insecure_port("127.0.0.1:0")
        self.grpc_address = f"127.0.0.1:{port}"
        self._grpc.start()
        self._rest = http_server.HttpServer(application)
        self.rest_address = self._rest.address
        self._channel = real

    def close(self):
        self._grpc.stop(None).wait()
        self._rest.close()
        self._channel.close()


@pytest.mark.parametrize("kind", SERVED)
def test_a_server_that_fails_twice_is_asked_a_third_time(kind, server, files):
    waits = []
    with contextlib.closing(Flaky(server)) as flaky:
        asked = transport(kind, flaky)
        answers = client.Client(
            asked, client.FILES, retries=client.Retries(sleep=waits.append)
        ).answers(items(files))
        assert [answer.error for answer in answers] == [None] * 13
        asked.close()
        assert flaky.asked == 3
    assert waits == [0.5, 1.0]


@pytest.mark.parametrize(
    "body, words",
    [
        (b"<html>", "no JSON"),
        (json.dumps({"metadata": []}).encode(), "no TensorFlow Serving"),
    ],
)
def test_another_kind_of_server(body, words):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        asked = rest_client.Rest(f"127.0.0.1:{other.server_port}", "digits")
        with pytest.raises(errors.UserError, match=words):
            client.Client(asked, client.FILES)
        other.shutdown()
        thread.join()


def test_an_address_that_is_none():
    with pytest.raises(errors.UserError, match="--server=ftp://a: HOST:PORT"):
        rest_client.Rest("ftp://a", "digits")


def test_an_answer_without_outputs(server, monkeypatch, files):
    monkeypatch.setattr(
        rest.RestApplication, "_predict", lambda *_: {"error": "none"}
    )
    with asking("rest", server) as asked:
        [answer] = asked.answers(items(files[:1]))
    assert answer.error == "an answer without outputs"


def test_the_newest_version_is_asked_unless_one_is_named(exported, tmp_path):
    model = tmp_path / "digits"
    for number in ("9", "10"):
        (model / number).mkdir(parents=True)
    assert local_model.find_version(model) == model / "10"
    version = exported.path
    assert local_model.find_version(version.parent) == version
    assert local_model.find_version(version) == version
    with pytest.raises(errors.UserError, match="is no exported model"):
        local_model.find_version(tmp_path / "cats")
