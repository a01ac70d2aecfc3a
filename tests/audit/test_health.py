import csv
import io

import dirty_folder
import numpy as np
import pytest

from tfnoisy.audit import (
    from_features,
    geometry,
    health,
    health_section,
    near_duplicates,
    report,
)
from tfnoisy.datasets import dataset
from tfnoisy.datasets.sources import folder


def colours(images):
    """Features that need no network: mean colours of 4 x 4 parts."""
    count, height, width, channels = images.shape
    parts = images.reshape(count, 4, height // 4, 4, width // 4, channels)
    return parts.mean(axis=(2, 4)).reshape(count, -1).astype(np.float32)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A folder of drawings, and what it was made of."""
    return dirty_folder.of_drawings(tmp_path_factory.mktemp("drawn"))


@pytest.fixture(scope="module")
def data(drawn):
    splits = folder.read_splits(
        splits=["train"],
        data_dir=str(drawn.path),
        test_share=0.0,
        image_size=40,
        skip_broken=True,
    )
    return splits["train"]


@pytest.fixture(scope="module")
def quality(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "colours.npy"
    np.save(path, colours(data.images[:]))
    # Of the test images two are in training, one of them under another name.
    test = dataset.ImageDataset(
        name="test",
        images=np.concatenate([data.images[:2], 255 - data.images[2:4]]),
        given_labels=np.array([data.given_labels[0], 2, 0, 1]),
        clean_labels=None,
        ids=np.arange(4),
        class_names=data.class_names,
        keys=("a.png", "b.png", "c.png", "d.png"),
    )
    assert data.given_labels[1] != 2
    return from_features.judge(data, str(path), test=test, with_health=True)


def test_planted_copies_are_found_and_their_labels_compared(
    drawn, data, quality
):
    groups = quality.health.groups
    group_of = {data.keys[row]: group for group in groups for row in group.rows}
    for copy, source in drawn.copies.items():
        group = group_of[copy]
        assert data.keys.index(source) in group.rows
        differ = drawn.given[copy] != drawn.given[source]
        assert group.labels_differ or not differ
    order = [group.labels_differ for group in groups]
    assert order == sorted(order, reverse=True)
    assert any(order)


def test_leaks_by_equal_pixels_need_no_features(data, quality):
    leaks = quality.health.leaks
    assert [(leak.test_row, leak.row) for leak in leaks] == [(1, 1), (0, 0)]
    assert [leak.labels_differ for leak in leaks] == [True, False]
    assert {leak.rule for leak in leaks} == {near_duplicates.SAME_PIXELS}
    # Four rows of features do not fit four test images of another file.
    assert "by equal pixels alone" in quality.health.notes[0]


def test_each_finding_is_a_line_of_the_table(data, quality):
    text = health_section.to_csv(quality.health, data)
    lines = list(csv.DictReader(io.StringIO(text)))
    by_issue = {}
    for line in lines:
        by_issue.setdefault(line["issue"], []).append(line)
    leak = by_issue["test image in training with another label"]
    assert [(x["path"], x["training_path"]) for x in leak] == [
        ("b.png", data.keys[1])
    ]
    copies = [
        line
        for name in by_issue
        if name.startswith("near duplicate")
        for line in by_issue[name]
    ]
    assert len(copies) == sum(len(g.rows) for g in quality.health.groups)
    assert {line["split"] for line in copies} == {"train"}
    assert len(by_issue["odd one out"]) == len(quality.health.odd)


def test_the_page_shows_them(data, quality):
    page = report.render(quality, data)
    assert "Health of the data" in page
    assert "different labels" in page
    assert "test: b.png" in page
    assert "Odd ones out" in page
    plain = report.render(
        from_features.quality_of(
            from_features.find(data, colours(data.images[:]))[0], data, "x"
        ),
        data,
    )
    assert "Health of the data" not in plain


def test_the_farthest_are_odd():
    draws = np.random.default_rng(0)
    features = draws.normal(size=(200, 6)) + np.array([6, 0, 0, 0, 0, 0])
    features[100:] -= np.array([12, 0, 0, 0, 0, 0])
    features[17] = [0, 0, 9, 0, 0, 0]
    odd = health.odd_ones(geometry.measure(features))
    assert odd[0] == 17
    assert len(odd) == health.NUM_ODD


def test_a_reason_stands_for_test_images_that_cannot_be_read(data):
    measured = geometry.measure(colours(data.images[:]))
    found = health.examine(
        data,
        measured,
        health.duplicates(data, measured),
        test="there is no test part",
    )
    assert found.leaks is None
    assert found.notes == (
        "Test images were not looked at: there is no test part.",
    )
    assert "test image" not in found.describe()
