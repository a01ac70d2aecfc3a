"""Runs scripts, each in a process that has TensorFlow imported already.

Importing it takes five seconds of a processor, more than the work of most
tests' scripts.  This process imports it once, with what of tfnoisy every run
needs and no flag is defined by, and forks for each script, which gets what a
shell would give it: its arguments and environment, files for what it prints,
and a process of its own to end with an exit code.  (What TensorFlow
reads of the environment as it is imported is this process's.)

A request is a line of JSON on the standard input, [words, environment, path of
its standard output, path of its standard error]; the answer a line with the
exit code.
"""

import atexit
import importlib
import json
import os
import pathlib
import runpy
import sys
import traceback

_IMPORTED = (
    "tensorflow",
    "tensorflow_datasets.core",
    "sklearn.mixture",
    "tfnoisy.training.experiment",
    "tfnoisy.datasets.load",
    "tfnoisy.runs.data",
    "tfnoisy.methods.baseline",
)


def main():
    """Answers requests until there are no more."""
    for name in _IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        words, environment, *outputs = json.loads(line)
        child = os.fork()
        if not child:
            run(words, environment, outputs)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(words, environment, outputs):
    """Is the script from here on; never returns."""
    for number, path in enumerate([os.devnull, *outputs]):
        file = os.open(path, os.O_WRONLY | os.O_TRUNC if number else 0)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    sys.path[0] = str(pathlib.Path(words[0]).parent)
    code = 0
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    main()
