"""Robust image classifiers from noisy labels, in TensorFlow 2 and Keras.

    import tfnoisy

    digits = tfnoisy.load("digits", "train")
    noisy = tfnoisy.inject(digits, "symmetric:0.4", seed=1).apply(digits)
    view = tfnoisy.view("standard", image_shape=(8, 8, 1), mirror=False)
    student = tfnoisy.network("small_cnn", 10, image_shape=(8, 8, 1))
    model = tfnoisy.Baseline(student, mixup_alpha=2)
    model.compile(tfnoisy.TF1Momentum(0.05))
    batches = tfnoisy.training_batches(noisy, view, batch_size=128, seed=1)
    model.fit(batches, steps_per_epoch=100, epochs=6)

The names are loaded when they are used: `import tfnoisy` imports no TensorFlow.

On processors without AVX-512 or VNNI, TensorFlow is 1.6 to 1.9 times as fast
with TF_ENABLE_ONEDNN_OPTS=1 in the environment before it is imported.  The
scripts set it for themselves.
"""

from etils import epy

__version__ = "0.1.0"

with epy.lazy_api_imports(globals()):
    from tfnoisy import audit
    from tfnoisy.augment.standard import get as view
    from tfnoisy.augment.strong import get as strong_view
    from tfnoisy.datasets.load import load
    from tfnoisy.datasets.pipeline import evaluation_batches, training_batches
    from tfnoisy.mentor.network import default as default_mentor
    from tfnoisy.mentor.network import load as load_mentor
    from tfnoisy.methods.baseline import Baseline
    from tfnoisy.methods.bkd.bkd import BKD
    from tfnoisy.methods.dividemix.dividemix import DivideMix
    from tfnoisy.methods.elr import ELR
    from tfnoisy.methods.elr_plus.elr_plus import ELRPlus
    from tfnoisy.methods.gce import GCE
    from tfnoisy.methods.ido.ido import IDO
    from tfnoisy.methods.look_ahead.fsr import FSR
    from tfnoisy.methods.look_ahead.ieg import IEG
    from tfnoisy.methods.look_ahead.l2r import L2R
    from tfnoisy.methods.mentormix import MentorMix
    from tfnoisy.methods.mentornet import MentorNet
    from tfnoisy.methods.pes.pes import PES
    from tfnoisy.methods.pes.pes_semi import PESSemi
    from tfnoisy.methods.promix.promix import ProMix
    from tfnoisy.methods.sce import SCE
    from tfnoisy.methods.sop import SOP
    from tfnoisy.methods.truncated_gce import TruncatedGCE
    from tfnoisy.nets.pair import Pair
    from tfnoisy.nets.registry import build as network
    from tfnoisy.noise.manifest import inject
    from tfnoisy.training.optimizer import TF1Momentum

__all__ = (
    "BKD",
    "ELR",
    "FSR",
    "GCE",
    "IDO",
    "IEG",
    "L2R",
    "PES",
    "SCE",
    "SOP",
    "Baseline",
    "DivideMix",
    "ELRPlus",
    "MentorMix",
    "MentorNet",
    "PESSemi",
    "Pair",
    "ProMix",
    "TF1Momentum",
    "TruncatedGCE",
    "audit",
    "default_mentor",
    "evaluation_batches",
    "inject",
    "load",
    "load_mentor",
    "network",
    "strong_view",
    "training_batches",
    "view",
)
