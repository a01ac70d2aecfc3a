"""make_venv.sh with a Python that only notes what it was asked."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]

# pip's words, for the calls that shall fail; `-c` asks for the version.
_PYTHON = """#!/bin/sh
[ "$1" = -c ] && exit 0
echo "$*" >>calls
[ "$(wc -l <calls)" -gt {fails} ] && exit 0
echo "ERROR: {words}"
exit 1
"""


@pytest.fixture
def make_venv(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/constraints.txt").write_text("numpy==2.4.6\n")

    def run(fails=0, words="No matching distribution", **environment):
        python = tmp_path / ".venv/bin/python"
        python.write_text(_PYTHON.format(fails=fails, words=words))
        python.chmod(0o755)
        done = subprocess.run(
            ["sh", ROOT / "bin/make_venv.sh", ".[dev]"],
            cwd=tmp_path,
            env={**os.environ, "PYTHON": str(python), **environment},
            capture_output=True,
            text=True,
        )
        calls = (tmp_path / "calls").read_text().splitlines()
        return done, [call.split("-c ")[1] for call in calls]

    return run


def test_the_tested_versions_are_installed(make_venv, tmp_path):
    done, calls = make_venv()
    assert done.returncode == 0
    assert calls == ["bin/constraints.txt -e .[dev]"]
    assert (tmp_path / ".venv/.installed").exists()


def test_others_where_there_is_no_wheel_of_them_and_it_is_said(make_venv):
    done, calls = make_venv(fails=1)
    assert done.returncode == 0
    assert calls == ["bin/constraints.txt -e .[dev]", "/dev/null -e .[dev]"]
    assert "No matching distribution" in done.stderr
    assert "the newest that setup.cfg admits" in done.stderr


def test_none_of_them_where_the_user_says_so(make_venv):
    _, calls = make_venv(CONSTRAINTS="none")
    assert calls == ["/dev/null -e .[dev]"]


@pytest.mark.parametrize("constraints", ["bin/constraints.txt", "none"])
def test_what_pip_cannot_do_is_one_line(make_venv, tmp_path, constraints):
    done, _ = make_venv(fails=2, CONSTRAINTS=constraints)
    assert done.returncode == 2
    assert "pip could not install" in done.stderr.splitlines()[-1]
    assert not (tmp_path / ".venv/.installed").exists()


def test_without_a_network_it_is_tried_once(make_venv):
    done, calls = make_venv(fails=2, words="Connection refused")
    assert done.returncode == 2 and len(calls) == 1
    assert "no network" in done.stderr


def test_constraints_that_do_not_exist(make_venv, tmp_path):
    (tmp_path / "calls").touch()
    done, calls = make_venv(CONSTRAINTS="none.txt")
    assert done.returncode == 2 and not calls
    assert "CONSTRAINTS=none.txt: no such file" in done.stderr
