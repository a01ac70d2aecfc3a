#!/usr/bin/env python3
"""Serves an exported model on this machine, to try it without a server.

It answers TensorFlow Serving's gRPC and REST requests by TensorFlow Serving's
loader, for tests and measurements: it batches nothing and watches no folder.
To serve others, run tensorflow_model_server (see README.md).
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags

from tfnoisy import errors
from tfnoisy.cli import command_line, flag_groups, native_output

with flag_groups.group("What to serve, and where"):
    flags.DEFINE_string(
        "model_dir",
        "",
        "The exported model, models/NAME or models/NAME/VERSION; the newest "
        "version if none is named.",
    )
    flags.DEFINE_integer(
        "port", 8500, "The port for gRPC; 0 takes any that is free.", 0
    )
    flags.DEFINE_integer(
        "rest_port", 8501, "The port for REST; 0 takes any that is free.", 0
    )

FLAGS = flags.FLAGS


def main(_):
    """Serves until it is interrupted."""
    if not FLAGS.model_dir:
        raise errors.UserError("--model_dir is missing")
    from tfnoisy.serving.server import local_server

    with native_output.kept_back():
        server = local_server.LocalServer(
            FLAGS.model_dir, FLAGS.port, FLAGS.rest_port
        )
    with server:
        model = server.model
        print(
            f"{model.name}, version {model.version}: gRPC at "
            f"{server.grpc_address}, REST at http://{server.rest_address}"
            f"/v1/models/{model.name}",
            flush=True,
        )
        server.wait()


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
