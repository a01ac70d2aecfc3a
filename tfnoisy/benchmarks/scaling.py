"""How a method's step scales over the devices and workers of this machine.

Every replica takes a batch of B images, so that n of them make n B a step:

    efficiency    images per second over n times those of one device
    cpu_overhead  processor time per image over that of one device, less 1

A replica gets one thread, or a GPU of its own if the machine has two.  The
second number says the same on a busy machine as on a quiet one, the first does
not; and where replicas share a memory bus, as on one machine, even a step that
told the others nothing would lose some of it.
"""

import contextlib
import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import time

import tensorflow as tf

from tfnoisy import plugins
from tfnoisy.benchmarks import step_passes
from tfnoisy.training import distribution, optimizer

# name: (strategy, processes, replicas in each).
SETTINGS = {
    "1_device": ("one_device", 1, 1),
    "2_devices": ("mirrored", 1, 2),
    "1_worker": ("multi_worker", 1, 1),
    "2_workers": ("multi_worker", 2, 1),
}


def scaling_suite(
    method="mentormix",
    studentnet=None,
    batch_size=None,
    repeats=20,
    image_shape=(32, 32, 3),
    num_classes=10,
    measure=None,
):
    """Times a method's step in each of `SETTINGS`, in processes of its own.

    Args:
        method: a name in `catalogue.methods`.
        studentnet: a name in `nets.registry`; `cifar_resnet20` if None.
        batch_size: B, per replica; 32 if None.
        repeats: how many steps are timed.
        image_shape: (H, W, C).
        num_classes: C.
        measure: in place of `measured`.

    Yields:
        {setting, method, studentnet, batch_size, replicas, step_seconds (the
        median), images_per_second, efficiency, cpu_overhead}, the first of
        one device.
    """
    described = step_passes.Setting(
        studentnet or "cifar_resnet20",
        batch_size or 32,
        tuple(image_shape),
        num_classes,
    )
    alone = None
    for name, (_, processes, each) in SETTINGS.items():
        seconds, cpu_seconds = (measure or measured)(
            name, method, described, repeats
        )
        images = processes * each * described.batch_size
        speed, cpu = images / seconds, cpu_seconds / images
        alone = alone or (speed, cpu)
        yield {
            "setting": name,
            "method": method,
            "studentnet": described.studentnet,
            "batch_size": described.batch_size,
            "replicas": processes * each,
            "step_seconds": round(seconds, 5),
            "images_per_second": round(speed, 1),
            "efficiency": round(speed / (processes * each * alone[0]), 4),
            "cpu_overhead": round(cpu / alone[1] - 1.0, 4),
        }


def measured(name, method, described, repeats):
    """Runs one setting.

    Args:
        name: of the setting.
        method: a name in `catalogue.methods`.
        described: a `step_passes.Setting`.
        repeats: how many steps are timed.

    Returns:
        (seconds, processor seconds of all processes together) of a step.

    Raises:
        RuntimeError: if a process fails.
    """
    _, processes, each = SETTINGS[name]
    task = [
        plugins.loaded(),
        name,
        method,
        dataclasses.asdict(described),
        repeats,
    ]
    command = [sys.executable, "-m", __name__, json.dumps(task)]
    addresses = [f"127.0.0.1:{port}" for port in free_ports(processes)]
    started = [
        subprocess.Popen(
            command,
            env=os.environ | _environment(name, index, each, addresses),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    try:
        ended = [process.communicate() for process in started]
    finally:
        for process in started:
            process.kill()
    if any(process.returncode for process in started):
        raise RuntimeError(f"{name} failed: {ended[0][1][-2000:]}")
    seconds, cpu_seconds = zip(
        *(json.loads(out.splitlines()[-1]) for out, _ in ended)
    )
    return max(seconds), sum(cpu_seconds)


def free_ports(count):
    """Returns so many ports of this machine that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _environment(name, index, each, addresses):
    """Returns what the index-th process of a setting has of its own."""
    environment = {
        "TF_NUM_INTRAOP_THREADS": str(each),
        "TF_NUM_INTEROP_THREADS": str(each),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_CONFIG": "{}",
    }
    shown = range(index * each, (index + 1) * each) if _two_gpus() else ()
    environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, shown))
    if SETTINGS[name][0] == "multi_worker":
        environment["TF_CONFIG"] = json.dumps(
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
        )
    return environment


def _two_gpus():
    return len(tf.config.list_physical_devices("GPU")) > 1


def run_steps(name, method, described, repeats):
    """Times the steps of this process, which is one of the setting's.

    Args:
        name: of the setting.
        method: a name in `catalogue.methods`.
        described: a `step_passes.Setting`.
        repeats: how many steps are timed.

    Returns:
        (median seconds, mean processor seconds) of a step.
    """
    kind, _, each = SETTINGS[name]
    split = each if each > 1 and not _two_gpus() else 0
    strategy = distribution.make_strategy(kind, split)
    step = step_passes.step_of(method)
    with strategy.scope():
        model = step.method(described)
        model.compile(optimizer.TF1Momentum(0.01))
    batch = step.batch(described)
    batches = strategy.experimental_distribute_values_from_function(
        lambda _: batch
    )
    train_step = step.step(model)

    @tf.function(autograph=False)
    def one_step(batch):
        losses = strategy.run(lambda b: train_step(b)["loss"], (batch,))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    # The first calls trace and warm up.
    for _ in range(2):
        one_step(batches).numpy()
    seconds, cpu_started = [], time.process_time()
    for _ in range(repeats):
        started = time.perf_counter()
        one_step(batches).numpy()
        seconds.append(time.perf_counter() - started)
    cpu_seconds = time.process_time() - cpu_started
    return statistics.median(seconds), cpu_seconds / repeats


if __name__ == "__main__":
    _plugins, _name, _method, _described, _repeats = json.loads(sys.argv[1])
    plugins.load_installed()
    plugins.load(_plugins)
    _described["image_shape"] = tuple(_described["image_shape"])
    print(
        json.dumps(
            run_steps(
                _name, _method, step_passes.Setting(**_described), _repeats
            )
        )
    )
