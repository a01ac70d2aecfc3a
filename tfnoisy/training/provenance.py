"""What code made a run, and on what machine: for results.json."""

import os
import pathlib
import re
import subprocess

import tensorflow as tf

_CPU_INFO = pathlib.Path("/proc/cpuinfo")
_ROOT = pathlib.Path(__file__).resolve().parents[2]
# What `bin/reproduce.py --keep` writes between the seeds of a row is no code.
_MEASURED = "data/results/runs"
# What makes a step faster, best first, by the names of /proc/cpuinfo.
_WIDEST = (
    ("amx_bf16", "AMX"),
    ("avx512_bf16", "AVX-512, bf16"),
    ("avx512f", "AVX-512"),
    ("avx2", "AVX2"),
)


def hardware() -> str:
    """Returns the GPUs, or the processor, in words.

    Such as `2 x NVIDIA H100 80GB HBM3` or `2 cores of AMD EPYC (AVX-512)`.
    """
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    if names:
        return " and ".join(
            f"{names.count(name)} x {name}" for name in dict.fromkeys(names)
        )
    return processor(_CPU_INFO.read_text() if _CPU_INFO.exists() else "")


def processor(cpu_info: str) -> str:
    """Returns the processor in words.

    Args:
        cpu_info: the contents of Linux's /proc/cpuinfo; "" elsewhere.
    """
    name = re.search(r"^model name\s*: (.*)$", cpu_info, re.MULTILINE)
    flags = re.search(r"^flags\s*: (.*)$", cpu_info, re.MULTILINE)
    have = flags.group(1).split() if flags else []
    width = next((shown for flag, shown in _WIDEST if flag in have), "")
    cores = len(os.sched_getaffinity(0)) if have else os.cpu_count()
    text = f"{cores} cores"
    if name:
        # Trade marks and clock rates are no part of the name.
        words = re.sub(r"\((R|TM)\)|@.*|\bCPU\b|\bProcessor\b", " ", name[1])
        text += f" of {' '.join(words.split())}"
    return f"{text} ({width})" if width else text


def commit(root: pathlib.Path = _ROOT) -> str | None:
    """Returns the commit of a checkout, with a `+` if files differ from it.

    Kept runs of `data/results` may differ.  None where there is no checkout,
    or no git.

    Args:
        root: the folder that holds the package.
    """
    if not (root / ".git").exists():
        return None

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        changed = git(
            *("status", "--porcelain", "--untracked-files=no", "--", "."),
            f":(exclude){_MEASURED}",
        )
        return git("rev-parse", "--short=7", "HEAD") + "+" * bool(changed)
    except (OSError, subprocess.SubprocessError):
        return None
