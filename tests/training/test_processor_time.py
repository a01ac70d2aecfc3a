import os
import subprocess
import sys
import threading
import time

import pytest

from tfnoisy.training import processor_time

# Uses the processor for so many seconds, says so, and waits to be ended.
_BUSY = """
import sys, time
while time.process_time() < {}:
    pass
print(flush=True)
sys.stdin.read()
"""


def busy(seconds):
    """Returns a child process that has used that much of a processor."""
    child = subprocess.Popen(
        [sys.executable, "-c", _BUSY.format(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    child.stdout.readline()
    return child


def use_processor(seconds):
    before = time.thread_time()
    while time.thread_time() - before < seconds:
        pass


def test_sleep_costs_nothing():
    before = processor_time.spent()
    time.sleep(0.3)
    assert processor_time.spent() - before < 0.1


def test_all_threads_count():
    threads = [
        threading.Thread(target=use_processor, args=(0.1,)) for _ in range(3)
    ]
    before = processor_time.spent()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.3 <= processor_time.spent() - before < 0.5


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_children_count_once_whether_they_live_or_not():
    before = processor_time.spent()
    with busy(0.4) as child:
        living = processor_time.spent() - before
        child.communicate()
    ended = processor_time.spent() - before
    # In hundredths of a second while it lives.
    assert 0.37 <= living <= ended + 0.03 < 0.7


def stat(proc, pid, name, parent, *ticks):
    folder = proc / str(pid)
    folder.mkdir()
    fields = ["S", parent, *["0"] * 9, *ticks, "20", "0"]
    (folder / "stat").write_text(
        f"{pid} ({name}) {' '.join(map(str, fields))}\n"
    )


def test_all_processes_below_one(tmp_path):
    stat(tmp_path, 10, "parent", 1, 1000, 1000, 1000, 1000)
    stat(tmp_path, 11, "child", 10, 1, 2, 3, 4)
    stat(tmp_path, 7, "its (own) child 8 9", 11, 5, 6, 7, 8)
    stat(tmp_path, 12, "stranger", 1, 1000, 1000, 1000, 1000)
    (tmp_path / "13").mkdir()  # Has ended.
    ticks = os.sysconf("SC_CLK_TCK")
    assert processor_time.living_children(10, tmp_path) == 36 / ticks
    assert processor_time.living_children(12, tmp_path) == 0
    assert processor_time.living_children(10, tmp_path / "none") == 0
