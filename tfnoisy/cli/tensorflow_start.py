"""How TensorFlow is imported: late, with oneDNN, quietly, without extras.

`prepare` costs nothing and imports nothing.  What it arranges happens when a
script comes to the module that imports TensorFlow, if it ever does:

- oneDNN's kernels are switched on.  TensorFlow leaves them off on processors
  without AVX-512 or VNNI, where a training step then takes 1.6 to 1.9 times
  as long.  The user's own TF_ENABLE_ONEDNN_OPTS wins.
- TensorFlow's messages below an error are not shown, nor what it prints
  before its log level counts.  TF_CPP_MIN_LOG_LEVEL=0 shows everything.
- Parts of TensorFlow and Keras that no script uses are loaded if something
  does use them.  Keras would import scikit-learn, pandas and matplotlib for
  them, which takes longer than Keras itself.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import pathlib
import sys

from absl import logging

from tfnoisy.cli import native_output

# Loaded when they are used: `keras.wrappers` is scikit-learn's interface,
# `keras.visualization` draws with matplotlib.
_RARELY_USED = (
    "keras._tf_keras.keras.visualization",
    "keras._tf_keras.keras.wrappers",
    "keras.src.visualization",
    "keras.visualization",
    "keras.wrappers",
)


def prepare():
    """Arranges all of the above; TensorFlow should not be imported yet."""
    # Where several workers train, TensorFlow prints a dozen lines of "errors"
    # when one of them ends; the scripts say it in one.
    level = "3" if os.environ.get("TF_CONFIG") else "2"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    quiet = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", level) != "0"
    if quiet:
        # TFDS and the checkpoints log each file.
        logging.set_verbosity(logging.ERROR)
    if "tensorflow" in sys.modules:
        if quiet:
            _look_for_gpus(sys.modules["tensorflow"])
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder(quiet))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds TensorFlow and what is rarely used, and changes their loaders."""

    def __init__(self, quiet):
        self._quiet = quiet

    def find_spec(self, fullname, path, target=None):
        """Returns the module's spec, or None for all other modules."""
        if fullname == "tensorflow" and self._quiet:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path)
            if spec is not None:
                _load_quietly(spec.loader)
            return spec
        if fullname in _RARELY_USED and "tensorflow" in sys.modules:
            spec = importlib.machinery.PathFinder.find_spec(fullname, path)
            if spec is not None:
                spec.loader = importlib.util.LazyLoader(spec.loader)
            return spec
        return None


def _load_quietly(loader):
    """Lets a module loader of TensorFlow keep its output back."""
    execute = loader.exec_module

    def exec_module(module):
        _look_for_gpus(module, lambda: execute(module))

    loader.exec_module = exec_module


def _look_for_gpus(tensorflow, execute=lambda: None):
    """Lets TensorFlow look for GPUs, and say why where it fails to use one.

    Args:
        tensorflow: the module.
        execute: called first, with TensorFlow's output kept back, too.
    """
    with native_output.kept_back() as show:
        execute()
        gpus = tensorflow.config.list_physical_devices("GPU")
    if not gpus and pathlib.Path("/dev/nvidiactl").exists():
        show()
