"""One execution: some training steps in one call of TensorFlow."""

import contextlib
import re

import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.methods import nonfinite


def compiled(
    strategy,
    train_step,
    prepare,
    steps=1,
    jit_compile=False,
    eager=False,
    guard=None,
    see=None,
):
    """Returns a function that makes training steps.

    Args:
        strategy: a `tf.distribute.Strategy`.
        train_step: one replica's step, batch -> {name: scalar}.
        prepare: batch -> batch, what XLA cannot compile of a step; see
            `methods.base.Method.prepare`.
        steps: the most steps of one call.
        jit_compile: whether XLA compiles the step.
        eager: run the step as Python, operation by operation, for a debugger.
        guard: a `nonfinite.Guard` that takes back steps, and adds a log that
            says so; None for no such thing.
        see: batch -> batch, before all else, such as a `views.InStep`; None
            for batches that are whole.

    Returns:
        A function of (iterator, see `replicas.iterate`; int number of steps,
        at most `steps`) to {name: [number of steps]}, the means over
        the replicas.  It raises a `TrainingError` if XLA cannot compile it.
    """
    replica_step = by_xla(train_step, prepare) if jit_compile else train_step
    if guard:
        replica_step = guard.judging(replica_step)
    names = []

    def stacked_logs(batch):
        logs = replica_step(see(batch) if see else batch)
        names[:] = logs
        return tf.stack([tf.cast(v, tf.float32) for v in logs.values()])

    def one_step(iterator):
        logs = strategy.run(stacked_logs, (replicas.dealt(strategy, iterator),))
        # Together: workers would have to meet for each of them.
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, logs, axis=None)

    if guard:
        one_step = guard.taking_back(
            strategy, one_step, lambda logs: logs[names.index(nonfinite.FINITE)]
        )

    def traced(function):
        if eager:
            return function
        # AutoGraph would translate every function that a step calls, which
        # takes as long as the tracing, and has nothing to translate.
        return tf.function(function, jit_compile=False, autograph=False)

    @traced
    def single_step(iterator):
        return _by_name(names, one_step(iterator)[None])

    @traced
    def several_steps(iterator, number):
        _, logs = tf.while_loop(
            lambda index, _: index < number,
            lambda index, logs: (
                index + 1,
                logs.write(index, one_step(iterator)),
            ),
            (0, tf.TensorArray(tf.float32, number)),
            parallel_iterations=1,
        )
        return _by_name(names, logs.stack())

    def execute(iterator, number):
        with _one_line_of_xla() if jit_compile else contextlib.nullcontext():
            if steps == 1:
                return single_step(iterator)
            return several_steps(iterator, tf.constant(number))

    return execute


def by_xla(train_step, prepare):
    """Returns the step that XLA compiles, but for what it cannot compile.

    Args:
        train_step: see `compiled`.
        prepare: likewise.
    """
    step = tf.function(train_step, jit_compile=True, autograph=False)
    return lambda batch: step(prepare(batch))


def _by_name(names, logs):
    """Returns {name: [number of steps]} of logs [number of steps, names]."""
    # They are known once a step has been traced.
    return dict(zip(names, tf.unstack(logs, len(names), axis=1)))


@contextlib.contextmanager
def _one_line_of_xla():
    """Says in one line what XLA cannot compile."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as e:
        lines = [line for line in e.message.splitlines() if "XLA" in line]
        if not lines:
            raise
        operation = re.search(r"on XLA_\w+: (\w+)", lines[0])
        reason = operation[1] if operation else lines[0][:300]
        raise errors.TrainingError(
            "--jit_compile: XLA cannot compile this step, train without it "
            f"({reason})"
        ) from e
