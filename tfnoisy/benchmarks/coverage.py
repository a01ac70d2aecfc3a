"""How often the interval of the noise rate holds the truth, and how wide it is.

Sets of a few thousand images with 2 to 60 % wrong labels; of each 100 labels
are drawn and answered by the clean ones.  Beside the interval: Wilson's of a
plain random sample, and the bracket that needs no answers.
"""

import numpy as np

from tfnoisy.audit import geometry, label_errors, noise_rate
from tfnoisy.audit.features import compute
from tfnoisy.datasets import load
from tfnoisy.noise import manifest

NUM_SETS = 85
KINDS = ("symmetric", "asymmetric", "pairflip", "instance")
_SIZE = 2000
_LOW, _MIDDLE, _HIGH = 0.02, 0.12, 0.6
_HIGH_OF_FLIPS = 0.45
_Z = 1.959963984540054  # Of 95 %, two-sided.


def coverage_suite(
    dataset_name="cifar10_n",
    split="train[:20%]",
    num_sets=NUM_SETS,
    size=_SIZE,
    features=None,
    kinds=KINDS,
    num_checks=noise_rate.DEFAULT_CHECKS,
):
    """Judges intervals on sets whose noise is known.

    Half of the sets have 2 to 12 % noise, half 12 to 60 % (pair flips and
    asymmetric noise at most 45 %).

    Args:
        dataset_name: a data set whose labels are clean.
        split: the examples, at least `size` of them.
        num_sets: how many sets.
        size: images in each.
        features: floats [N, D]; EfficientNet-Lite0's if None.
        kinds: of noise, in turn.
        num_checks: answers for each set.

    Returns:
        {sets, coverage, width, random_coverage, random_width,
        bracket_coverage, bracket_width, bracket_too_high, bracket_too_low,
        bracket_coverage_above_12}: shares of the sets, and mean widths.  The
        bracket is too high where its lower end is above the truth; the last
        number is of the sets with more than 12 % noise.
    """
    data = load.load(dataset_name, split)
    if features is None:
        features = compute.of(data, "efficientnet_lite0").values
    order = np.random.default_rng(0).permutation(len(data))
    parts = len(data) // size
    rows = []
    for part in range(min(parts, num_sets)):
        here = np.sort(order[part * size : (part + 1) * size])
        subset, measured = data.take(here), geometry.measure(features[here])
        for seed in range(part, num_sets, parts):
            # Every kind meets every part: the quotient moves it on.
            kind = kinds[(seed + seed // parts) % len(kinds)]
            rows.append(
                _row(subset, features[here], measured, kind, seed, num_checks)
            )
    rows = np.array(rows, float)
    means = rows.mean(axis=0)
    much = rows[:, -1] > _MIDDLE
    names = (
        "coverage",
        "width",
        "random_coverage",
        "random_width",
        "bracket_coverage",
        "bracket_width",
        "bracket_too_high",
        "bracket_too_low",
    )
    found = dict(zip(names, means.tolist()))
    found["bracket_coverage_above_12"] = float(
        rows[much, names.index("bracket_coverage")].mean()
    )
    return {"sets": len(rows), **found}


def _row(subset, features, measured, kind, seed, num_checks):
    rng = np.random.default_rng(seed)
    high = _HIGH if kind in ("symmetric", "instance") else _HIGH_OF_FLIPS
    bounds = (_LOW, _MIDDLE) if seed % 2 else (_MIDDLE, high)
    rate = rng.uniform(*bounds)
    noisy = manifest.inject(subset, f"{kind}:{rate:.4f}", seed).apply(subset)
    wrong = noisy.given_labels != subset.clean_labels
    truth = wrong.mean()
    found = label_errors.find_label_errors(
        noisy.given_labels,
        features,
        num_classes=subset.num_classes,
        measured=measured,
    )
    checks = noise_rate.choose_checks(found.wrongness, num_checks, seed)
    estimate = noise_rate.estimate_noise_rate(
        found.wrongness, checks, wrong[checks.rows].tolist()
    )
    low, high = estimate.interval
    random_low, random_high = _wilson(
        wrong[rng.permutation(len(wrong))[:num_checks]]
    )
    bracket_low, bracket_high = found.noise_bracket
    return (
        low <= truth <= high,
        high - low,
        random_low <= truth <= random_high,
        random_high - random_low,
        bracket_low <= truth <= bracket_high,
        bracket_high - bracket_low,
        bracket_low > truth,
        bracket_high < truth,
        truth,
    )


def _wilson(wrong):
    """Returns Wilson's interval of the share of wrong answers."""
    count, rate = len(wrong), wrong.mean()
    middle = (rate + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = np.sqrt(rate * (1 - rate) / count + _Z**2 / (4 * count**2))
    half *= _Z / (1 + _Z**2 / count)
    return middle - half, middle + half
