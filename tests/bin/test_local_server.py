"""bin/local_server.py as a process: its flags, its end, and a new version."""

import contextlib
import http.client
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import pictures
from tfnoisy.benchmarks import serving as serving_suite

ROOT = pathlib.Path(__file__).resolve().parents[2]
PREDICT = "/v1/models/numbers:predict"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """An untrained network's version."""
    path = tmp_path_factory.mktemp("models") / "digits"
    serving_suite.export_untrained(path, "small_cnn", (8, 8, 1))
    return path / "1"


@contextlib.contextmanager
def serving(folder):
    """Runs the script with TensorFlow Serving's names of its flags."""
    process = subprocess.Popen(
        [
            *(sys.executable, ROOT / "bin/local_server.py"),
            *(f"--model_base_path={folder}", "--model_name=numbers"),
            *("--port=0", "--rest_api_port=0", "--rest_api_num_threads=2"),
            "--file_system_poll_wait_seconds=0.05",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address_of(process):
    line = process.stdout.readline()
    address, _, name = line.partition("http://")[2].partition("/v1/models/")
    assert name == "numbers\n"
    return address


def connect(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def test_it_ends_whatever_clients_do_and_answers_what_it_began(
    template, tmp_path
):
    """A new version comes, too, and one that is no SavedModel."""
    shutil.copytree(template, tmp_path / "digits/1")
    (tmp_path / "digits/2").mkdir()
    (tmp_path / "digits/2/saved_model.pb").write_text("no graph")
    with (
        serving(tmp_path / "digits") as process,
        contextlib.ExitStack() as all_,
    ):
        address = address_of(process)
        shutil.copytree(template, tmp_path / "digits/3")
        wait_for_version(address, "3")

        idle, half, deaf, drops = (
            all_.enter_context(connect(address)) for _ in range(4)
        )
        half.sendall(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")
        deaf.sendall(b"GET /v1/models/numbers HTTP/1.1\r\n\r\n" * 99)
        drops.sendall(b"POST")
        # A large image takes a second to decode.
        working = all_.enter_context(connect(address))
        body = json.dumps(
            {
                "signature_name": "serving_bytes",
                "instances": [pictures.base64_of(large_image())],
            }
        ).encode()
        working.sendall(
            f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {len(body)}"
            "\r\n\r\n".encode()
            + body
        )
        stop = threading.Event()
        threading.Thread(target=drip, args=[drops, stop]).start()
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        response = http.client.HTTPResponse(working)
        response.begin()
        assert response.status == 200
        assert "predictions" in json.load(response)
        working.close()
        process.wait(timeout=30)
        assert time.monotonic() - start < 8
        stop.set()
        assert process.returncode == 130
        damaged, *others = process.stderr.read().splitlines()
        assert damaged.startswith(
            f"local_server.py: cannot load {tmp_path}/digits/2: "
        )
        assert others == [
            "local_server.py: version 3 answers in place of 1",
            "local_server.py: interrupted",
        ]
        del idle


def wait_for_version(address, number):
    connection = http.client.HTTPConnection(address, timeout=60)
    for _ in range(200):
        connection.request("GET", "/v1/models/numbers/metadata")
        answer = json.load(connection.getresponse())
        if answer["model_spec"]["version"] == number:
            break
        time.sleep(0.05)
    connection.close()
    assert answer["model_spec"]["version"] == number


def large_image():
    return pictures.black_png(6000, 6000)


def drip(connection, stop):
    with contextlib.suppress(OSError):
        while not stop.wait(0.05):
            connection.sendall(b" ")


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], "--model_dir is missing"),
        (["--model_dir=nowhere"], "nowhere is no exported model"),
        (
            ["--port=99999"],
            "--port=99999: 99999 is not an integer in the range",
        ),
        (
            ["--rest_api_port=-1"],
            "-1 is not an integer in the range [0, 65535]",
        ),
        (["--rest_port=1e27"], "--rest_port=1e27"),
        (["--model_dir=a", "--rest_port=8500"], "are the same port"),
        (["--max_batch_size=0"], "--max_batch_size=0"),
        (["--max_request_mib=4096"], "--max_request_mib=4096"),
        (["--file_system_poll_wait_seconds=nan"], "nan"),
    ],
)
def test_a_mistake_is_one_line(run_script, flags, words):
    done = run_script("local_server.py", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("local_server.py: ") and words in line
