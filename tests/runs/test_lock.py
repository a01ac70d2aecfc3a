import os
import re
import signal
import subprocess
import sys

import pytest

from tfnoisy import errors
from tfnoisy.runs import lock as run_lock

# It takes the lock as a training process does, says so, and waits.
_HOLDER = """
import sys
from tfnoisy.runs import lock
held = lock.Lock(sys.argv[1])
held.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_one_holder_at_a_time(tmp_path):
    run = tmp_path / "runs/new"
    with run_lock.Lock(run) as first:
        # Of a new run there is nothing to lock, and nothing is made.
        assert not first.is_held and not run.exists()
        first.acquire()
        assert first.is_held and first.is_there()
        first.acquire()
        words = rf"trains in {run} \(process {os.getpid()} on .*, since 2"
        for take in (run_lock.Lock(run).acquire, run_lock.Lock(run).__enter__):
            with pytest.raises(errors.UserError, match=words) as caught:
                take()
            assert "\n" not in str(caught.value)
        assert first.is_there()
    # Nothing is told of who held it.
    assert (run / "lock").read_text() == ""
    with run_lock.Lock(run) as second:
        assert second.is_held
        assert (run / "lock").read_text() == ""


def test_it_ends_with_its_process(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "held\n"
    other = run_lock.Lock(tmp_path)
    with pytest.raises(errors.UserError, match=f"process {holder.pid} on"):
        other.acquire()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with other:
        assert other.is_held
        other.acquire()
        assert re.match(rf"process {os.getpid()} on", other.path.read_text())
    holder.stdin.close()
    holder.stdout.close()


@pytest.mark.parametrize("become", ["deleted", "moved", "replaced", "emptied"])
def test_a_folder_that_goes_is_noticed(tmp_path, become):
    run = tmp_path / "run"
    with run_lock.Lock(run) as held:
        held.acquire()
        if become == "deleted":
            held.path.unlink()
            run.rmdir()
        elif become == "emptied":
            held.path.unlink()
        else:
            run.rename(tmp_path / "elsewhere")
        if become == "replaced":
            run.mkdir()
            held.path.write_text("")
        assert not held.is_there()
    assert run.exists() == (become in ("replaced", "emptied"))


def test_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def flock(*_):
        raise OSError(run_lock.errno.ENOLCK, "no locks available")

    monkeypatch.setattr(run_lock.fcntl, "flock", flock)
    with run_lock.Lock(tmp_path) as held:
        held.acquire()
        assert held.is_held and held.is_there()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{tmp_path} is on a file system without locks")


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="cannot write .*/file/run: Not"):
        run_lock.Lock(tmp_path / "file/run").acquire()
