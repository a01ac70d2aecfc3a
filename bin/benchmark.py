#!/usr/bin/env python3
"""Measures how fast tfnoisy is on this machine.

    bin/benchmark.py --suite=step --method=mentormix --method=dividemix
    bin/benchmark.py --suite=start

It prints a line of JSON for each measurement and writes nothing.
TF_NUM_INTRAOP_THREADS and TF_NUM_INTEROP_THREADS in the environment set
TensorFlow's threads.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import functools
import json
import pathlib

from absl import flags
from etils import epy

from tfnoisy.catalogue import methods as catalogue
from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.benchmarks import bookkeeping as bookkeeping_suite
    from tfnoisy.benchmarks import checking
    from tfnoisy.benchmarks import coverage as coverage_suite
    from tfnoisy.benchmarks import gpu as gpu_suite
    from tfnoisy.benchmarks import input as input_suite
    from tfnoisy.benchmarks import label_audit as audit_suite
    from tfnoisy.benchmarks import peer_step as peer_suite
    from tfnoisy.benchmarks import scaling as scaling_suite
    from tfnoisy.benchmarks import serving as benchmark_serving
    from tfnoisy.benchmarks import start as start_suite
    from tfnoisy.benchmarks import step as step_suite
    from tfnoisy.benchmarks import streaming as streaming_suite

with flag_groups.group("What to measure"):
    flags.DEFINE_enum(
        "suite",
        "step",
        [
            "step",
            "input",
            "streaming",
            "bookkeeping",
            "scaling",
            "serving",
            "start",
            "audit",
            "coverage",
            "checking",
            "gpu",
            "peer",
        ],
        "step: a training step of a method beside the passes it cannot avoid. "
        "input: augmented views. streaming: reading images from disk. "
        "bookkeeping: what is remembered of the examples. scaling: a step on "
        "several replicas. serving: an exported model. start: from the command "
        "to --help, and to the first training step. audit: wrong labels found "
        "by features, on CIFAR-10N. checking: what a person's checks are worth "
        "there. gpu: a step in every precision, with and without XLA, several "
        "steps a call and determinism, on a GPU or whatever there is. peer: a "
        "plain step beside PyTorch's on a CPU, where that is installed.",
    )
    flags.DEFINE_integer(
        "repeats",
        None,
        "Repetitions; if not given 20 for step and scaling, 100 for serving, "
        "10 for peer, 3 for start.",
        1,
        1_000_000,
    )
    flags.DEFINE_integer(
        "batch_size",
        None,
        "Examples in one batch; if not given 128, but for steps of ieg and l2r "
        "100, of dividemix 64, and for scaling 32 on each replica.",
        1,
        65_536,
    )
with flag_groups.group("step and scaling"):
    flags.DEFINE_multi_string("method", ["mentormix"], "The methods.")
    flag_groups.offer("method", catalogue.METHODS.names)
    flags.DEFINE_string(
        "studentnet",
        None,
        "The network; if not given cifar_resnet32, but resnet29 for steps of "
        "ieg and l2r, and cifar_resnet20 for scaling and serving.",
    )
shared_flags.define("mixed_precision", "jit_compile", group="step and scaling")
shared_flags.define("plugin")
with flag_groups.group("gpu"):
    flags.DEFINE_boolean(
        "deterministic",
        None,
        "Deterministic kernels, or not; both, one after the other, if not "
        "given. So it is with --mixed_precision, --jit_compile and "
        "--steps_per_execution.",
    )
    flags.DEFINE_integer(
        "steps_per_execution",
        None,
        "Steps in one call of TensorFlow; 1 and 50 if not given.",
        1,
        10_000,
    )
with flag_groups.group("audit"):
    flags.DEFINE_list(
        "runs",
        [],
        "Run folders: how well the evidence of each finds the wrong labels of "
        "its data, in place of the table of features.",
    )
with flag_groups.group("Other suites"):
    flags.DEFINE_list(
        "augment",
        ["standard", "mentornet", "mentormix"],
        "input: the views. A policy for CIFAR (autoaugment_ieg, "
        "randaugment_ieg, randaugment:N:M, ...) is compared with Pillow's "
        "code; standard and randaugment:N:M with the views of torchvision, "
        "albumentations and Keras that are installed.",
    )
    flags.DEFINE_integer(
        "image_size",
        32,
        "input: height and width of the images in pixels; Pillow's code is "
        "for 32.",
        8,
        1024,
    )
    flags.DEFINE_integer(
        "num_examples",
        None,
        "bookkeeping: examples that are remembered, if not given 2,400,000. "
        "streaming: images that are read, if not given 2,000.",
        1,
        100_000_000,
    )
    flags.DEFINE_string(
        "model_dir",
        "",
        "serving: an exported model, models/NAME[/VERSION]; an untrained "
        "network if empty.",
    )

FLAGS = flags.FLAGS


def _ways():
    """Returns which ways the suite gpu takes: those that flags ask for."""
    asked = {
        "precisions": "mixed_precision",
        "jit": "jit_compile",
        "deterministic": "deterministic",
        "steps": "steps_per_execution",
    }
    return {
        name: (FLAGS[flag].value,)
        for name, flag in asked.items()
        if FLAGS[flag].present
    }


def main(_):
    """Measures and prints."""
    for method in FLAGS.method:
        catalogue.METHODS[method]
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
    elif FLAGS.suite == "gpu":
        for result in gpu_suite.gpu_suite(
            FLAGS.method,
            FLAGS.studentnet,
            FLAGS.batch_size,
            FLAGS.repeats or 3,
            **_ways(),
        ):
            print(json.dumps({"suite": "gpu", **result}), flush=True)
    elif FLAGS.suite == "peer":
        for result in peer_suite.peer_suite(
            FLAGS.batch_size or 128, FLAGS.repeats or 10
        ):
            print(json.dumps({"suite": "peer", **result}), flush=True)
    elif FLAGS.suite == "start":
        folder = pathlib.Path(__file__).resolve().parent
        for result in start_suite.start_suite(folder, FLAGS.repeats or 3):
            print(json.dumps({"suite": "start", **result}), flush=True)
    elif FLAGS.suite == "serving":
        for result in benchmark_serving.serving_suite(
            FLAGS.model_dir,
            FLAGS.studentnet or "cifar_resnet20",
            FLAGS.repeats or 100,
        ):
            print(json.dumps({"suite": "serving", **result}), flush=True)
    elif FLAGS.suite == "audit":
        rows = audit_suite.label_audit_suite
        if FLAGS.runs:
            rows = functools.partial(audit_suite.run_rows, FLAGS.runs)
        for result in rows():
            print(json.dumps({"suite": "audit", **result}), flush=True)
    elif FLAGS.suite == "checking":
        for result in checking.checking_suite():
            print(json.dumps({"suite": "checking", **result}), flush=True)
    elif FLAGS.suite == "coverage":
        found = coverage_suite.coverage_suite()
        print(json.dumps({"suite": "coverage", **found}), flush=True)
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
                augment,
                (FLAGS.image_size, FLAGS.image_size, 3),
                batch_size=FLAGS.batch_size or 128,
            )
            print(json.dumps({"suite": "input", **result}), flush=True)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
