#!/usr/bin/env python3
"""Measures tfnoisy on this machine: --suite=step, input, ...

A JSON line per measurement.  TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS
in the environment set TensorFlow's threads.
"""

import json

from absl import flags

from tfnoisy.cli import common  # First: it keeps TensorFlow quiet.

# isort: split
from tfnoisy.benchmarks import bookkeeping as bookkeeping_suite
from tfnoisy.benchmarks import input as input_suite
from tfnoisy.benchmarks import scaling as scaling_suite
from tfnoisy.benchmarks import serving as benchmark_serving
from tfnoisy.benchmarks import step as step_suite
from tfnoisy.benchmarks import step_passes
from tfnoisy.benchmarks import streaming as streaming_suite
from tfnoisy.nets import precision

flags.DEFINE_enum(
    "suite",
    "step",
    ["step", "input", "streaming", "bookkeeping", "scaling", "serving"],
    "What to measure.",
)
flags.DEFINE_multi_enum(
    "method",
    ["mentormix"],
    sorted(step_passes.STEPS),
    "step, scaling: of which.",
)
flags.DEFINE_string(
    "studentnet",
    None,
    "step: the network; resnet29 for ieg and l2r, else cifar_resnet32.  "
    "scaling: cifar_resnet20.  serving: the untrained one; cifar_resnet20.",
)
flags.DEFINE_integer(
    "batch_size",
    None,
    "Examples per batch; for a step of ieg and l2r 100, of dividemix 64, "
    "else 128; of scaling, per replica, 32.",
    1,
)
flags.DEFINE_enum(
    "mixed_precision", "none", precision.NAMES, "step: of the networks."
)
flags.DEFINE_boolean("jit_compile", False, "step: by XLA.")
flags.DEFINE_integer(
    "repeats",
    None,
    "Repeats; of a step, also of scaling, 20, of serving 100.",
    1,
)
flags.DEFINE_string(
    "model_dir",
    "",
    "serving: models/NAME[/VERSION]; an untrained network if empty.",
)
flags.DEFINE_list(
    "augment",
    ["standard", "mentornet", "mentormix"],
    "input: which augmentations; a policy for CIFAR (autoaugment_ieg, "
    "randaugment_ieg, randaugment:N:M, ...) is compared with Pillow's code.",
)
flags.DEFINE_integer(
    "num_examples",
    None,
    "bookkeeping: how many examples are remembered, 2,400,000.  streaming: "
    "how many images are read, 2,000.",
    1,
)

FLAGS = flags.FLAGS


def main(_):
    """Measures and prints."""
    if FLAGS.suite == "step":
        for method in FLAGS.method:
            result = step_suite.step_suite(
                method,
                FLAGS.studentnet,
                FLAGS.batch_size,
                FLAGS.repeats or 20,
                mixed_precision=FLAGS.mixed_precision,
                jit_compile=FLAGS.jit_compile,
            )
            print(json.dumps({"suite": "step", **result}), flush=True)
    elif FLAGS.suite == "scaling":
        for method in FLAGS.method:
            for result in scaling_suite.scaling_suite(
                method, FLAGS.studentnet, FLAGS.batch_size, FLAGS.repeats or 20
            ):
                print(json.dumps({"suite": "scaling", **result}), flush=True)
    elif FLAGS.suite == "serving":
        for result in benchmark_serving.serving_suite(
            FLAGS.model_dir,
            FLAGS.studentnet or "cifar_resnet20",
            FLAGS.repeats or 100,
        ):
            print(json.dumps({"suite": "serving", **result}), flush=True)
    elif FLAGS.suite == "bookkeeping":
        for result in bookkeeping_suite.bookkeeping_suite(
            FLAGS.num_examples or bookkeeping_suite.NUM_EXAMPLES
        ):
            print(json.dumps({"suite": "bookkeeping", **result}), flush=True)
    elif FLAGS.suite == "streaming":
        for result in streaming_suite.streaming_suite(
            FLAGS.num_examples or streaming_suite.NUM_IMAGES
        ):
            print(json.dumps({"suite": "streaming", **result}), flush=True)
    else:
        for augment in FLAGS.augment:
            result = input_suite.input_suite(
                augment, batch_size=FLAGS.batch_size or 128
            )
            print(json.dumps({"suite": "input", **result}), flush=True)


def run():
    """Is the command's entry point."""
    common.run(main)


if __name__ == "__main__":
    run()
