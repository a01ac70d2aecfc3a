"""How the tests run a script: as a user does, in a process of its own."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def run_script():
    """Returns a function of (script, *flags) to a `CompletedProcess`."""

    def run(script, *flags):
        return subprocess.run(
            [sys.executable, str(ROOT / "bin" / script), *map(str, flags)],
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run
