"""What a script makes of a command line, without training anything."""

import json
import subprocess
import sys

# Each script defines flags for its whole process: TensorFlow is imported once,
# then a process is forked off for every script and again for every command.
_PROGRAM = """
import contextlib, importlib, io, json, os, sys
from absl import flags
from tfnoisy import errors
from tfnoisy.cli import tensorflow_start
tensorflow_start.prepare()
# What a fork would else import, each anew.
import tensorflow
from tfnoisy.augment import standard
from tfnoisy.datasets import load
from tfnoisy.training import distribution
load.load("digits", "test")

def in_a_fork():
    if os.fork():
        _, status = os.wait()
        if status:
            os._exit(1)
        return False
    return True

for script, commands in json.loads(sys.argv[1]).items():
    if not in_a_fork():
        continue
    module = importlib.import_module(f"tfnoisy.bin.{script}")
    for name, words in commands:
        if not in_a_fork():
            continue
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                getattr(module, "define_method_flags", lambda _: None)(words)
                flags.FLAGS([script, *words])
                getattr(module, "settle", lambda: None)()
        except (errors.UserError, flags.Error) as error:
            said = io.StringIO(str(error))
        values = {flag: flags.FLAGS[flag].value for flag in flags.FLAGS}
        line = [name, values, said.getvalue()]
        print(json.dumps(line, default=str), flush=True)
        os._exit(0)
    os._exit(0)
"""


def settled(commands):
    """Returns what scripts make of commands.

    Args:
        commands: a list of (name, script without .py, list of flags).

    Returns:
        {name: ({flag: value} once all is settled, what it said or why it
        refused the command)}; of equal names the last one.
    """
    by_script = {}
    for name, script, words in commands:
        by_script.setdefault(script, []).append((name, list(map(str, words))))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps(by_script)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {name: (values, said) for name, values, said in lines}
