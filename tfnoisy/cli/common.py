"""Keeps TensorFlow quiet, and runs a script: see `command_line`."""

import os
import pathlib

from absl import logging

from tfnoisy.cli import command_line

# TensorFlow greets before its log level counts, complains of every machine
# without a GPU, and TFDS and the checkpoints log each file.
# TF_CPP_MIN_LOG_LEVEL=0 in the environment shows it all.  Where several
# workers train, a dozen lines of "errors" say that one of them has ended, which
# we say in one.
_level = "3" if os.environ.get("TF_CONFIG") else "2"
if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", _level) != "0":
    logging.set_verbosity(logging.ERROR)
    with command_line.quiet_stderr() as _show_kept:
        import tensorflow

        _gpus = tensorflow.config.list_physical_devices("GPU")
    if not _gpus and pathlib.Path("/dev/nvidiactl").exists():
        # There is a GPU and TensorFlow cannot use it: let it say why.
        _show_kept()

run = command_line.run
