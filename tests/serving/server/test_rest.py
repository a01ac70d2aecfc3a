"""Requests that TensorFlow Serving's REST API answers, odd and hostile ones.

What is no HTTP is in test_http_server.py, what a tensor takes in
test_json_tensors.py.
"""

import concurrent.futures
import gzip
import http.client
import json
import time

import numpy as np
import pytest

import pictures
from tfnoisy.datasets import load
from tfnoisy.serving.server import local_server, rest

PREDICT = "/v1/models/digits:predict"
PIXELS = load.load("digits", "test[:2]").images.tolist()


@pytest.fixture(scope="module")
def connection(server):
    """One for all of them: no answer may leave it in disorder."""
    connection = http.client.HTTPConnection(server.rest_address, timeout=60)
    yield connection
    connection.close()


def ask(connection, method, path, body=None, **headers):
    """Returns the status and the parsed answer."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    text = response.read()
    assert response.headers["Content-Type"] == "application/json"

    def no_json(word):
        raise AssertionError(f"{word} is not JSON")

    return response.status, text and json.loads(text, parse_constant=no_json)


def uint8(**request):
    return {"signature_name": "serving_uint8", **request}


def with_pixel(value):
    """Images whose first pixel is this."""
    images = json.loads(json.dumps(PIXELS))
    images[0][0][0][0] = value
    return uint8(instances=images)


GOOD = {
    "status": ("GET", "/v1/models/digits", None),
    "status of a version": ("GET", "/v1/models/digits/versions/1", None),
    "zeros before a version": ("GET", "/v1/models/digits/versions/0001", None),
    "status of a label": ("GET", "/v1/models/digits/labels/stable", None),
    "metadata": ("GET", "/v1/models/digits/versions/1/metadata", None),
    "upper case": ("GET", "/V1/MODELS/digits/METADATA", None),
    "an encoded name": ("GET", "/v1/models/d%69gits", None),
    "an absolute URL": ("GET", "http://a/v1/models/digits", None),
    "rows": ("POST", PREDICT, uint8(instances=PIXELS)),
    "columns": ("POST", PREDICT, uint8(inputs=PIXELS)),
    "named columns": ("POST", PREDICT, uint8(inputs={"images": PIXELS})),
    "a version": (
        "POST",
        "/v1/models/digits/versions/1:predict",
        uint8(instances=PIXELS),
    ),
    "decimals for the default": ("POST", PREDICT, {"instances": PIXELS}),
}


@pytest.mark.parametrize("case", GOOD)
def test_good_requests(connection, case):
    status, answer = ask(connection, *GOOD[case])
    assert status == 200
    assert len(answer) == (2 if "metadata" in answer else 1)
    assert not answer.keys() & {"error"}


DEEP = b"[" * 900 + b"1" + b"]" * 900
BAD = {
    "GET of an answer": ("GET", PREDICT, None, 400),
    "POST of a status": ("POST", "/v1/models/digits", {}, 400),
    "PUT": ("PUT", PREDICT, uint8(instances=PIXELS), 400),
    "DELETE": ("DELETE", "/v1/models/digits", None, 400),
    "PATCH": ("PATCH", "/v1/models/digits", b"{}", 400),
    "TRACE": ("TRACE", "/v1/models/digits", None, 400),
    "a made-up method": ("BREW", "/v1/models/digits", None, 400),
    "OPTIONS without an origin": ("OPTIONS", PREDICT, None, 400),
    "classify": ("POST", "/v1/models/digits:classify", {"examples": []}, 400),
    "regress": ("POST", "/v1/models/digits:regress", {}, 400),
    "a made-up verb": ("POST", "/v1/models/digits:explode", {}, 400),
    "no path": ("GET", "/", None, 404),
    "another path": ("GET", "/favicon.ico", None, 404),
    "a path of dots": ("GET", "/v1/models/../../etc/passwd", None, 400),
    "no model": ("GET", "/v1/models", None, 400),
    "a query": ("GET", "/v1/models/digits?verbose=1", None, 404),
    "another model": ("POST", "/v1/models/cats:predict", {}, 404),
    "a name of 60,000 letters": (
        "GET",
        "/v1/models/" + "a" * 60_000,
        None,
        404,
    ),
    "a name of zeros": ("GET", "/v1/models/%00%00", None, 404),
    "no UTF-8": ("GET", "/v1/models/%ff%fe", None, 404),
    "another version": ("GET", "/v1/models/digits/versions/2", None, 404),
    "a negative version": ("GET", "/v1/models/digits/versions/-1", None, 400),
    "version 1e27": ("GET", "/v1/models/digits/versions/1e27", None, 400),
    "version 2**63": ("GET", f"/v1/models/digits/versions/{2**63}", None, 400),
    "a version of 5,000 digits": (
        "POST",
        f"/v1/models/digits/versions/{'9' * 5000}:predict",
        {},
        400,
    ),
    "a version of Arabic digits": (
        "GET",
        "/v1/models/digits/versions/%D9%A1",
        None,
        400,
    ),
    "a label": ("POST", "/v1/models/digits/labels/stable:predict", {}, 400),
    "metadata of a label": (
        "GET",
        "/v1/models/digits/labels/stable/metadata",
        None,
        400,
    ),
    "no body": ("POST", PREDICT, None, 400),
    "a form": ("POST", PREDICT, b"a=1&b=2", 400),
    "JSON 900 deep": ("POST", PREDICT, b'{"instances": ' + DEEP + b"}", 400),
    "JSON 100,000 deep": ("POST", PREDICT, b"[" * 100_000, 400),
    "an integer of 400 digits": ("POST", PREDICT, with_pixel(10**400), 400),
    "1e39": ("POST", PREDICT, {"instances": [[[[1e39]] * 8] * 8]}, 400),
    "no signature": (
        "POST",
        PREDICT,
        {"signature_name": "x", "inputs": 1},
        400,
    ),
    "signature 3": ("POST", PREDICT, {"signature_name": 3, "inputs": 1}, 400),
    "an initialiser": (
        "POST",
        PREDICT,
        {"signature_name": "__saved_model_init_op", "inputs": 1},
        400,
    ),
    "no instances": ("POST", PREDICT, {"instances": []}, 400),
    "another shape": ("POST", PREDICT, {"instances": [[[1]]]}, 400),
    "images that differ": (
        "POST",
        PREDICT,
        uint8(instances=[PIXELS[0], PIXELS[1][:7]]),
        400,
    ),
    "a batch of 1,025": (
        "POST",
        PREDICT,
        uint8(instances=PIXELS[:1] * 1025),
        400,
    ),
    **{
        f"uint8 of {value!r}": ("POST", PREDICT, with_pixel(value), 400)
        for value in (300, -1, 0.9, "7", True, None, {"b64": "AA=="}, [1])
    },
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests(connection, case):
    method, path, body, expected = BAD[case]
    status, answer = ask(connection, method, path, body)
    assert status == expected
    assert list(answer) == ["error"] and 0 < len(answer["error"]) < 1000
    # The connection is as good as new.
    status, _ = ask(connection, "GET", "/v1/models/digits")
    assert status == 200


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 3e38])
def test_no_answer_holds_nan(connection, value):
    """TensorFlow Serving takes these words; `ask` takes none in an answer."""
    request = {"instances": [[[[value]] * 8] * 8], "signature_name": "features"}
    status, answer = ask(connection, "POST", PREDICT, request)
    assert (status, *answer) in [(200, "predictions"), (400, "error")]


def test_head_has_no_body(connection):
    status, answer = ask(connection, "HEAD", "/v1/models/digits")
    assert (status, answer) == (400, b"")
    assert ask(connection, "GET", "/v1/models/digits")[0] == 200


def test_a_browser_may_ask_whether_it_may_ask(connection):
    status, answer = ask(connection, "OPTIONS", PREDICT, Origin="https://a.org")
    assert (status, answer) == (200, b"")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "?", ""]
)
def test_any_content_type_may_be_json(connection, kind):
    body = uint8(instances=PIXELS)
    status, _ = ask(connection, "POST", PREDICT, body, **{"Content-Type": kind})
    assert status == 200


def test_compressed_bodies(connection):
    gzipped = {"Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps(uint8(instances=PIXELS)).encode())
    assert ask(connection, "POST", PREDICT, body, **gzipped)[0] == 200
    assert ask(connection, "POST", PREDICT, b"{}", **gzipped)[0] == 400
    bomb = gzip.compress(bytes(65 << 20), 1)
    status, answer = ask(connection, "POST", PREDICT, bomb, **gzipped)
    assert status == 400 and "67,108,864 bytes" in answer["error"]


def test_a_bomb_is_refused_in_milliseconds(connection):
    files = [pictures.black_png(8, 8), pictures.black_png(20_000, 20_000)]
    request = {
        "signature_name": "serving_bytes",
        "instances": [pictures.base64_of(file) for file in files],
    }
    start = time.perf_counter()
    status, answer = ask(connection, "POST", PREDICT, request)
    assert time.perf_counter() - start < 1
    assert status == 400 and answer["error"].startswith(
        "image 1 is refused: it has 20,000 x 20,000 pixels, more than"
    )
    request["instances"][1:] = [
        pictures.base64_of(pictures.black_png(9000, 9000))
    ] * 3
    status, answer = ask(connection, "POST", PREDICT, request)
    assert status == 400 and "have 243,000,064 pixels" in answer["error"]
    del request["instances"][1:]
    assert ask(connection, "POST", PREDICT, request)[0] == 200


def test_fifty_clients_are_all_answered(server):
    body = json.dumps(uint8(instances=PIXELS)).encode()

    def client(_):
        statuses = []
        for _ in range(20):
            connection = http.client.HTTPConnection(
                server.rest_address, timeout=60
            )
            statuses.append(ask(connection, "POST", PREDICT, body)[0])
            connection.close()
        return statuses

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        found = [
            s for statuses in pool.map(client, range(50)) for s in statuses
        ]
    assert found == [200] * 1000


def test_a_body_may_not_be_larger(exported):
    limits = local_server.Limits(request_bytes=2000, batch_size=2)
    with local_server.LocalServer(exported.path, limits=limits) as small:
        connection = http.client.HTTPConnection(small.rest_address, timeout=60)
        body = json.dumps(uint8(instances=PIXELS[:1])).encode()
        assert len(body) < 2000
        assert ask(connection, "POST", PREDICT, body)[0] == 200
        status, answer = ask(connection, "POST", PREDICT, body + b" " * 2000)
        assert status == 413 and "2,000 bytes" in answer["error"]
        connection.close()


def test_a_fault_of_our_own_is_answered(server, connection, monkeypatch, capfd):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(rest.RestApplication, "_predict", fail)
    status, answer = ask(connection, "POST", PREDICT, {})
    assert (status, answer) == (500, {"error": "Internal: ZeroDivisionError"})
    assert "Traceback" in capfd.readouterr().err


def test_the_status_says_all_is_well(connection):
    _, answer = ask(connection, "GET", "/v1/models/digits")
    assert answer == {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


def test_both_forms_give_the_same(connection, server):
    _, rows = ask(connection, "POST", PREDICT, uint8(instances=PIXELS))
    _, columns = ask(connection, "POST", PREDICT, uint8(inputs=PIXELS))
    expected = server.model.session.run(
        "serving_uint8", {"images": np.array(PIXELS, np.uint8)}
    )
    for name, values in columns["outputs"].items():
        assert [row[name] for row in rows["predictions"]] == values
        if values and isinstance(values[0], float):
            np.testing.assert_array_equal(np.float32(values), expected[name])
