import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tfnoisy import errors
from tfnoisy.comparison import trainer_process

PROGRAM = """
import pathlib, signal, sys
from tfnoisy.comparison import trainer_process

# A suite that runs in the background was told to ignore them.  Not undone by
# `preexec_fn`: a process whose other threads call into gRPC may hang where it
# forks.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

trainer_process.end_with_us()
with trainer_process.open_log(pathlib.Path(sys.argv[1])) as log:
    try:
        trainer_process.run([sys.executable, "-c", sys.argv[2]], log)
    except KeyboardInterrupt:
        print("interrupted", log.tell())
"""

# Takes its time to save, or for ever.
TRAINER = """
import os, time
print(os.getpid())
try:
    time.sleep(100)
except KeyboardInterrupt:
    print("saving")
    time.sleep(SECONDS)
    print("saved")
"""


def python(program):
    return [sys.executable, "-c", program]


def wait_for(path, text):
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if path.exists() and text in path.read_text():
            return path.read_text()
        time.sleep(0.01)
    raise AssertionError(f"{path} never had {text!r}")


@pytest.fixture
def trainer(tmp_path):
    """Starts a trainer below a process; returns that, and the log's path."""
    log = tmp_path / "run.log"
    started = []

    def start(seconds):
        program = TRAINER.replace("SECONDS", str(seconds))
        process = subprocess.Popen(
            [*python(PROGRAM), str(log), program],
            stdout=subprocess.PIPE,
            text=True,
            # A terminal's signals go to the whole process group.
            process_group=0,
        )
        started.append(process)
        wait_for(log, "\n")
        return process, log

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_running(log):
    """Whether the trainer that wrote the log still is there."""
    try:
        os.kill(int(log.read_text().split()[0]), 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_reaches_the_trainer_once_and_it_saves(trainer):
    process, log = trainer(seconds=0.5)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    # By then the trainer had ended.
    assert said.startswith("interrupted")
    assert log.read_text().split()[1:] == ["saving", "saved"]
    assert process.returncode == 0 and not is_running(log)


def test_a_second_ctrl_c_does_not_wait(trainer):
    process, log = trainer(seconds=100)
    os.killpg(process.pid, signal.SIGINT)
    wait_for(log, "saving")
    assert process.poll() is None and is_running(log)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=90)
    assert not is_running(log)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_ends_this_process_ends_the_trainer(trainer, number):
    process, log = trainer(seconds=100)
    process.send_signal(number)
    process.communicate(timeout=90)
    assert process.returncode == 128 + number
    assert not is_running(log)


def test_the_log_has_all_that_was_said(tmp_path):
    log = tmp_path / "new" / "run.log"
    program = "import sys; print('out'); print('err', file=sys.stderr); exit(3)"
    with trainer_process.open_log(log) as file:
        assert trainer_process.run(python(program), file) == 3
    assert log.read_text() == "out\nerr\n"


def test_a_users_mistake_leaves_no_log(tmp_path):
    (tmp_path / "here").mkdir()
    log = tmp_path / "here" / "new" / "logs" / "run.log"
    with (
        pytest.raises(errors.UserError, match="a mistake"),
        trainer_process.open_log(log) as file,
    ):
        file.write(b"x")
        raise errors.UserError("a mistake")
    assert list(tmp_path.iterdir()) == [tmp_path / "here"]
    assert list((tmp_path / "here").iterdir()) == []


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(errors.UserError, match="cannot write .*run.log"),
        trainer_process.open_log(tmp_path / "file" / "run.log"),
    ):
        pass


@pytest.mark.parametrize(
    "text, expected",
    [
        ("one\ncifar_train.py: no data set x\n\n", "no data set x"),
        ("Error in line 3 of a.py: oh\n", "Error in line 3 of a.py: oh"),
        ("half a line", "half a line"),
        ("\n", ""),
        (b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_the_last_line_of_a_log(tmp_path, text, expected):
    log = pathlib.Path(tmp_path / "run.log")
    log.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert trainer_process.last_line(log) == expected
