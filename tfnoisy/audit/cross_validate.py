"""Out-of-sample predictions: each fold by a network trained on the others.

What an audit of labels needs where no robust method has been trained: a plain
network that has not seen a label cannot have memorised it.
"""

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets import pipeline
from tfnoisy.methods import baseline
from tfnoisy.nets import precision, registry
from tfnoisy.runs import data as run_data
from tfnoisy.runs import folder as run_folder
from tfnoisy.runs import lock
from tfnoisy.training import (
    distribution,
    evaluation,
    loop,
    loss_scale,
    restart_schedules,
)


def folds_of(dataset, folds, seed):
    """Returns each row's fold, int64 [N], at random, in equal folds.

    Args:
        dataset: an `ImageDataset`.
        folds: how many, from 2 to N.
        seed: the run's seed.

    Raises:
        UserError: for any other number of folds.
    """
    if not 2 <= folds <= len(dataset):
        raise errors.UserError(
            f"--folds={folds} of {len(dataset)} examples: at least 2, at most "
            "one for each example"
        )
    fold = np.empty(len(dataset), np.int64)
    fold[run_data.by_lot(dataset, "holdout", seed)] = (
        np.arange(len(dataset)) % folds
    )
    return fold


def pred_probs(
    dataset,
    augmentation,
    folder,
    *,
    studentnet,
    folds=5,
    num_epochs=20.0,
    batch_size=128,
    learning_rate=0.05,
    weight_decay=5e-4,
    mixed_precision="none",
    seed=0,
):
    """Trains a network for each fold and predicts the fold by it.

    A fold that was interrupted goes on, one that is finished is not trained
    again.  The learning rate falls to 0 along one cosine.

    Args:
        dataset: an `ImageDataset`.
        augmentation: a `standard.Augmentation`.
        folder: a path; a run folder for each fold is made in it.
        studentnet: a name of `nets.registry`.
        folds: how many.
        num_epochs: passes over the other folds.
        batch_size: examples per step.
        learning_rate: the first one.
        weight_decay: of the kernels.
        mixed_precision: one of `nets.precision.NAMES`; predictions are in
            float32.
        seed: of folds, weights, order and views.

    Returns:
        Probabilities float32 [N, C], a row for each of the data set's.

    Raises:
        UserError: for too many or too few folds, and where another process
            trains in the folder.
        TrainingError: if training cannot go on.
    """
    fold = folds_of(dataset, folds, seed)
    strategy = distribution.make_strategy("one_device")
    momentum = loss_scale.momentum_for(mixed_precision)
    found = np.empty([len(dataset), dataset.num_classes], np.float32)
    with lock.Lock(folder, "--output_dir") as held:
        held.acquire()
        for number in range(folds):
            path = run_folder.RunFolder(folder / f"fold-{number}")
            student = registry.build(
                studentnet,
                dataset.num_classes,
                augmentation.view_shape,
                dtype=precision.policy(mixed_precision),
                seed=seed + number,
            )
            method = baseline.Baseline(
                student, weight_decay=weight_decay, seed=seed
            )
            rest, left_out = (
                dataset.take(fold != number),
                dataset.take(fold == number),
            )
            steps = max(1, run_data.steps_of(num_epochs, len(rest), batch_size))
            rate = restart_schedules.cosine_one(learning_rate, steps)
            method.compile(momentum(rate, 0.9))
            loop.Loop(
                method,
                pipeline.TrainingData(
                    rest, augmentation, min(batch_size, len(rest)), seed
                ),
                path,
                strategy,
                num_steps=steps,
                eval_every=0,
                evaluators={
                    f"fold {number + 1} of {folds}": evaluation.Evaluator(
                        method, left_out, augmentation, 250, strategy
                    )
                },
            ).run()
            logits = evaluation.predict_logits(method, left_out, augmentation)
            found[fold == number] = tf.nn.softmax(logits).numpy()
    return found
