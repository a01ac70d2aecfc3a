"""`bin/train.py --method=auto`: chooses a method and becomes its trainer.

The rule is `audit.choose_method`.  The method is trained as in a comparison
(`comparison.recipes`).  What was chosen, and why, is the flag --auto_choice of
the run: the same command finds it there and goes on.
"""

import math
import os
import sys

from absl import flags
from etils import epy

from tfnoisy import errors, registry
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.cli import recorded_flags

with epy.lazy_imports():
    from tfnoisy.audit import choose_method, from_features
    from tfnoisy.audit.features import compute
    from tfnoisy.comparison import protocol as protocol_lib
    from tfnoisy.runs import data as run_data
    from tfnoisy.runs import folder as run_folder
    from tfnoisy.training import experiment

FLAGS = flags.FLAGS

NAME = "auto"

# Such images tell by their pixels; networks for photographs make less of them.
_TINY = 16
_FEATURES = "efficientnet_lite0"

# What the chosen trainer is told in any case.
_ALWAYS = (
    "dataset_name",
    "noise",
    "noise_seed",
    "studentnet",
    "augment",
    "seed",
)
# And what it is told in other words, or not at all.
_NEVER = ("auto_choice", "method", "num_epochs", "train_log_dir")


def start(scripts):
    """Chooses a method, says why, and becomes its trainer; never returns.

    Args:
        scripts: the folder of the trainers, a path.

    Raises:
        UserError: for what the user can put right; nothing is written.
    """
    _check()
    path = FLAGS.train_log_dir or experiment.default_folder(
        NAME, FLAGS.dataset_name, FLAGS.noise, FLAGS.seed
    )
    folder = run_folder.RunFolder(path)
    folder.check_usable()
    choice = recorded(folder) or examined()
    script, *words = command(choice, path)
    print(f"--method={NAME} chooses {choice}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, str(scripts / script), *words])


def _check():
    if FLAGS.max_number_of_steps or not FLAGS.num_epochs:
        raise errors.UserError(
            f"--method={NAME} counts in epochs, which all methods have: give "
            "--num_epochs in place of --max_number_of_steps"
        )
    if FLAGS["lr_schedule"].present:
        raise errors.UserError(
            f"--method={NAME} has each method's own schedule; --lr_drops "
            "replaces it, --lr_schedule goes with a method that you name"
        )


def recorded(folder):
    """Returns the `Choice` that a run was begun with, None for a new run.

    Args:
        folder: a `runs.folder.RunFolder`.

    Raises:
        UserError: if its flags are damaged.
    """
    values = None if FLAGS.overwrite else folder.read_flags()
    if not values or "auto_choice" not in values:
        return None
    try:
        return choose_method.Choice.parse(values["auto_choice"])
    except ValueError:
        raise folder.damaged(folder.flags) from None


def examined():
    """Returns the `Choice` for the training data that the flags name.

    Of the part that is trained on: neither test images nor those held out are
    looked at.
    """
    names = run_data.DataOptions.__dataclass_fields__
    data = run_data.load(
        run_data.DataOptions(**{n: FLAGS[n].value for n in names if n in FLAGS})
    ).train
    data = data.take(choose_method.rows(len(data)))
    if max(data.images.shape[1:3]) < _TINY:
        values = data.images[:].reshape(len(data), -1)
    else:
        values = compute.of(data, _FEATURES).values
    found, _ = from_features.find(data, values)
    return choose_method.choose(choose_method.examine(found))


def command(choice, path):
    """Returns the chosen trainer's command line: its file in bin/, and words.

    Of a flag that comes twice the later one counts: the user's, which follow
    the method's own.

    Args:
        choice: a `choose_method.Choice`.
        path: the run folder.
    """
    entry = catalogue.METHODS[choice.method]
    protocol = protocol_lib.Protocol(
        # No recipe of a candidate asks what was done to the labels.
        FLAGS.dataset_name,
        "none",
        math.ceil(FLAGS.num_epochs),
    )
    given = [
        flag.serialize()
        for flag in recorded_flags.of_script()
        if flag.present and flag.name not in {*_ALWAYS, *_NEVER}
    ]
    epochs = FLAGS.num_epochs - entry.last_epoch
    return [
        entry.script,
        *(f"--{name}={FLAGS[name].value}" for name in _ALWAYS),
        *([f"--method={entry.name}"] if entry.has_general_trainer else []),
        *registry.resolve(entry.recipe)(protocol),
        *given,
        f"--num_epochs={epochs:g}",
        f"--auto_choice={choice}",
        f"--train_log_dir={path}",
    ]
