import subprocess
import sys

import cleanlab.count
import cleanlab.filter
import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import issues


def test_confident_learning_is_cleanlabs(case):
    given = case.data.given_labels
    found = issues.find(given, case.pred_probs)
    assert found.dtype == bool and found.shape == given.shape
    np.testing.assert_array_equal(
        found,
        cleanlab.filter.find_label_issues(
            given, case.pred_probs, filter_by="prune_by_noise_rate"
        ),
    )
    joint = issues.confident_joint(given, case.pred_probs)
    np.testing.assert_allclose(
        joint.T, cleanlab.count.estimate_joint(given, case.pred_probs)
    )


def test_it_finds_the_noise(case):
    given, clean = case.data.given_labels, case.data.clean_labels
    found = issues.find(given, case.pred_probs)
    assert np.mean(found == (given != clean)) > 0.9
    joint = issues.confident_joint(given, case.pred_probs)
    assert joint.sum() == pytest.approx(1)
    np.testing.assert_allclose(
        joint.sum(axis=0), np.bincount(given) / len(given)
    )
    rate = issues.noise_rate(joint)
    assert abs(rate - np.mean(given != clean)) < 0.05
    matrix = issues.transition_matrix(joint)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    # Rows are the clean classes: they lose to the next class, not the last.
    for label in range(4):
        assert matrix[label, (label + 1) % 4] > 0.1
        assert matrix[label, (label - 1) % 4] < 0.1


def test_a_joint_of_corrections_by_hand():
    given = np.array([0, 0, 0, 1])
    predicted = np.array([0, 1, 1, 0])
    joint = issues.joint_of_corrections(given, predicted, [1, 0, 0.5, 1], 3)
    np.testing.assert_allclose(
        joint, [[0.375, 0, 0], [0.375, 0.25, 0], [0, 0, 0]]
    )
    assert issues.noise_rate(joint) == pytest.approx(0.375)
    np.testing.assert_allclose(
        issues.transition_matrix(joint), [[1, 0, 0], [0.6, 0.4, 0], [0, 0, 0]]
    )


def test_confused_pairs():
    given = np.array([0, 0, 1, 2, 2, 2, 1, 0])
    predicted = np.array([1, 1, 0, 2, 0, 0, 2, 2])
    flagged = np.array([1, 1, 1, 1, 1, 1, 1, 0], bool)
    assert issues.confused_pairs(given, predicted, flagged, 3) == [
        (0, 1, 2),
        (2, 0, 2),
        (1, 0, 1),
        (1, 2, 1),
    ]
    assert issues.confused_pairs(given, given, flagged, 3) == []


@pytest.mark.parametrize("function", [issues.find, issues.confident_joint])
def test_one_class_alone(function):
    with pytest.raises(errors.UserError, match="all given labels are the same"):
        function(np.zeros(3, int), np.full((3, 2), 0.5))


@pytest.mark.parametrize("function", [issues.find, issues.confident_joint])
def test_without_cleanlab(monkeypatch, function):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.delitem(sys.modules, "cleanlab.filter")
    monkeypatch.delitem(sys.modules, "cleanlab.count")
    with pytest.raises(errors.UserError, match="pip install 'cleanlab"):
        function(np.array([0, 1]), np.eye(2))


def test_the_rest_does_not_import_cleanlab():
    program = (
        "import sys, numpy as np\n"
        "from tfnoisy.audit import label_quality, report, table\n"
        "label_quality.LabelQuality.from_losses("
        "range(4), [0, 1, 0, 1], [0, 1, 1, 1], [0.1, 0.2, 3, 0.1], 2)\n"
        "print('cleanlab' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == "False"
