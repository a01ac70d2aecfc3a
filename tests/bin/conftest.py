"""How the tests run a script: as a user does, in a process of its own."""

import json
import os
import pathlib
import select
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# They import no TensorFlow.
_LIGHT = ("compare.py", "predict.py")
_TIMEOUT = 300


@pytest.fixture(scope="session")
def run_script(tmp_path_factory):
    """Returns a function of (script, *flags) to a `CompletedProcess`."""
    folder = tmp_path_factory.mktemp("scripts")
    outputs = [folder / "stdout", folder / "stderr"]
    servers = []

    def start():
        servers.append(
            subprocess.Popen(
                [sys.executable, ROOT / "tests/bin/script_server.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                # With its child it is a group, to be killed together.
                process_group=0,
                # A thread of NumPy's would not survive a fork.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            )
        )

    def run(script, *flags):
        words = [str(ROOT / "bin" / script), *map(str, flags)]
        if script in _LIGHT:
            return subprocess.run(
                [sys.executable, *words],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
            )
        if not servers:
            start()
        server = servers[-1]
        for path in outputs:
            path.write_text("")
        request = [words, dict(os.environ), *map(str, outputs)]
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        if not select.select([server.stdout], [], [], _TIMEOUT)[0]:
            os.killpg(servers.pop().pid, 9)
            raise subprocess.TimeoutExpired(words, _TIMEOUT)
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(
            words, code, *(path.read_text() for path in outputs)
        )

    yield run
    for server in servers:
        server.stdin.close()
        server.wait()
