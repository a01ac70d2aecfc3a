#!/usr/bin/env python3
"""Serves an exported model on this machine, to try it without a server.

    local_server.py --model_dir=models/NAME
    local_server.py --model_base_path=models/NAME --rest_api_port=8501

It answers TensorFlow Serving's gRPC and REST requests by TensorFlow Serving's
loader, picks up new versions, and takes the names that tensorflow_model_server
has for its flags.  It batches nothing and listens on this machine only: to
serve others, run tensorflow_model_server (see tfnoisy/serving/README.md).

SIGTERM or Ctrl-C ends it within seconds, after it has answered what it had
begun; a second one ends it at once.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import os
import signal
import sys
import threading
import urllib.parse

from absl import flags

from tfnoisy import errors
from tfnoisy.cli import command_line, flag_groups, native_output

_LARGEST_PORT = 65535

with flag_groups.group("What to serve, and where"):
    flags.DEFINE_string(
        "model_dir",
        "",
        "The exported model, models/NAME or models/NAME/VERSION; of the first "
        "always the newest version.",
    )
    flag_groups.alias("model_base_path", "model_dir")
    flags.DEFINE_string(
        "model_name", "", "What clients call the model; NAME if empty."
    )
    flags.DEFINE_integer(
        "port",
        8500,
        "The port for gRPC; 0 takes any that is free.",
        0,
        _LARGEST_PORT,
    )
    flags.DEFINE_integer(
        "rest_port",
        8501,
        "The port for REST; 0 takes any that is free.",
        0,
        _LARGEST_PORT,
    )
    flag_groups.alias("rest_api_port", "rest_port")
    flags.DEFINE_float(
        "file_system_poll_wait_seconds",
        1.0,
        "Seconds between two looks for a newer version.",
        0.01,
        threading.TIMEOUT_MAX,
    )
with flag_groups.group("Limits"):
    flags.DEFINE_integer(
        "max_request_mib",
        64,
        "The largest request, in MiB.",
        1,
        2047,
    )
    flags.DEFINE_integer(
        "max_batch_size", 1024, "The most images in one request.", 1
    )
    flags.DEFINE_integer(
        "num_threads",
        8,
        "Requests that are answered at a time, by each of gRPC and REST.",
        1,
        1000,
    )
    flag_groups.alias("rest_api_num_threads", "num_threads")

FLAGS = flags.FLAGS


def main(_):
    """Serves until it is interrupted."""
    if not FLAGS.model_dir:
        raise errors.UserError("--model_dir is missing")
    if FLAGS.port and FLAGS.port == FLAGS.rest_port:
        raise errors.UserError(
            f"--port={FLAGS.port} and --rest_port={FLAGS.rest_port} are the "
            "same port; gRPC and REST need one each"
        )
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "2":
        # What is wrong with a version is said by `_tell`, in one line.
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from tfnoisy.serving.server import local_server

    with native_output.kept_back():
        server = local_server.LocalServer(
            FLAGS.model_dir,
            FLAGS.port,
            FLAGS.rest_port,
            FLAGS.model_name or None,
            local_server.Limits(
                request_bytes=FLAGS.max_request_mib << 20,
                batch_size=FLAGS.max_batch_size,
                threads=FLAGS.num_threads,
            ),
            FLAGS.file_system_poll_wait_seconds,
            _tell,
        )
    model = server.model
    for line in model.skipped:
        _tell(line)
    print(
        f"{model.name}, version {model.version}: gRPC at "
        f"{server.grpc_address}, REST at http://{server.rest_address}"
        f"/v1/models/{urllib.parse.quote(model.name, safe='')}",
        flush=True,
    )
    _wait_for_a_signal()
    if not server.close():
        # Python would wait for it at its end.
        _tell("interrupted; not all that was begun was answered")
        os._exit(130)
    raise KeyboardInterrupt


def _tell(line):
    """Prints what happens to the model's versions."""
    print(f"local_server.py: {line}", file=sys.stderr, flush=True)


def _wait_for_a_signal():
    """Waits for SIGTERM or Ctrl-C; a second one ends the process at once."""
    arrived = threading.Event()

    def handle(*_):
        if arrived.is_set():
            os._exit(130)
        arrived.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    arrived.wait()


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
