#!/usr/bin/env python3
r"""Exports a trained network for TensorFlow Serving.

    bin/export_savedmodel.py --run_dir=runs/demo/mentormix \
        --export_dir=models/digits

The network that the run is judged by is written with its preprocessing,
loaded again and compared on test images, and only then gets the next free
version number: models/digits/1.  Beside models/digits are the server's
models.config, batching.config and monitoring.config.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy import choices, errors
from tfnoisy.cli import command_line, flag_groups, plugin_flag, shared_flags

with epy.lazy_imports():
    from tfnoisy.serving.export import export

with flag_groups.group("Model"):
    shared_flags.define("run_dir", group="Model")
    flags.DEFINE_string(
        "export_dir",
        "",
        "The model's folder, such as models/NAME; NAME is what a server calls "
        "it.",
    )
    flags.DEFINE_enum(
        "checkpoint",
        None,
        ["best", "last"],
        "best: the checkpoint that --holdout selected. last: that of the last "
        "step. If not given, best where there is one.",
    )
    flags.DEFINE_integer(
        "top_k",
        None,
        "Number of classes in an answer; if not given 5, or all where there "
        "are fewer.",
        1,
    )
    flags.DEFINE_list(
        "format",
        None,
        "savedmodel, or savedmodel,tflite for a LiteRT file beside it; if not "
        "given, what --quantize asks for.",
    )
    flags.DEFINE_enum(
        "quantize",
        "none",
        choices.QUANTISATIONS,
        "Numbers of the LiteRT file: none is float32; float16 halves the "
        "weights; int8 makes weights and activations 8-bit integers, "
        "calibrated on training images. The SavedModel stays in float32.",
    )
with flag_groups.group("Check"):
    flags.DEFINE_float(
        "max_accuracy_drop",
        0.01,
        "Refuse to export a model whose accuracy is lower than the trained "
        "network's by more than this, 0 to 1.",
        0.0,
        1.0,
    )
    flags.DEFINE_integer(
        "num_test_images",
        1000,
        "Test images to judge it by; 0 takes all.",
        0,
    )
shared_flags.define("plugin")
shared_flags.define(
    "data_dir",
    "labels_csv",
    group="Data, where they have moved since the training",
)

FLAGS = flags.FLAGS


def wants_tflite():
    """Returns whether the flags ask for a LiteRT file.

    Raises:
        UserError: if they contradict each other.
    """
    formats = {name.strip() for name in FLAGS.format or ["savedmodel"]}
    if not {"savedmodel"} <= formats <= {"savedmodel", "tflite"}:
        raise errors.UserError(
            f"--format={','.join(FLAGS.format)}: savedmodel, which a server "
            "loads, or savedmodel,tflite"
        )
    quantised = FLAGS.quantize != "none"
    if quantised and FLAGS.format and "tflite" not in formats:
        raise errors.UserError(
            f"--quantize={FLAGS.quantize} is of the LiteRT file: say "
            "--format=savedmodel,tflite"
        )
    return quantised or "tflite" in formats


def main(_):
    """Exports."""
    for name in ("run_dir", "export_dir"):
        if not FLAGS[name].value:
            raise errors.UserError(f"--{name} is missing")
    version, report = export.export(
        export.Options(
            run_dir=FLAGS.run_dir,
            export_dir=FLAGS.export_dir,
            checkpoint=FLAGS.checkpoint,
            top_k=FLAGS.top_k,
            tflite=wants_tflite(),
            quantize=FLAGS.quantize,
            max_accuracy_drop=FLAGS.max_accuracy_drop,
            num_test_images=FLAGS.num_test_images,
            overrides={
                name: FLAGS[name].value
                for name in ("data_dir", "labels_csv")
                if FLAGS[name].present
            }
            | plugin_flag.overrides(),
        )
    )
    print(
        f"{version}: {report['checkpoint']} checkpoint, step {report['step']}, "
        f"{report['weights']} weights; on {report['test']['images']} test "
        f"images the trained network has accuracy "
        f"{report['test']['accuracy']:.4f}"
    )
    for name in ("savedmodel", "tflite"):
        if name in report:
            print(
                f"  {name:<10} accuracy {report[name]['accuracy']:.4f}, "
                "probabilities within "
                f"{report[name]['max_probability_difference']:.1e}, "
                f"{report[name]['bytes']:,} bytes"
            )


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
