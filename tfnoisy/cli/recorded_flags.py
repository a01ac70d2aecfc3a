"""What a run folder keeps of a trainer's flags."""

import pathlib
import sys

from absl import flags

from tfnoisy import plugins

FLAGS = flags.FLAGS

# Recorded as absolute paths: a run may be looked at from anywhere.
_PATHS = (
    "corrections",
    "data_dir",
    "labels_csv",
    "noise_manifest",
    "pretrained",
    "probe_csv",
    "probe_dir",
    "trained_mentornet_dir",
    "train_log_dir",
)

# Not recorded at their defaults: a run from before they were there goes on.
_SINCE = (
    "auto_choice",
    "corrections",
    "data_on_device",
    "jit_compile",
    "label_smoothing",
    "min_class_images",
    "mixed_precision",
    "on_nonfinite",
    "plugin",
    "probe_split",
    "imbalance",
    "skip_broken",
    "steps_per_execution",
    "test_share",
)

# Flags of this start of the run, not of the run.
_OF_THIS_START = {
    "checkpoint_path",
    "dataset",
    "device_id",
    "l2_weight_decay",
    "mode",
    "overwrite",
    "restore_step",
    "use_ema",
    "use_imagenet_as_eval",
}


def recorded(but):
    """Returns {name: text} of this script's flags, for the run folder.

    Args:
        but: names to leave out.
    """
    texts = {}
    for flag in of_script():
        if flag.name in {*but, *_OF_THIS_START}:
            continue
        if flag.name in _SINCE and flag.value == flag.default:
            continue
        if flag.value is not None:
            texts[flag.name] = _text(flag.value)
    # Either a path or this word.
    paths = set(_PATHS)
    if texts.get("pretrained") == "imagenet":
        paths.remove("pretrained")
    for name in paths:
        if texts.get(name):
            path = pathlib.Path(texts[name]).expanduser()
            texts[name] = str(path.absolute())
    return dict(sorted(texts.items()))


def of_script():
    """Yields this script's flags: its own, those shared, and plugins'."""
    for module, defined in FLAGS.flags_by_module_dict().items():
        if (
            module == sys.argv[0]
            or module.startswith(("tfnoisy.bin", "tfnoisy.cli"))
            or plugins.has_module(module)
        ):
            yield from defined


def _text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(word).strip() for word in value)
    return str(value)
