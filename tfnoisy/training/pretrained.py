"""What the networks of a run begin with: `--pretrained`."""

import pathlib

import tensorflow as tf

from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.nets import applications, bodies, registry
from tfnoisy.runs import checkpoint_files
from tfnoisy.runs import folder as run_folder

_KEY = "student/{}/.ATTRIBUTES/VARIABLE_VALUE"


def of(experiment, folder, augmentation):
    """Returns the weights to begin with, or None.

    A run that goes on takes those of its checkpoint, and does not look for
    these.

    Args:
        experiment: an `experiment.Experiment`.
        folder: its `runs.folder.RunFolder`.
        augmentation: its `augment.standard.Augmentation`.

    Returns:
        A `bodies.Body` or an `applications.Pretrained`, for `registry.build`.

    Raises:
        UserError: if there are none, or they are for other views.
    """
    source = experiment.pretrained
    goes_on = checkpoint_files.newest_first(folder.checkpoints)
    if not source or (goes_on and not experiment.overwrite):
        return None
    path = pathlib.Path(source).expanduser()
    if path.is_dir():
        return of_run(source, folder, augmentation)
    takes_published = registry.takes_published(experiment.studentnet)
    if not bodies.is_file(path) and (takes_published or source == "imagenet"):
        return _published(source, augmentation)
    return bodies.of_file(source)


def of_run(source, folder, augmentation):
    """Returns the body that another run has trained.

    Args:
        source: its run folder, as the user names it.
        folder: the `runs.folder.RunFolder` of the run that begins.
        augmentation: its `augment.standard.Augmentation`.

    Returns:
        A `bodies.Body`: the trained weights, not their moving averages.

    Raises:
        UserError: if it is no finished run of one network, or had other views.
    """
    option = f"--pretrained={source}"
    run = run_folder.RunFolder(source)
    flags = run.read_flags()
    if flags is None:
        raise errors.UserError(
            f"{option} is no run folder of tfnoisy (it has no flags.flags)"
        )
    if run.path.resolve() == folder.path.resolve():
        raise errors.UserError(
            f"{option} is the folder of this run: choose another "
            "--train_log_dir"
        )
    results = run.read_results()
    if results is None:
        raise errors.UserError(
            f"{option} has not ended: the command that began it goes on"
        )
    if run.networks() != 1:
        raise errors.UserError(
            f"{option} trained {run.networks()} networks together: a run of "
            "one is wanted"
        )
    _check_views(option, flags, results, augmentation)
    checkpoint, _ = checkpoint_files.newest_good(run.checkpoints)
    if checkpoint is None:
        raise errors.UserError(f"{option} has no checkpoint that can be read")
    reader = tf.train.load_checkpoint(checkpoint)
    count = sum(
        name.startswith("student/")
        for name in reader.get_variable_to_shape_map()
    )
    values = [reader.get_tensor(_KEY.format(k)) for k in range(count)]
    return bodies.of_values(source, flags.get("studentnet"), values)


def _check_views(option, flags, results, augmentation):
    """Refuses a body that has seen other numbers, or images of another size."""
    shape = list(augmentation.view_shape)
    before = results.get("view_shape", shape)
    if before != shape:
        raise errors.UserError(
            f"{option} was trained on views of {_times(before)}, this run has "
            f"{_times(shape)}"
        )
    name = flags.get("augment", "standard")
    if name == augmentation.name:
        return
    if standard.get(name, tuple(shape)).statistics != augmentation.statistics:
        raise errors.UserError(
            f"{option} was trained on pixels normalised as by --augment={name},"
            f" this run has --augment={augmentation.name}: give both the same"
        )


def _times(shape):
    return "x".join(map(str, shape))


def _published(source, augmentation):
    """Returns published weights, which any view with statistics can take."""
    if augmentation.statistics is None:
        raise errors.UserError(
            f"--pretrained={source} does not go with --augment="
            f"{augmentation.name}, which standardises each image by itself"
        )
    return applications.Pretrained(source, *augmentation.statistics)
