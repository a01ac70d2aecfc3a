"""The features of which a data-driven MentorNet is trained."""

import tensorflow as tf

from tfnoisy import errors, output_file
from tfnoisy.mentor import weighting
from tfnoisy.runs import data as run_data
from tfnoisy.runs import flag_values
from tfnoisy.training import evaluation


def write(evaluator, path):
    """Writes the features of a run's training examples as a CSV file.

    One line per example, one cell: id, percentage of the training, given
    label, clean label and loss (6 decimals), space separated.

    Args:
        evaluator: an `evaluate_run.RunEvaluator` of the training split, with
            a checkpoint restored.
        path: of the CSV file.

    Raises:
        UserError: if the clean labels are not known.
    """
    data = evaluator.dataset
    if data.clean_labels is None:
        raise errors.UserError(
            f"--output_csv_file: the clean labels of {data.name} are not known"
        )
    logits = evaluation.predict_logits(
        evaluator.method, data, evaluator.augmentation
    )
    losses = cross_entropies(logits, data.given_labels)
    # Checkpoints are numbered by their step, the last one by T.
    percentage = int(
        weighting.training_percentage(
            evaluator.method.step, num_steps(evaluator)
        )
    )
    rows = zip(data.ids, data.given_labels, data.clean_labels, losses)
    lines = [
        f"{example} {percentage} {given} {clean} {loss:.6f}\n"
        for example, given, clean, loss in rows
    ]
    output_file.write(path, "".join(lines))


def num_steps(evaluator):
    """Returns T, from the results of a finished run or from its flags."""
    results = evaluator.folder.read_results()
    if results:
        return results["steps"]
    recorded = evaluator.recorded
    epochs = flag_values.get(recorded, "num_epochs", 0.0)
    if epochs:
        batch_size = flag_values.get(recorded, "batch_size", 1)
        return run_data.steps_of(epochs, len(evaluator.dataset), batch_size)
    return flag_values.get(recorded, "max_number_of_steps", 0)


def cross_entropies(logits, labels):
    """Returns the cross-entropy of each label, float32 [N], in nats."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels, logits
    ).numpy()
