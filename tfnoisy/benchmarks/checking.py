"""What a person's checks are worth: replayed with labels that are known.

Of CIFAR-10N, whose true labels are CIFAR-10's: how many wrong labels the first
200 answers find in each order, how often the interval of 100 answers holds the
truth, and how much better the flags are after them.
"""

import numpy as np

from tfnoisy import metrics
from tfnoisy.audit import (
    checklist,
    from_features,
    geometry,
    label_errors,
    noise_rate,
)
from tfnoisy.audit.features import compute
from tfnoisy.datasets import load
from tfnoisy.noise import manifest

NOISES = ("human:worse", "human:aggre", "human:random1", "asymmetric:0.2")
_ANSWERS, _SAMPLES = 200, 20


def checking_suite(
    dataset_name="cifar10_n",
    split="train[:20%]",
    noises=NOISES,
    features=None,
    samples=_SAMPLES,
):
    """Replays a person who knows the truth.

    Args:
        dataset_name: a data set whose labels are clean.
        split: the examples.
        noises: specs, see `noise.spec`.
        features: floats [N, D]; EfficientNet-Lite0's if None.
        samples: seeds of the random sample of 100.

    Yields:
        {noise, wrong: the true share; found_wrongness, found_entropy,
        found_random: shares of the first 200 answers that are wrong labels;
        coverage, width: of the intervals; f1_before, f1_after: of the labels
        that were not checked, means over the samples}.
    """
    data = load.load(dataset_name, split)
    if features is None:
        features = compute.of(data, "efficientnet_lite0").values
    measured = geometry.measure(features)
    for noise in noises:
        noisy = manifest.inject(data, noise, 0).apply(data)
        found = label_errors.find_label_errors(
            noisy.given_labels,
            features,
            num_classes=data.num_classes,
            measured=measured,
        )
        quality = from_features.quality_of(found, noisy, "features")
        yield {
            "noise": noise,
            **_replayed(
                quality, noisy.given_labels != data.clean_labels, samples
            ),
        }


def _replayed(quality, is_wrong, samples):
    """Returns the numbers of one noise, see `checking_suite`."""
    shares = {}
    for order in ("wrongness", "entropy"):
        rows = checklist.rows(quality, len(quality), order)
        drawn = checklist.sample(quality).rows
        # By the order alone, without the sample.
        rows = np.concatenate([rows[len(drawn) :], drawn])
        shares[f"found_{order}"] = float(is_wrong[rows[:_ANSWERS]].mean())
    draws = np.random.default_rng(0)
    picked = [
        draws.permutation(len(quality))[:_ANSWERS] for _ in range(samples)
    ]
    shares["found_random"] = float(is_wrong[np.concatenate(picked)].mean())
    wrongness, truth = 1 - quality.label_score, is_wrong.mean()
    held, widths, before, after = [], [], [], []
    for seed in range(samples):
        drawn = checklist.sample(quality, seed)
        estimate = noise_rate.estimate_noise_rate(
            wrongness, drawn, is_wrong[drawn.rows].tolist()
        )
        low, high = estimate.interval
        held.append(low <= truth <= high)
        widths.append(high - low)
        rest = np.ones(len(quality), bool)
        rest[drawn.rows] = False
        for flags, scores in (
            (quality.is_label_issue, before),
            (estimate.is_label_issue, after),
        ):
            scores.append(
                metrics.detection_scores(flags[rest], is_wrong[rest])["f1"]
            )
    return {
        "wrong": float(truth),
        **shares,
        "coverage": float(np.mean(held)),
        "width": float(np.mean(widths)),
        "f1_before": float(np.mean(before)),
        "f1_after": float(np.mean(after)),
    }
