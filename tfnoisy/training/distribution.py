"""Which devices of which machines a run uses."""

import contextlib
import dataclasses
import json
import os
import re
import sys

import tensorflow as tf

from tfnoisy import choices, errors

STRATEGIES = choices.STRATEGIES


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, as `TF_CONFIG` names them.

    Attributes:
        addresses: host:port of each worker, the chief's first.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def is_chief(self):
        """Whether this worker writes the run folder, and talks."""
        return self.index == 0


ALONE = Cluster(addresses=(), index=0)


def read_cluster():
    """Returns the `Cluster` of `TF_CONFIG`, `ALONE` where it names none.

    Raises:
        UserError: if the variable is not what TensorFlow documents.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text.strip():
        # TensorFlow would take an empty one for broken JSON.
        os.environ.pop("TF_CONFIG", None)
        return ALONE
    try:
        config = json.loads(text)
        jobs = config.get("cluster", {})
        task = config.get("task", {})
        # A chief, where there is one, comes before the other workers.
        names = [job for job in ("chief", "worker") if jobs.get(job)]
        addresses = [address for job in names for address in jobs[job]]
        strange = sorted(set(jobs) - {"chief", "worker"})
        kind, index = task.get("type", "worker"), task.get("index", 0)
    except (ValueError, AttributeError, TypeError) as error:
        raise _malformed(f"it is no such JSON ({error})") from error
    if strange:
        raise _malformed(f"it has a job {strange[0]!r}")
    if not jobs:
        return ALONE
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if (
            not host
            or not re.fullmatch("[0-9]{1,5}", port)
            or not 0 < int(port) < 65536
        ):
            raise _malformed(f"{address!r} is no host:port")
    if len(set(addresses)) < len(addresses):
        raise _malformed("it names an address twice")
    if kind not in names or not isinstance(index, int):
        raise _malformed(f"its task is {kind!r} {index!r}")
    if not 0 <= index < len(jobs[kind]):
        raise _malformed(f"there is no {kind} {index}")
    if kind == "worker" and "chief" in names:
        index += len(jobs["chief"])
    return Cluster(tuple(addresses), index)


def _malformed(what):
    return errors.UserError(
        f"TF_CONFIG: {what}; it should look like "
        '{"cluster": {"worker": ["host:port", "host:port"]}, "task": {"type": '
        '"worker", "index": 0}}'
    )


def make_strategy(name="auto", num_virtual_devices=0):
    """Returns a `tf.distribute.Strategy`.

    With several workers this waits for all of them, and must come before any
    operation of TensorFlow.

    Args:
        name: `one_device`; `mirrored`, over all visible GPUs or else over
            all logical CPUs; `multi_worker`, over those of all workers that
            the environment variable TF_CONFIG names; `auto`, `multi_worker`
            if it names several, else mirrored if there are several GPUs.
        num_virtual_devices: if positive, split the CPU into so many logical
            devices, to try a distributed run without GPUs.

    Raises:
        UserError: for an unknown name, a negative number, if TensorFlow has
            already started with other devices, for a TF_CONFIG that is none,
            or does not go with the name.
    """
    if name not in STRATEGIES:
        raise errors.UserError(
            f"no strategy {name!r}; there are {', '.join(STRATEGIES)}"
        )
    if num_virtual_devices < 0:
        raise errors.UserError(
            f"--num_virtual_devices={num_virtual_devices} must be 0 or more"
        )
    cluster = read_cluster()
    several = len(cluster.addresses) > 1
    if name == "multi_worker" or (name == "auto" and several):
        return _of_several_workers(cluster, num_virtual_devices)
    if several:
        raise errors.UserError(
            f"--strategy={name}: TF_CONFIG names {len(cluster.addresses)} "
            "workers, each of which would train by itself into one run "
            "folder; take --strategy=multi_worker, or unset TF_CONFIG"
        )
    if num_virtual_devices:
        _split_cpu(num_virtual_devices)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "one_device" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.OneDeviceStrategy("/gpu:0" if gpus else "/cpu:0")
    devices = gpus or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _of_several_workers(cluster, num_virtual_devices):
    if not cluster.addresses:
        raise errors.UserError(
            "--strategy=multi_worker: the environment variable TF_CONFIG names "
            "no workers; on each machine it should be "
            '{"cluster": {"worker": ["host:port", "host:port"]}, "task": '
            '{"type": "worker", "index": 0}} with an index of its own'
        )
    if num_virtual_devices:
        raise errors.UserError(
            f"--num_virtual_devices={num_virtual_devices} splits the CPU of "
            "one machine; several workers take one CPU each, or all their GPUs"
        )
    if cluster.is_chief and len(cluster.addresses) > 1:
        print(
            f"waiting for {', '.join(cluster.addresses[1:])}", file=sys.stderr
        )
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.index,
        rpc_layer="grpc",
    )
    with losing_workers(cluster):
        try:
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
        except tf.errors.UnknownError as error:
            raise errors.UserError(
                f"TF_CONFIG: worker {cluster.index} cannot listen at "
                f"{cluster.addresses[cluster.index]}: another process does, "
                "or the address is another machine's"
            ) from error


@contextlib.contextmanager
def losing_workers(cluster):
    """Says in one line that another worker has ended, as the work fails then.

    Args:
        cluster: the `Cluster` of this process.

    Raises:
        WorkerLost: for what TensorFlow raises then, if there are several.
    """
    try:
        yield
    except _OF_ANOTHER as error:
        if len(cluster.addresses) < 2:
            raise
        cause = str(error).replace("\n", " ")[:200]
        raise errors.WorkerLost(
            f"worker {cluster.index} lost another worker; start all workers "
            "again, with the same command, to go on from the last checkpoint "
            f"({cause})"
        ) from error


# Of a connection that broke, of one refused, and of collective operations
# that were given up for either.
_OF_ANOTHER = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.UnavailableError,
)


def use_gpu(device_id):
    """Hides all GPUs but the one with this number, if there are any.

    Raises:
        UserError: if there is no GPU of that number.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return
    if not re.fullmatch("[0-9]{1,4}", device_id) or (
        int(device_id) >= len(gpus)
    ):
        raise errors.UserError(
            f"--device_id={device_id}: this machine's GPUs are 0 to "
            f"{len(gpus) - 1}"
        )
    tf.config.set_visible_devices(gpus[int(device_id)], "GPU")


def _split_cpu(count):
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError:
        if len(tf.config.list_logical_devices("CPU")) != count:
            raise errors.UserError(
                "--num_virtual_devices must be set before TensorFlow starts"
            ) from None
