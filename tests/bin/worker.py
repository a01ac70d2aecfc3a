"""Runs a script as a worker that can be looked at, and killed, by the tests.

    worker.py SCRIPT VARIABLES DIE_AT FLAGS...

writes the variables after training to VARIABLES, and dies by SIGKILL when it
has made DIE_AT steps; 0 for not at all.
"""

import os
import runpy
import signal
import sys

from tfnoisy.cli import tensorflow_start

tensorflow_start.prepare()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from tfnoisy.training import loop  # noqa: E402


class WatchedLoop(loop.Loop):
    """A loop of which the test sees the end, or makes one."""

    def run(self):
        """Trains, and writes the variables."""
        rows = super().run()
        np.savez(VARIABLES, **{v.path: value(v) for v in everything(self)})
        return rows

    def _advance(self, *call):
        super()._advance(*call)
        if self._step == DIE_AT:
            os.kill(os.getpid(), signal.SIGKILL)


def everything(watched):
    """Returns all variables of the method and its optimiser."""
    return [*watched.method.variables, *watched.method.optimizer.variables]


def value(variable):
    """Returns this worker's copy of a variable, as an array."""
    return tf.convert_to_tensor(variable.value).numpy()


if __name__ == "__main__":
    script, VARIABLES, DIE_AT, *flags = sys.argv[1:]
    DIE_AT = int(DIE_AT)
    loop.Loop = WatchedLoop
    sys.argv = [script, *flags]
    sys.path[0] = os.path.dirname(script)
    runpy.run_path(script, run_name="__main__")
