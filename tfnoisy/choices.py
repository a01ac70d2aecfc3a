"""Names that flags and functions take, listed without importing TensorFlow.

`--help` shows them in a fraction of a second.  The modules that act on a name
take its list from here.  What a plugin can add to is in `tfnoisy.catalogue`.
"""

# Largest size in MiB of a split's pixels that is held in memory.
CACHE_MIB = 4096

# What networks compute in, see `nets.precision`.
PRECISIONS = ("none", "float16", "bfloat16")

# Which devices a run uses, see `training.distribution`.
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker")

# What to do with a step whose loss or weights are not finite, see
# `training.loop`.
ON_NONFINITE = ("stop", "skip")

# Whether the training images lie on the device, see `training.on_device`.
DATA_ON_DEVICE = ("auto", "yes", "no")

# Label scores of predicted probabilities, see `audit.scores`.
LABEL_SCORES = (
    "self_confidence",
    "normalized_margin",
    "confidence_weighted_entropy",
)

# Which labels are checked first, see `audit.checklist`.
CHECK_ORDERS = ("wrongness", "entropy")

# Heads on a frozen network, see `audit.frozen_head`.
HEADS = ("ridge", "ridge_given", "logistic")

# Types of a LiteRT file's numbers, see `serving.export.lite`.
QUANTISATIONS = ("none", "float16", "int8")

# Target functions of a MentorNet, see `mentor.curricula`.
CURRICULA = (
    "baseline",
    "self_paced",
    "hard_example_mining",
    "focal_loss",
    "spcl_linear",
    "mentornet_pd",
    "mentornet_pd_80",
)

# How a MentorNet is trained, see `mentor.fit`.
MENTOR_RECIPES = ("public", "shipped")

# The forms of a prediction, see `serving.client.answer_formats`.
ANSWER_FORMATS = ("csv", "jsonl", "table")
