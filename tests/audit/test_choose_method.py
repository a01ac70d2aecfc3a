import dataclasses

import numpy as np
import pytest

from tfnoisy import registry
from tfnoisy.audit import choose_method, label_errors
from tfnoisy.catalogue import methods
from tfnoisy.comparison import protocol
from tfnoisy.datasets import load
from tfnoisy.noise import manifest as noise_manifest

EVIDENCE = choose_method.Evidence(0.3, (0.25, 0.44), 0.2)


def evidence_of(noise, seed=0):
    """What the pixels of digits say."""
    digits = load.load("digits", "train")
    made = noise_manifest.inject(digits, noise, seed, load.load)
    data = made.apply(digits, load.load)
    found = label_errors.find_label_errors(
        data.given_labels, data.images.reshape(len(data), -1), num_classes=10
    )
    return choose_method.examine(found)


def test_rows_are_evenly_spaced():
    few = choose_method.rows(7)
    np.testing.assert_array_equal(few, np.arange(7))
    most = choose_method.MOST_IMAGES
    np.testing.assert_array_equal(choose_method.rows(most), np.arange(most))
    np.testing.assert_array_equal(
        choose_method.rows(3 * most), 3 * np.arange(most)
    )
    # Sorted by class: all classes have their share.
    labels = np.arange(12_345).repeat(2) // 2469
    counts = np.bincount(labels[choose_method.rows(len(labels))])
    assert counts.sum() == most and np.ptp(counts) <= 1


def test_concentration():
    eye = np.eye(4)
    sizes = np.array([10.0, 20.0, 30.0, 40.0])
    pairflip = 0.6 * eye + 0.4 * np.roll(eye, 1, axis=1)
    assert choose_method.concentration(pairflip, sizes) == pytest.approx(1)
    symmetric = 0.6 * eye + 0.1
    assert choose_method.concentration(symmetric, sizes) == pytest.approx(1 / 3)
    # By hand: (10 * 0.3 + 20 * 0.1) / (10 * 0.4 + 20 * 0.2).
    mixed = eye.copy()
    mixed[0] = 0.6, 0.3, 0.1, 0
    mixed[1] = 0.1, 0.8, 0, 0.1
    assert choose_method.concentration(mixed, sizes) == pytest.approx(5 / 8)
    assert choose_method.concentration(eye, sizes) == 0


@pytest.mark.parametrize(
    ("changes", "method", "why"),
    [
        ({}, "sop_plus", "no more than 20% of a class's wrong labels"),
        ({"concentration": 0.54}, "sop_plus", "no more than 54%"),
        ({"concentration": 0.55}, "dividemix", "55% of a class's wrong labels"),
        # What few labels say of their shape is little.
        (
            {"looks_wrong": 0.029, "concentration": 0.9},
            "baseline",
            "less than 3% look wrong",
        ),
        ({"looks_wrong": 0.03, "concentration": 0.9}, "dividemix", "90%"),
        # Features that tell nothing are asked nothing.
        (
            {"doubt": "!", "looks_wrong": 0.01, "concentration": 0.9},
            "sop_plus",
            "cannot judge",
        ),
    ],
)
def test_the_rule(changes, method, why):
    choice = choose_method.choose(dataclasses.replace(EVIDENCE, **changes))
    assert choice.method == method
    assert why in choice.why
    assert str(choice).startswith(
        f"{method}: between 25% and 44% of the labels are wrong, and "
    )


@pytest.mark.parametrize("method", choose_method.CANDIDATES)
def test_a_choice_is_read_again(method):
    choice = choose_method.Choice(method, "so it is: that")
    assert choose_method.Choice.parse(str(choice)) == choice
    # There are trainers and recipes for all.
    entry = methods.METHODS[method]
    # Which does not ask what was done to the labels.
    recipes = {
        tuple(registry.resolve(entry.recipe)(protocol.Protocol("x", noise, 9)))
        for noise in ("none", "symmetric:0.4", "pairflip:0.2")
    }
    assert len(recipes) == 1


@pytest.mark.parametrize(
    "text", ["", "dividemix", "dividemix: ", "dividemax: so", "ieg: so"]
)
def test_other_texts_are_no_choice(text):
    with pytest.raises(ValueError, match="no choice of a method"):
        choose_method.Choice.parse(text)


@pytest.mark.parametrize(
    ("noise", "method", "concentrations"),
    [
        ("none", "baseline", (0, 1)),
        ("symmetric:0.2", "sop_plus", (0.15, 0.3)),
        ("symmetric:0.4", "sop_plus", (0.15, 0.3)),
        ("pairflip:0.2", "dividemix", (0.9, 1)),
        ("pairflip:0.4", "dividemix", (0.9, 1)),
        ("instance:0.4", "dividemix", (0.6, 0.8)),
    ],
)
def test_digits(noise, method, concentrations):
    evidence = evidence_of(noise)
    assert choose_method.choose(evidence).method == method
    low, high = concentrations
    assert low <= evidence.concentration <= high
    assert not evidence.doubt


def test_too_many_wrong_labels_to_judge():
    evidence = evidence_of("symmetric:0.8")
    assert "cannot judge these labels" in evidence.doubt
    assert choose_method.choose(evidence).method == "sop_plus"


def test_the_same_labels_give_the_same_choice():
    assert evidence_of("instance:0.4", 1) == evidence_of("instance:0.4", 1)
