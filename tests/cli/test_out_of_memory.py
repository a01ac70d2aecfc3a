import errno

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.cli import command_line, out_of_memory


def numpys():
    np.empty(10**17)


def pythons():
    bytearray(10**17)


def tensorflows():
    with tf.device("cpu:0"):
        tf.zeros([10**6, 10**6, 10**4]) + 1.0


def a_threads():
    raise RuntimeError("can't start new thread")


def an_imports():
    raise ImportError("x.so: failed to map segment from shared object")


def the_systems():
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize(
    "allocate",
    [numpys, pythons, tensorflows, a_threads, an_imports, the_systems],
)
def test_it_is_one_line(allocate, capsys, monkeypatch):
    monkeypatch.setattr(command_line.sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as end:
        command_line._guarded(lambda _: allocate(), ["train.py"])
    assert end.value.code == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("train.py: out of memory")
    assert "resumes from its last checkpoint" in line and len(line) < 500


@pytest.mark.parametrize(
    "error",
    [
        ValueError("out of memory"),
        RuntimeError("shapes differ"),
        OSError(errno.ENOENT, "no such file"),
        ImportError("no module named x"),
    ],
)
def test_other_errors_are_not(error):
    assert out_of_memory.detail(error) is None
