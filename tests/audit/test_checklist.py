import dataclasses

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import checklist, from_features, label_errors
from tfnoisy.datasets import corrections, load
from tfnoisy.noise import manifest


@pytest.fixture(scope="module")
def data():
    digits = load.load("digits", "train[:600]")
    return manifest.inject(digits, "symmetric:0.2", 3).apply(digits)


@pytest.fixture(scope="module")
def quality(data):
    pixels = data.images[:].reshape(len(data), -1).astype(float)
    found = label_errors.find_label_errors(
        data.given_labels, pixels, num_classes=10
    )
    return from_features.quality_of(found, data, "pixels")


@pytest.fixture(scope="module")
def is_wrong(data):
    return data.given_labels != data.clean_labels


def filled_in(data, quality, is_wrong, rows, path):
    """Fills in a list as somebody would who knows the truth."""
    path.write_text(checklist.to_csv(rows, quality, data))
    lines = path.read_text().splitlines()
    head = lines[0].split(",")
    filled = [lines[0]]
    for row, line in zip(rows, lines[1:]):
        cells = line.split(",")
        right = data.class_names[data.clean_labels[row]]
        cells[head.index("action")] = "relabel" if is_wrong[row] else "keep"
        cells[head.index("corrected_label")] = right
        filled.append(",".join(cells))
    path.write_text("\n".join(filled) + "\n")
    return corrections.read(path)


def test_the_sample_comes_first_then_the_wrongest(quality, is_wrong):
    rows = checklist.rows(quality, 150, seed=1)
    assert len(set(rows.tolist())) == 150
    sample = checklist.sample(quality, 1).rows
    count = len(sample)
    np.testing.assert_array_equal(rows[:count], sample)
    scores = quality.label_score[rows[count:]]
    assert np.all(np.diff(scores) >= 0)
    # Nearly all of these are wrong.
    assert is_wrong[rows[count:]].mean() > 0.9
    np.testing.assert_array_equal(
        checklist.rows(quality, 30, seed=1), rows[:30]
    )


def test_the_least_certain_by_entropy(quality):
    rows = checklist.rows(quality, 200, "entropy")
    others = rows[len(checklist.sample(quality).rows) :]
    largest = quality.pred_probs[others].max(axis=1)
    assert largest[:20].mean() < largest[-20:].mean()


def test_what_is_done_is_not_asked_again(quality):
    done = checklist.rows(quality, 40)
    rows = checklist.rows(quality, 40, done=done)
    assert not np.isin(rows, done).any() and len(rows) == 40


def test_answers_give_an_interval_that_holds(data, quality, is_wrong, tmp_path):
    rows = checklist.rows(quality, 130, seed=2)
    decided = filled_in(data, quality, is_wrong, rows, tmp_path / "a.csv")
    answered = checklist.answers(decided, data)
    np.testing.assert_array_equal(answered.is_wrong, is_wrong[answered.rows])
    revised, estimate = checklist.revise(quality, data, answered, 2)
    low, high = estimate.interval
    assert low <= is_wrong.mean() <= high and high - low < 0.2
    assert revised.noise_rate == estimate.rate
    np.testing.assert_array_equal(
        revised.is_label_issue[answered.rows], answered.is_wrong
    )
    text = " ".join(revised.notes)
    assert "95 % interval" in text and "model-based" in text


def test_answers_outside_the_sample_do_not_move_the_estimate(
    data, quality, is_wrong, tmp_path
):
    sample = checklist.sample(quality).rows
    rates = []
    for rows in (sample, checklist.rows(quality, len(sample) + 60)):
        decided = filled_in(data, quality, is_wrong, rows, tmp_path / "a.csv")
        answered = checklist.answers(decided, data)
        rates.append(checklist.revise(quality, data, answered)[1].rate)
    assert rates[0] == rates[1]


def test_what_is_left_open_is_counted(data, quality, is_wrong, tmp_path):
    rows = checklist.rows(quality, 100)
    path = tmp_path / "a.csv"
    path.write_text(checklist.to_csv(rows, quality, data))
    answered = checklist.answers(corrections.read(path), data)
    assert len(answered.rows) == 0 and answered.undecided == len(rows)
    with pytest.raises(errors.UserError, match="at least 5"):
        checklist.revise(quality, data, answered)


def test_without_probabilities_there_is_no_entropy(quality):
    blind = dataclasses.replace(quality, pred_probs=None)
    with pytest.raises(errors.UserError, match="--order=entropy needs"):
        checklist.rows(blind, 10, "entropy")
