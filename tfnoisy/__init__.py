"""Robust image classifiers from noisy labels, in TensorFlow 2 and Keras."""

__version__ = "0.1.0"
