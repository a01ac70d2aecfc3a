import pytest

from tfnoisy.datasets.sources import label_texts


def decide(given, clean=(), classes=()):
    """The labels and the problems of these texts, from line 2 on."""
    problems = []
    labels = label_texts.decide(
        "a.csv",
        list(enumerate(given, 2)),
        list(enumerate(clean, 2)),
        tuple(classes),
        problems,
    )
    return labels, problems


@pytest.mark.parametrize(
    "given, clean, names, read",
    [
        (["dog", "cat"], [], ("cat", "dog"), [1, 0]),
        (["0", "1", "0"], [], ("0", "1"), [0, 1, 0]),
        # As pandas writes integers in a column with gaps.
        (["0", "1"], ["0.0", "1.0"], ("0", "1"), [0, 1]),
        (["0.0", "1.0"], ["-1", "-1.0"], ("0", "1"), [0, 1]),
        (["007", "008"], [], ("007", "008"), [0, 1]),
        (["01", "02"], [], ("01", "02"), [0, 1]),
    ],
)
def test_labels_without_class_folders(given, clean, names, read):
    labels, problems = decide(given, clean)
    assert not problems and labels.class_names == names
    assert [labels.read(text) for text in given] == [(k, "") for k in read]
    for text in clean:
        assert labels.read(text, may_be_none=True)[1] == ""


@pytest.mark.parametrize(
    "given, problem",
    [
        (
            ["1", "2", "3"],
            "a.csv: the labels are numbers from 1 to 3, where 0 to 2 are "
            "expected; subtract 1, or write names",
        ),
        (
            ["0", "cat"],
            "the label in line 2 is a number (0) and that in li",
        ),
        (["0", "700"], "a.csv:3: label 700 is out of range: the file has no"),
    ],
)
def test_what_cannot_be_decided(given, problem):
    _, problems = decide(given)
    assert len(problems) == 1 and problem in problems[0]


@pytest.mark.parametrize(
    "given, classes, read",
    [
        (["b", "a"], "ab", [1, 0]),
        (["1", "0"], "ab", [1, 0]),
        (["1", "0"], "01", [1, 0]),
        (["2", "1"], "12", [1, 0]),
        (["3.0", "0"], ["p", "q", "r", "s"], [3, 0]),
    ],
)
def test_labels_with_class_folders(given, classes, read):
    labels, problems = decide(given, classes=classes)
    assert not problems
    assert [labels.read(text) for text in given] == [(k, "") for k in read]


def test_numbers_that_could_be_names_or_places_are_refused():
    """Folders 1 and 2 with labels 0, 1, 2: is 1 the first or the second?"""
    _, (problem,) = decide(["0", "1", "2"], classes="12")
    assert problem == (
        "a.csv:2: label 0 is not the name of a class (1, 2), and other labels "
        "are: as numbers counted from 0 they would mean other classes; write "
        "the names"
    )


def test_faults_of_single_labels():
    labels, problems = decide(["a", "fox", "-1"], classes="ab")
    assert not problems
    assert labels.read("fox")[1] == "fox is not a class (a, b)"
    assert labels.read("-1")[1] == "-1 is not a class (a, b)"
    assert labels.read("-1", may_be_none=True) == (-1, "")
    labels, _ = decide(["0", "9"], classes="ab")
    assert labels.read("9")[1] == (
        "9 is out of range: there are 2 classes (a, b)"
    )
    assert labels.read("-3")[1].startswith("-3 is out of range")
