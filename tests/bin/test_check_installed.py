"""A script that is run by a Python without tfnoisy."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run_without_packages(script, folder):
    """Runs a script by a Python that has its standard library only."""
    return subprocess.run(
        [sys.executable, "-S", "-E", str(script)],
        capture_output=True,
        text=True,
        cwd=folder,
    )


@pytest.fixture
def checkout(tmp_path):
    """A checkout in which nothing is installed, with one script."""
    (tmp_path / "bin").mkdir()
    for name in ("show_runs.py", "_check_installed.py"):
        shutil.copy(ROOT / "bin" / name, tmp_path / "bin" / name)
    return tmp_path


def test_one_line_names_the_command_that_installs(checkout):
    done = run_without_packages("bin/show_runs.py", checkout)
    assert done.returncode == 2 and done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("show_runs.py: tfnoisy is not installed for ")
    assert line.endswith(
        "say `make -C . .venv/.installed`, then `.venv/bin/python "
        "bin/show_runs.py`"
    )


def test_or_the_environment_that_is_there(checkout):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    done = run_without_packages("show_runs.py", checkout / "bin")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.endswith(
        "say `../.venv/bin/python show_runs.py`, or "
        "`. ../.venv/bin/activate` first"
    )
