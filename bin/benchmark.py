#!/usr/bin/env python3
"""Measures tfnoisy on this machine: --suite=step or --suite=input.

A JSON line per measurement.
"""

import json

from absl import flags

from tfnoisy.bin import common
from tfnoisy.training import benchmark

flags.DEFINE_enum("suite", "step", ["step", "input"], "What to measure.")
flags.DEFINE_multi_enum(
    "method", ["mentormix"], sorted(benchmark.STEPS), "step: which methods."
)
flags.DEFINE_string("studentnet", "cifar_resnet32", "step: the network.")
flags.DEFINE_integer("batch_size", 128, "Examples per batch.", 1)
flags.DEFINE_integer("repeats", 20, "step: interleaved repeats.", 1)
flags.DEFINE_list(
    "augment",
    ["standard", "mentornet", "mentormix"],
    "input: which augmentations.",
)

FLAGS = flags.FLAGS


def main(_):
    """Measures and prints."""
    if FLAGS.suite == "step":
        for method in FLAGS.method:
            result = benchmark.step_suite(
                method, FLAGS.studentnet, FLAGS.batch_size, FLAGS.repeats
            )
            print(json.dumps({"suite": "step", **result}), flush=True)
    else:
        for augment in FLAGS.augment:
            result = benchmark.input_suite(augment, batch_size=FLAGS.batch_size)
            print(json.dumps({"suite": "input", **result}), flush=True)


def run():
    """Is the command's entry point."""
    common.run(main)


if __name__ == "__main__":
    run()
