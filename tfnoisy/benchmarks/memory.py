"""How much memory this process has had at most."""

import pathlib
import resource
import sys


def high_water_mib():
    """Returns the most memory that the process ever had resident, in MiB."""
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        # macOS counts in bytes, others in KiB.
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    # Not ru_maxrss, which a process inherits from the one that began it.
    [line] = [
        line
        for line in status.read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) / 2**10
