"""How fast an exported model answers on this machine.

Through TensorFlow Serving's loader, and through gRPC and REST by
`local_server`, whose client and server here share a process: a server proper
batches requests and shares nothing with its clients.  All is timed in
interleaved repeats.
"""

import contextlib
import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.benchmarks import timing
from tfnoisy.nets import registry
from tfnoisy.serving.client import client, grpc_client, rest_client
from tfnoisy.serving.export import signatures, warm_up
from tfnoisy.serving.loader import version_folder
from tfnoisy.serving.server import local_server

_WARM_UP = 3
# The loader, asked for no more than Keras gives.
_ALONE = "c_loader alone"


def serving_suite(
    model_dir="",
    studentnet="cifar_resnet20",
    repeats=100,
    image_shape=(32, 32, 3),
    batch_sizes=warm_up.BATCH_SIZES,
):
    """Times `serving_uint8` of an exported model.

    Args:
        model_dir: models/NAME or models/NAME/VERSION.  If empty, an untrained
            network is exported and asked; of that the loader's overhead over
            the same network in Keras is measured too, which needs the network.
        studentnet: a name in `nets.registry`, of the untrained network.
        repeats: how often each is timed, in turn.
        image_shape: (H, W, C), of the untrained network.
        batch_sizes: N of the requests.

    Returns:
        A dict for each way and batch size: {through: `c_loader`, `grpc` or
        `rest`, batch_size, median_ms, p99_ms, images_per_second}, and for the
        untrained network last {through: `keras`, ...}: the same for a
        `tf.function` of it at the largest batch, and
        `loader_overhead`: the median of the loader, when it is asked for the
        probabilities alone as Keras is, over that of Keras, less one; and
        `loader_cpu_overhead`: the same of processor time (of all threads;
        blind to a GPU), which other processes disturb less.

    Raises:
        UserError: if there is no such model, or it was not exported by
            `serving.export.export`.
    """
    with contextlib.ExitStack() as stack:
        classifier = None
        if not model_dir:
            scratch = stack.enter_context(tempfile.TemporaryDirectory())
            model_dir = pathlib.Path(scratch) / studentnet
            classifier = export_untrained(model_dir, studentnet, image_shape)
        server = stack.enter_context(local_server.LocalServer(model_dir))
        asked = grpc_client.Grpc(
            server.grpc_address, server.model.name, timeout=600.0
        )
        stack.callback(asked.close)
        by_rest = rest_client.Rest(
            server.rest_address, server.model.name, timeout=600.0
        )
        session = server.model.session
        if client.PIXELS not in session.signatures:
            raise errors.UserError(
                f"--model_dir={model_dir} has no signature {client.PIXELS}"
            )
        shape = session.signatures[client.PIXELS].inputs["images"].shape[1:]
        runs = {}
        for size in batch_sizes:
            given = {"images": _images(size, shape)}
            runs["c_loader", size] = _call(session.run, client.PIXELS, given)
            runs["grpc", size] = _call(asked.predict, client.PIXELS, given)
            runs["rest", size] = _call(by_rest.predict, client.PIXELS, given)
        if classifier is not None:
            given = _images(max(batch_sizes), shape)
            runs["keras", len(given)] = _keras(classifier, given)
            runs[_ALONE, len(given)] = _call(
                session.run,
                client.PIXELS,
                {"images": given},
                ["probabilities"],
            )
        return _rows(
            *timing.interleaved(runs, repeats, _WARM_UP), max(batch_sizes)
        )


def export_untrained(
    model_dir, studentnet, image_shape, num_classes=10, top_k=5
):
    """Exports an untrained network as the next version of a model.

    Args:
        model_dir: the model's folder.
        studentnet: a name in `nets.registry`.
        image_shape: (H, W, C).
        num_classes: C; the classes are called by their numbers.
        top_k: how many classes an answer names.

    Returns:
        The `signatures.Classifier`.
    """
    views = standard.get("standard", image_shape)
    network = registry.build(studentnet, num_classes, views.view_shape, seed=0)
    with (
        version_folder.beside(model_dir) as path,
        tempfile.TemporaryDirectory() as scratch,
    ):
        labels = pathlib.Path(scratch) / "labels.txt"
        signatures.write_labels(labels, range(num_classes))
        classifier = signatures.Classifier(
            network, views.evaluate, image_shape, labels, top_k
        )
        classifier.save(path)
        version_folder.publish(path)
    return classifier


def _images(size, shape):
    return np.random.default_rng(0).integers(0, 256, (size, *shape), np.uint8)


def _call(function, *arguments):
    return lambda: function(*arguments)


def _keras(classifier, images):
    """Returns the call of the network as Keras has it, from pixels on."""
    spec = tf.TensorSpec([None, *images.shape[1:]], tf.uint8)
    compiled = tf.function(classifier.probabilities, input_signature=[spec])
    return lambda: compiled(images)["probabilities"].numpy()


def _rows(wall, cpu, largest):
    """Returns the result, see `serving_suite`, of {(through, N): seconds}."""
    rows = []
    # Keras, which is no way to serve, comes last.
    for through, size in sorted(wall, key=lambda key: (key[0] == "keras", key)):
        if through == _ALONE:
            continue
        seconds = wall[through, size]
        median, p99 = np.quantile(seconds, [0.5, 0.99])
        rows.append(
            {
                "through": through,
                "batch_size": size,
                "repeats": len(seconds),
                "median_ms": round(1e3 * median, 3),
                "p99_ms": round(1e3 * p99, 3),
                "images_per_second": round(size / median, 1),
            }
        )
    if (_ALONE, largest) in wall:
        rows[-1] |= {
            "loader_overhead": _overhead(wall, largest),
            "loader_cpu_overhead": _overhead(cpu, largest),
        }
    return rows


def _overhead(times, size):
    loader, network = (
        np.median(times[through, size]) for through in (_ALONE, "keras")
    )
    return round(float(loader / network - 1), 4)
