import numpy as np
import pytest

from tfnoisy.audit import label_quality, report, trust
from tfnoisy.datasets import load


@pytest.mark.parametrize(
    "agreement, doubted", [(0.1, True), (0.35, True), (0.42, False)]
)
def test_what_predicts_little_cannot_judge(agreement, doubted):
    labels = np.arange(1000) % 10
    sentence = trust.doubt(agreement, labels, 10, "This", "it is so")
    assert bool(sentence) == doubted
    if doubted:
        assert "This cannot judge these labels" in sentence
        assert f"{agreement:.0%} are predicted" in sentence


def test_the_most_frequent_class_is_no_knowledge():
    labels = np.array([0] * 90 + [1] * 10)
    assert trust.doubt(0.92, labels, 2, "This", "it is so")
    assert not trust.doubt(0.95, labels, 2, "This", "it is so")


def test_the_headline_is_the_doubt():
    """A network right on a third of what it has not seen judges nothing."""
    data = load.load("digits", "train[:200]")
    draws = np.random.default_rng(0)
    predicted = np.where(
        draws.random(200) < 0.28, data.given_labels, draws.integers(0, 10, 200)
    )
    probs = np.full([200, 10], 0.05)
    probs[np.arange(200), predicted] = 0.55
    weak = label_quality.LabelQuality.from_pred_probs(
        data.ids, data.given_labels, probs
    )
    assert weak.doubt and weak.notes[0] == weak.doubt
    html = report.render(weak, data)
    assert "<h1>These labels cannot be judged</h1>" in html
    assert "labels look wrong</h1>" not in html
    good = np.full([200, 10], 0.02)
    good[np.arange(200), data.given_labels] = 0.82
    strong = label_quality.LabelQuality.from_pred_probs(
        data.ids, data.given_labels, good
    )
    assert not strong.doubt
    assert "100% are what the network predicts" in strong.notes[0]
    assert "cannot be judged" not in report.render(strong, data)
