"""How long a command takes before it does what it is for.

Each is timed in a process of its own: `import tfnoisy`, the `--help` of every
script, and a training on digits until its first step has been made.
"""

import pathlib
import resource
import subprocess
import sys
import tempfile
import time

# Ends a trainer as soon as its first call of the training step returns.
_UNTIL_FIRST_STEP = """
import os, runpy, sys
from tfnoisy.cli import tensorflow_start
tensorflow_start.prepare()
from tfnoisy.methods import execution
compiled = execution.compiled

def ending(*args, **kwargs):
    execute = compiled(*args, **kwargs)

    def once(*args):
        for value in execute(*args).values():
            value.numpy()
        os._exit(0)

    return once

execution.compiled = ending
sys.argv = sys.argv[1:]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_RUN = (
    "--dataset_name=digits",
    "--noise=symmetric:0.4",
    "--studentnet=small_cnn",
    "--augment=standard",
    "--max_number_of_steps=1000",
)


def start_suite(scripts, repeats):
    """Times the starts.

    Args:
        scripts: the folder of the scripts.
        repeats: how often each is timed; the least counts.

    Yields:
        A dict for each: what, seconds (by the clock) and processor_seconds.
    """
    words = [sys.executable, "-c", "import tfnoisy"]
    yield _timed("import tfnoisy", words, repeats)
    scripts = pathlib.Path(scripts)
    for script in sorted(scripts.glob("[a-z]*.py")):
        words = [sys.executable, str(script), "--help"]
        yield _timed(f"{script.name} --help", words, repeats)
    for method in ("baseline", "mentormix"):
        yield first_step(scripts / f"cifar_train_{method}.py", repeats)


def first_step(trainer, repeats):
    """Times a trainer until its first step on digits has been made.

    Args:
        trainer: the script's path.
        repeats: how often it is timed; the least counts.

    Returns:
        A dict: what, seconds (by the clock) and processor_seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = [
            *(sys.executable, "-c", _UNTIL_FIRST_STEP, str(trainer)),
            *(f"--train_log_dir={folder}/run", *_RUN),
        ]
        return _timed(f"first step of {trainer.name} on digits", words, repeats)


def _timed(what, words, repeats):
    wall, processor = [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), _used_by_children()
        subprocess.run(words, check=True, capture_output=True)
        wall.append(time.perf_counter() - started)
        processor.append(_used_by_children() - used)
    return {
        "what": what,
        "seconds": round(min(wall), 3),
        "processor_seconds": round(min(processor), 3),
    }


def _used_by_children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
