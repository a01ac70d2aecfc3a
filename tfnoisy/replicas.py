"""Passes over all examples by all replicas, and what workers tell each other.

A worker is a process with some replicas of its own; workers are joined by
`tf.distribute.MultiWorkerMirroredStrategy`.  Under any other strategy there is
one, and nothing here costs anything.

What a worker computes on the host may differ from what another makes of the
same numbers in the last digit, as their processors may.  Where a decision
hangs on it, all follow the first one, the chief: they must agree on every step
to come, or they would wait for each other for ever.
"""

import contextlib

import numpy as np
import tensorflow as tf

from tfnoisy import errors, progress


def num_workers(strategy):
    """Returns how many processes share the work."""
    resolver = strategy.cluster_resolver
    if resolver is None:
        return 1
    return max(1, len(resolver.cluster_spec().as_dict().get("worker", ())))


def worker(strategy):
    """Returns which of them this is, 0 for the chief."""
    if num_workers(strategy) == 1:
        return 0
    return strategy.cluster_resolver.task_id


def is_chief(strategy):
    """Returns whether this worker writes the run folder, and talks."""
    return worker(strategy) == 0


def gathered(strategy, value):
    """Returns every worker's array, stacked: [workers, ...].

    Args:
        strategy: a `tf.distribute.Strategy`; all workers must call this, in
            the same order.
        value: an array, of one shape and type on all workers; int64, float32
            or float64.
    """
    value = np.asarray(value)
    workers = num_workers(strategy)
    if workers == 1:
        return value[None]
    stacked = np.zeros([workers, *value.shape], value.dtype)
    stacked[worker(strategy)] = value
    local = strategy.num_replicas_in_sync // workers

    def of_replica(rows):
        context = tf.distribute.get_replica_context()
        # One replica of each worker speaks for it.
        speaks = context.replica_id_in_sync_group % local == 0
        return tf.where(speaks, rows, tf.zeros_like(rows))

    @tf.function(autograph=False)
    def total(rows):
        return strategy.reduce(
            tf.distribute.ReduceOp.SUM,
            strategy.run(of_replica, (rows,)),
            axis=None,
        )

    return total(tf.constant(stacked)).numpy()


def of_chief(strategy, value):
    """Returns the chief's array, see `gathered`."""
    return gathered(strategy, value)[0]


@contextlib.contextmanager
def failing_together(strategy):
    """Makes a user's mistake on one worker the end of all.

    Args:
        strategy: as for `gathered`; nothing in the body may need the other
            workers.

    Raises:
        UserError: on all workers if the body raises it, or a `StorageError`,
            on one, which raises its own.
    """
    try:
        yield
    except (errors.UserError, errors.StorageError):
        gathered(strategy, np.int64(1))
        raise
    failed = np.flatnonzero(gathered(strategy, np.int64(0)))
    if len(failed):
        raise errors.UserError(
            f"worker {failed[0]} cannot go on, and says why where it runs"
        )


def iterate(strategy, batches):
    """Returns an iterator over the batches of this worker's replicas.

    It stays on the host, see `dealt`: taking down an iterator of
    TensorFlow's for several replicas, whose options cannot be set, waits for
    its autotuning, which may sleep for as long as it has been running, up to
    a minute (`pipeline.untuned`), and the methods of two networks take down
    several in an epoch.

    Args:
        strategy: a `tf.distribute.Strategy`.
        batches: `tf.distribute.InputContext` -> endless `tf.data.Dataset`,
            such as `pipeline.evaluation_batches`.
    """
    context = tf.distribute.InputContext(
        num_workers(strategy), worker(strategy), strategy.num_replicas_in_sync
    )
    return iter(batches(context))


def dealt(strategy, iterator):
    """Returns the next batch of each replica, for `strategy.run`.

    Args:
        strategy: a `tf.distribute.Strategy`.
        iterator: see `iterate`; may be an argument of a `tf.function`.
    """
    local = strategy.num_replicas_in_sync // num_workers(strategy)
    batches = [next(iterator) for _ in range(local)]
    return strategy.experimental_distribute_values_from_function(
        lambda context: batches[context.replica_id_in_sync_group % local]
    )


class Pass:
    """Computes something of every example, shared by all replicas."""

    def __init__(self, strategy, function, title):
        """Prepares the pass; nothing runs yet.

        Args:
            strategy: a `tf.distribute.Strategy`.
            function: batch -> float tensor [B, ...], one replica's work.
            title: what is done, for `progress.part`; the chief shows it.
        """
        self._title = title
        self._strategy = strategy
        # Traced once, however many passes there are.
        self._step = tf.function(
            lambda iterator: strategy.run(
                function, (dealt(strategy, iterator),)
            ),
            autograph=False,
        )

    def __call__(self, batches, count):
        """Returns the function's values in the order of the data set, [N, ...].

        Args:
            batches: `tf.distribute.InputContext` -> `tf.data.Dataset`, such as
                `pipeline.evaluation_batches`.
            count: N; what the last batches were filled up with is left out.
        """
        strategy = self._strategy
        batches = iterate(strategy, batches)
        steps, found = [], 0
        with progress.part(self._title, count) as done:
            while found < count:
                values = strategy.experimental_local_results(
                    self._step(batches)
                )
                steps.append(values)
                before = found
                found += strategy.num_replicas_in_sync * len(values[0])
                if is_chief(strategy):
                    done(min(found, count) - before)
        own = np.array([[v.numpy() for v in values] for values in steps])
        # [steps, replicas of a worker, B, ...] of each worker, in turn.
        values = np.moveaxis(gathered(strategy, own), 0, 1)
        return values.reshape(-1, *own.shape[3:])[:count]


def assign_alike(changes):
    """Assigns values within a step, each the same on all replicas.

    Args:
        changes: a list of (`keras.Variable`, tensor).
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        for variable, value in changes:
            variable.assign(value)
        return

    def assign(strategy, *values):
        for (variable, _), value in zip(changes, values, strict=True):
            strategy.extended.update(
                variable.value, lambda own, new: own.assign(new), args=(value,)
            )

    context.merge_call(assign, args=tuple(value for _, value in changes))
