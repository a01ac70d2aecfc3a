"""How long a run is, and how often it is evaluated."""

import dataclasses

from tfnoisy import errors
from tfnoisy.runs import data as run_data

# What the counters of batches and random draws can count.
_MOST_STEPS = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a method may know of the run it is made for.

    Attributes:
        num_steps: T.
        num_examples: N, the training examples.
        batch_size: B, examples per step over all replicas.
        num_ids: the largest id of a training example plus one.
    """

    num_steps: int
    num_examples: int
    batch_size: int
    num_ids: int


def of(experiment, train, replicas):
    """Returns the `Budget` of an experiment.

    Args:
        experiment: an `experiment.Experiment`.
        train: its training `ImageDataset`.
        replicas: how many share a step, on all machines.

    Raises:
        UserError: for a batch or a number of steps that cannot be.
    """
    num_examples = len(train)
    batch_size = experiment.batch_size * replicas
    if not 1 <= experiment.batch_size <= num_examples:
        raise errors.UserError(
            f"--batch_size={experiment.batch_size} must be between 1 and the "
            f"{num_examples} training examples"
        )
    num_steps = experiment.max_number_of_steps
    if experiment.most_steps:
        num_steps = experiment.most_steps(num_examples, batch_size)
    elif experiment.num_epochs:
        num_steps = run_data.steps_of(
            experiment.num_epochs, num_examples, batch_size
        )
    if not 1 <= num_steps <= _MOST_STEPS:
        raise errors.UserError(
            f"{num_steps:.10g} training steps: --max_number_of_steps or "
            f"--num_epochs must make it 1 to {_MOST_STEPS}"
        )
    return Budget(num_steps, num_examples, batch_size, train.num_ids)


def eval_every(experiment, budget):
    """Returns the steps between two evaluations.

    By default there are twenty in a run, but no more than one an epoch; 0
    where the method's stages say when.

    Args:
        experiment: an `experiment.Experiment`.
        budget: its `Budget`.
    """
    if experiment.eval_every or experiment.most_steps:
        return experiment.eval_every
    epoch = -(-budget.num_examples // budget.batch_size)
    return max(budget.num_steps // 20, epoch)
