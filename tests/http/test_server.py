"""Clients that are slow, wrong or hostile, and an application of two lines."""

import concurrent.futures
import contextlib
import http.client
import json
import re
import socket
import threading
import time

import pytest

from tfnoisy.http import server as http_server

LIMITS = http_server.Limits(
    body_bytes=10_000, receive_seconds=0.6, idle_seconds=2.0, connections=20
)


class Application:
    """Answers with the length of the body; /wait waits for `go`."""

    def __init__(self):
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, environ, start_response):
        length = len(environ["wsgi.input"].read())
        if environ["PATH_INFO"] == "/wait":
            self.begun.release()
            self.go.wait(30)
        elif environ["PATH_INFO"] == "/fail":
            raise RuntimeError("a bug")
        size = 5_000_000 if environ["PATH_INFO"] == "/large" else 1
        body = json.dumps({"length": length}).encode() * size
        headers = [("Content-Length", str(len(body)))]
        start_response("200 OK", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


@contextlib.contextmanager
def serving(limits=LIMITS):
    application = Application()
    server = http_server.HttpServer(application, limits=limits)
    try:
        yield server, application
    finally:
        application.go.set()
        server.close(1.0)


@pytest.fixture(scope="module")
def server():
    with serving() as (running, _):
        yield running


def connect(server):
    host, _, port = server.address.rpartition(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def read_all(connection):
    """Returns what arrives until the server closes."""
    parts = []
    while part := connection.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def answers(text):
    """Returns [(status, body)] of answers one after the other."""
    found = []
    while text:
        head, _, text = text.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
        found.append((status, text[:length]))
        text = text[length:]
    return found


def ask(server, *parts, close=False):
    """Sends bytes, and returns the answers until the server closes."""
    with connect(server) as connection:
        for part in parts:
            connection.sendall(part)
        if close:
            connection.shutdown(socket.SHUT_WR)
        return answers(read_all(connection))


def post(*lines, body=b"", version=b"1.1"):
    head = [b"POST / HTTP/" + version, b"Host: a", *lines, b"", b""]
    return b"\r\n".join(head) + body


BAD_REQUESTS = {
    "length of letters": (post(b"Content-Length: abc"), 400),
    "negative length": (post(b"Content-Length: -1"), 400),
    "two lengths": (post(b"Content-Length: 1", b"Content-Length: 2"), 400),
    "length of a terabyte": (post(b"Content-Length: 1000000000000"), 413),
    "length of 1e12": (post(b"Content-Length: 1e12"), 400),
    "length of 5,000 digits": (post(b"Content-Length: " + b"9" * 5000), 400),
    "one byte too many": (post(b"Content-Length: 10001"), 413),
    "too large, and asks": (
        post(b"Content-Length: 10001", b"Expect: 100-continue"),
        413,
    ),
    "too many bytes of headers": (post(b"A: " + b"a" * 70_000), 431),
    "too many headers": (post(*[b"A: a"] * 20_000), 431),
    "headers without a colon": (post(b"no header"), 400),
    "a header with a line end": (post(b"A: a\nB: b"), 400),
    "no request line": (b"\x16\x03\x01\x02\x00 hello\r\n\r\n", 400),
    "another protocol": (b"HELO mail.example.org\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "lower-case method": (b"get / HTTP/1.1\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "half an IPv6 address": (b"GET http://[::1/ HTTP/1.1\r\n\r\n", 400),
    "URL of 70,000 bytes": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n", 431),
    "gzip as a transfer": (post(b"Transfer-Encoding: gzip"), 501),
    "chunk of a bad size": (
        post(b"Transfer-Encoding: chunked", body=b"xyz\r\nabc\r\n0\r\n\r\n"),
        400,
    ),
    "chunk longer than it says": (
        post(b"Transfer-Encoding: chunked", body=b"1\r\nabc\r\n0\r\n\r\n"),
        400,
    ),
    "chunk size without an end": (
        post(b"Transfer-Encoding: chunked", body=b"0" * 5_000),
        400,
    ),
    "chunks of too many bytes": (
        post(
            b"Transfer-Encoding: chunked",
            body=b"fff\r\n" + b"a" * 4095 + b"\r\n" + b"1f40\r\n" + b"a" * 8000,
        ),
        413,
    ),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_what_is_no_request_is_answered(server, case):
    request, expected = BAD_REQUESTS[case]
    [(status, body)] = ask(server, request)
    assert status == expected
    assert list(json.loads(body)) == ["error"]
    assert json.loads(body)["error"]


GOOD_REQUESTS = {
    "a body": (post(b"Content-Length: 3", body=b"abc"), 3),
    "the largest": (post(b"Content-Length: 10000", body=b"a" * 10_000), 10_000),
    "chunks": (
        post(
            b"Transfer-Encoding: chunked",
            body=b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: t\r\n\r\n",
        ),
        4,
    ),
    "no body": (b"DELETE /a?b=c#d HTTP/1.1\r\n\r\n", 0),
    "HTTP/1.0": (post(b"Content-Length: 1", body=b"a", version=b"1.0"), 1),
    "an absolute URL": (b"GET http://a/b HTTP/1.1\r\n\r\n", 0),
}


@pytest.mark.parametrize("case", GOOD_REQUESTS)
def test_requests_may_come_byte_by_byte(server, case):
    request, length = GOOD_REQUESTS[case]
    expected = [(200, json.dumps({"length": length}).encode())]
    assert ask(server, request, close=True) == expected
    if len(request) < 200:
        parts = [request[k : k + 1] for k in range(len(request))]
        assert ask(server, *parts, close=True) == expected


def test_one_connection_for_many_requests(server):
    connection = http.client.HTTPConnection(server.address)
    for count in (0, 5, 20_000, 7):
        if count > 10_000:
            connection.request("HEAD", "/")
        else:
            connection.request("POST", "/", b"a" * count)
        response = connection.getresponse()
        assert response.status == 200
        text = response.read()
        assert not text if count > 10_000 else json.loads(text)
    connection.close()


def test_requests_in_one_packet_are_answered_in_order(server):
    lengths = [3, 0, 9, 1] * 5
    packet = b"".join(
        post(b"Content-Length: %d" % length, body=b"a" * length)
        for length in lengths
    )
    bad = post(b"Content-Length: abc")
    found = ask(server, packet + bad + packet)
    # After what is no request nobody knows where the next begins.
    assert [status for status, _ in found] == [200] * 20 + [400]
    assert [json.loads(body)["length"] for _, body in found[:-1]] == lengths


def test_a_body_that_is_refused_may_still_be_sent(server):
    """Else its client would see a reset connection and not the answer."""
    with connect(server) as connection:
        connection.sendall(post(b"Content-Length: 3000000"))
        for _ in range(30):
            connection.sendall(b"a" * 100_000)
        connection.shutdown(socket.SHUT_WR)
        [(status, _)] = answers(read_all(connection))
    assert status == 413


HALVES = {
    "of a request line": b"POST / HT",
    "of a header": b"POST / HTTP/1.1\r\nContent-Le",
    "of a body": post(b"Content-Length: 10", body=b"abc"),
    "of a chunk": post(b"Transfer-Encoding: chunked", body=b"5\r\nab"),
}


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request_is_answered_when_it_ends(server, half):
    [(status, body)] = ask(server, HALVES[half], close=True)
    assert status == 400 and "half-way" in json.loads(body)["error"]


def test_half_a_request_is_answered_when_it_takes_too_long(server):
    with contextlib.ExitStack() as stack:
        halves = [stack.enter_context(connect(server)) for _ in HALVES]
        for connection, half in zip(halves, HALVES.values()):
            connection.sendall(half)
        # They keep no thread from others.
        assert ask(server, *GOOD_REQUESTS["a body"][:1], close=True)
        for connection in halves:
            [(status, body)] = answers(read_all(connection))
            assert status == 408
            assert "not complete after" in json.loads(body)["error"]


def test_a_client_that_sends_drop_by_drop_is_slow_too(server):
    with connect(server) as connection:
        connection.sendall(post(b"Content-Length: 9999"))
        start = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - start < 5:
                connection.sendall(b"a")
                time.sleep(0.1)
                connection.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    if text := connection.recv(1000):
                        break
        assert answers(text)[0][0] == 408
    assert time.monotonic() - start < 4


def test_a_client_that_does_not_read_is_left():
    limits = http_server.Limits(idle_seconds=0.5, threads=1)
    with serving(limits) as (server, _), connect(server) as deaf:
        deaf.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        time.sleep(0.3)
        # Its thread is free.
        assert ask(server, GOOD_REQUESTS["a body"][0], close=True)
        time.sleep(1.5)
        assert len(read_all_or_reset(deaf)) < 50_000_000


def read_all_or_reset(connection):
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


def test_idle_connections_make_room_for_others():
    limits = http_server.Limits(connections=10, idle_seconds=60)
    with serving(limits) as (server, _), contextlib.ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(connect(server))
        found = ask(server, GOOD_REQUESTS["a body"][0], close=True)
    assert [status for status, _ in found] == [200]


def test_an_idle_connection_is_closed_without_an_answer():
    limits = http_server.Limits(idle_seconds=0.3)
    with serving(limits) as (server, _):
        assert ask(server) == []


def test_an_application_that_fails_is_answered(server, caplog):
    [(status, body)] = ask(server, b"GET /fail HTTP/1.0\r\n\r\n")
    assert status == 500 and "error" in json.loads(body)


def test_all_of_many_clients_are_answered(server):
    def client(_):
        return [
            ask(server, GOOD_REQUESTS["a body"][0], close=True)[0][0]
            for _ in range(10)
        ]

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        statuses = [s for found in pool.map(client, range(50)) for s in found]
    assert statuses == [200] * 500


def test_closing_answers_what_was_received():
    with (
        serving() as (server, application),
        connect(server) as waiting,
        connect(server) as half,
        connect(server) as idle,
    ):
        waiting.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
        half.sendall(HALVES["of a body"])
        assert application.begun.acquire(timeout=10)
        closing = threading.Thread(target=server.close, args=[5])
        closing.start()
        [(status, _)] = answers(read_all(half))
        assert status == 503
        assert read_all(idle) == b""
        with pytest.raises(OSError):
            connect(server)
        application.go.set()
        [(status, _)] = answers(read_all(waiting))
        assert status == 200
        for connection in (waiting, half):
            connection.close()
        closing.join(3)
        assert not closing.is_alive()


def test_closing_waits_for_nobody_too_long():
    with (
        serving() as (server, application),
        connect(server) as waiting,
    ):
        waiting.sendall(b"GET /wait HTTP/1.1\r\n\r\n")
        assert application.begun.acquire(timeout=10)
        start = time.monotonic()
        server.close(0.5)
        assert time.monotonic() - start < 3


def test_a_port_that_is_taken(server):
    port = int(server.address.rpartition(":")[2])
    with pytest.raises(OSError):
        http_server.HttpServer(Application(), port=port)
