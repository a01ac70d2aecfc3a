"""Processor time: what a run costs, whatever else the machine does.

Seconds by the clock depend on what runs beside a training; the seconds for
which processors worked on it hardly do.
"""

import os
import pathlib
import resource
import time

_PROC = pathlib.Path("/proc")


def spent() -> float:
    """Returns the processor seconds of this process since it began.

    Those of all its threads, of its child processes, and of theirs.  Where
    there is no /proc (Linux has it), children count once they have ended and
    were waited for.  Time on GPUs is none of it.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        time.process_time()
        + ended.ru_utime
        + ended.ru_stime
        + living_children(os.getpid())
    )


def living_children(parent: int, proc: pathlib.Path = _PROC) -> float:
    """Returns the processor seconds of the processes below one.

    Args:
        parent: its process id; its own time is left out.
        proc: the folder of Linux's process information.
    """
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for path in proc.glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold spaces and parentheses.
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It has ended.
        pid = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(pid)
        # utime, stime, and those of children that were waited for.
        ticks[pid] = sum(map(int, fields[11:15]))
    found = children.get(parent, [])
    # It grows while it is read: children's children come after them.
    for pid in found:
        found.extend(children.get(pid, []))
    return sum(ticks[pid] for pid in found) / os.sysconf("SC_CLK_TCK")
