"""Data with wrong labels that a fair network has looked at."""

import dataclasses

import numpy as np
import pytest

from tfnoisy.datasets import dataset


@dataclasses.dataclass(frozen=True)
class Case:
    data: dataset.ImageDataset
    pred_probs: np.ndarray


def make(count, num_classes=4, side=8, channels=3, rate=0.3, seed=0):
    rng = np.random.default_rng(seed)
    clean = rng.integers(num_classes, size=count)
    flipped = rng.random(count) < rate
    # Mostly to the next class, so that there is a commonest pair.
    steps = np.where(rng.random(count) < 0.8, 1, 2)
    given = np.where(flipped, (clean + steps) % num_classes, clean)
    logits = rng.normal(size=(count, num_classes)) * 1.2
    logits[np.arange(count), clean] += 4
    probs = np.exp(logits)
    probs /= probs.sum(axis=1, keepdims=True)
    data = dataset.ImageDataset(
        name="toys",
        images=rng.integers(
            256, size=(count, side, side, channels), dtype=np.uint8
        ),
        given_labels=given,
        clean_labels=clean,
        # Neither from 0 nor in order.
        ids=rng.permutation(count) * 3 + 5,
        class_names=tuple(f"toy {k}" for k in range(num_classes)),
    )
    return Case(data, probs)


@pytest.fixture(scope="session")
def make_case():
    return make


@pytest.fixture(scope="session")
def case():
    return make(400)
