"""The guard of conftest.py sees what Python's sockets do, in children too."""

import os
import pathlib
import socket
import subprocess
import sys

import pytest


@pytest.fixture
def attempts(monkeypatch, tmp_path):
    """A file of its own for the attempts of a test that must make some."""
    path = tmp_path / "attempts"
    monkeypatch.setenv("TFNOISY_NETWORK_ATTEMPTS", str(path))
    return path


@pytest.mark.parametrize(
    ("event", "go"),
    [
        (
            "socket.connect",
            lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        ),
        (
            "socket.getaddrinfo",
            lambda: socket.getaddrinfo("example.invalid", 80),
        ),
        (
            "socket.sendto",
            lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(
                b"x", ("192.0.2.1", 53)
            ),
        ),
    ],
)
def test_other_hosts_are_refused(attempts, event, go):
    with pytest.raises(ConnectionRefusedError, match="do not use the network"):
        go()
    assert event in attempts.read_text() or "192.0.2.1" in attempts.read_text()


def test_processes_of_a_test_are_kept_from_them_too(attempts):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import urllib.request as r; r.urlopen('http://192.0.2.1')",
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "http_proxy": "", "https_proxy": ""},
    )
    assert done.returncode and "do not use the network" in done.stderr
    assert "192.0.2.1" in attempts.read_text()


def test_this_machine_is_not(attempts):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()
    assert not attempts.exists()


def test_the_guard_is_where_the_tests_look_for_it():
    folders = os.environ["PYTHONPATH"].split(os.pathsep)
    assert any((pathlib.Path(f) / "sitecustomize.py").exists() for f in folders)
