#!/usr/bin/env python3
r"""Generates rows for a MentorNet, trains it on them and draws it.

The three scripts of google/mentornet's training_mentornet/ in one.  Their
command lines run as they are, since the flags say what to do:

    # data_generator: writes tr.npz and ts.npz to --outdir
    bin/fit_mentor.py --outdir=runs/pd/data --vstar_fn=vstar_mentornet_pd
    # data_generator, data-driven: a folder in --outdir for each percentile
    bin/fit_mentor.py --outdir=runs/dd/data --vstar_fn=data_driven \
        --input_csv_filename=features.csv
    # train: writes mentornet.npz, metrics.jsonl, results.json to --train_dir
    bin/fit_mentor.py --data_path=runs/pd/data --train_dir=runs/pd/model
    # visualizer: mentornet.png and mentornet.gif in --outdir or --model_dir
    bin/fit_mentor.py --model_dir=runs/pd/model

    # All of it; this one makes the mentornet_pd that ships.
    bin/fit_mentor.py --action=all --vstar_fn=vstar_mentornet_pd_80 \
        --recipe=shipped --seed=5 --outdir=runs/pd/data \
        --train_dir=runs/pd/model
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import dataclasses
import pathlib
import sys

from absl import flags
from etils import epy

from tfnoisy import choices, errors, output_file
from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.mentor import curricula
    from tfnoisy.mentor import fit as mentor_fit
    from tfnoisy.mentor import network as mentor_network
    from tfnoisy.mentor import plot as mentor_plot

FLAGS = flags.FLAGS

with flag_groups.group("What to do"):
    flags.DEFINE_enum(
        "action",
        None,
        ["generate", "train", "visualize", "all"],
        "generate rows, train on them, draw the network, or all three. If not "
        "given: visualize with --model_dir, train with --data_path, generate "
        "with --vstar_fn.",
    )
    flags.DEFINE_integer(
        "seed", 0, "Seed of the rows, the initial weights and the order."
    )
with flag_groups.group("Rows (generate)"):
    flags.DEFINE_string(
        "outdir", "", "The folder for the rows, or for the pictures."
    )
    flags.DEFINE_string(
        "vstar_fn",
        "",
        "The target function: data_driven, which needs "
        "--input_csv_filename, or one of "
        f"{', '.join(f'vstar_{name}' for name in choices.CURRICULA)}.",
    )
    flags.DEFINE_integer(
        "sample_size",
        100_000,
        "Rows to take from the grid of all inputs.",
        1,
        100_000_000,
    )
    flags.DEFINE_string(
        "input_csv_filename",
        "",
        "data_driven: a file of lines `sample_id epoch_percent noisy_label "
        "clean_label loss`, as cifar_eval --output_csv_file writes it.",
    )
with flag_groups.group("Training (train)"):
    flags.DEFINE_string(
        "data_path", "", "The folder with the rows, tr.npz and ts.npz."
    )
    flags.DEFINE_string(
        "train_dir", "", "The folder for the trained MentorNet."
    )
    flags.DEFINE_enum(
        "recipe",
        "public",
        choices.MENTOR_RECIPES,
        "How it is trained. public: as the published code does. shipped: as "
        "the published checkpoint was, which is steadier and far more exact.",
    )
    flags.DEFINE_integer(
        "mini_batch_size",
        None,
        "Rows in one step; the recipe's 32 if not given.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "max_step_train",
        None,
        "Length of the training in steps; if not given the recipe's: public "
        "3e4, shipped 7.5e4.",
        lower_bound=1,
        upper_bound=1e9,
    )
    flags.DEFINE_float(
        "learning_rate",
        None,
        "Learning rate at the first step; if not given the recipe's: public "
        "0.1, shipped 0.01.",
        lower_bound=0.0,
    )
shared_flags.define("overwrite", group="Training (train)")
with flag_groups.group("Pictures (visualize)"):
    flags.DEFINE_string(
        "model_dir", "", "The MentorNet to draw: a folder or a file."
    )
    flags.DEFINE_float(
        "loss_bound", 15, "Largest loss, and loss difference, that is drawn."
    )
    flags.DEFINE_list(
        "epoch_ranges",
        "0,10,20,30,40,50,60,70,80,90,99",
        "Moments of the training to draw, in percent of its length.",
    )
shared_flags.define_ignored(
    "vstar_gamma",
    default="",
    reason="as in the original: gamma is 2 for focal_loss and 1 for the others",
)


def main(argv):
    """Does what the flags say."""
    del argv
    command_line.warn_of_ignored_flags()
    action = FLAGS.action or _implied_action()
    for folder in ("outdir", "train_dir"):
        output_file.check_folder(FLAGS[folder].value, f"--{folder}")
    if action == "generate":
        _generate(_needed("outdir", action))
    elif action == "train":
        _train(_needed("data_path", action), _needed("train_dir", action))
    elif action == "visualize":
        model = pathlib.Path(_needed("model_dir", action))
        beside = model if model.is_dir() else model.parent
        _visualize(model, FLAGS.outdir or beside)
    else:
        data, model = _needed("outdir", action), _needed("train_dir", action)
        if FLAGS.vstar_fn == "data_driven":
            raise errors.UserError(
                "--action=all makes one MentorNet and data_driven several "
                "sets of rows: generate, then train on one of them"
            )
        _epochs()
        mentor_fit.refuse_finished(model, FLAGS.overwrite)
        _generate(data)
        _train(data, model)
        _visualize(model, model)


def _implied_action():
    actions = {
        "visualize": FLAGS.model_dir,
        "train": FLAGS.data_path,
        "generate": FLAGS.vstar_fn,
    }
    implied = [action for action, value in actions.items() if value]
    if len(implied) != 1:
        raise errors.UserError(
            "give --action, or just one of --vstar_fn (generate), "
            "--data_path (train) and --model_dir (visualize)"
        )
    return implied[0]


def _needed(name, action):
    if not FLAGS[name].value:
        raise errors.UserError(f"--action={action} needs --{name}")
    return FLAGS[name].value


def _generate(outdir):
    name = _needed("vstar_fn", "generate")
    if name == "data_driven":
        source = pathlib.Path(_needed("input_csv_filename", "generate"))
        for percentile in curricula.PERCENTILES:
            rows = curricula.data_driven(source, percentile, FLAGS.seed)
            folder = f"{source.stem}_percentile_{percentile}"
            _save_rows(pathlib.Path(outdir) / folder, *rows)
        return
    rows = curricula.generate(
        curricula.by_name(name), FLAGS.sample_size, FLAGS.seed
    )
    _save_rows(outdir, *rows)


def _save_rows(folder, train, test):
    curricula.save_rows(folder, train, test)
    print(
        f"{folder}: {len(train.targets)} rows to train on, "
        f"{len(test.targets)} to test"
    )


def _train(data_path, train_dir):
    given = {
        "batch_size": FLAGS.mini_batch_size,
        "steps": FLAGS.max_step_train and int(FLAGS.max_step_train),
        "learning_rate": FLAGS.learning_rate,
    }
    recipe = dataclasses.replace(
        mentor_fit.RECIPES[FLAGS.recipe],
        **{name: value for name, value in given.items() if value is not None},
    )
    results = mentor_fit.fit_to_folder(
        data_path, train_dir, recipe, FLAGS.seed, FLAGS.overwrite, _report
    )
    (pathlib.Path(train_dir) / "run.flags").write_text(_flag_file())
    print(
        f"{train_dir}: {results['step']} steps in {results['seconds']} s, "
        f"mean squared error {results['test_mse']:.3g} on "
        f"{results['num_test']} rows held out"
    )
    if results["saturated"]:
        print(
            "this network has learnt nothing: try another --seed or a lower "
            "--learning_rate, or --recipe=shipped",
            file=sys.stderr,
        )


def _report(record):
    print(
        f"step {record['step']}: train loss {record['train_loss']:.3g}, "
        f"test loss {record['test_loss']:.3g}",
        flush=True,
    )


def _flag_file():
    """Returns a flag file that repeats this run."""
    given = [
        FLAGS[name].serialize()
        for _, names in flag_groups.groups()
        for name in names
        if FLAGS[name].present
    ]
    return "\n".join(given) + "\n"


def _visualize(model, folder):
    epochs = _epochs()
    net = mentor_network.load(model)
    for path in mentor_plot.plot(net, epochs, folder, FLAGS.loss_bound):
        print(path)


def _epochs():
    try:
        return [int(epoch) for epoch in FLAGS.epoch_ranges]
    except ValueError:
        raise errors.UserError(
            f"--epoch_ranges is {','.join(FLAGS.epoch_ranges)}: give "
            "percentages, e.g. 0,50,99"
        ) from None


def run():
    """Entry point of the console script."""
    command_line.run(main)


if __name__ == "__main__":
    run()
