import dataclasses
import html.parser
import re

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import issues, label_quality, report


class Page(html.parser.HTMLParser):
    """The parts of a report that tests look at."""

    VOID = {"img", "meta", "link", "input", "br", "line", "path"}

    def __init__(self, text):
        super().__init__()
        self.cards, self.open, self.words, self.urls = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        if attrs.get("class") == "card":
            self.cards.append(attrs)
        self.urls += [attrs[name] for name in ("src", "href") if name in attrs]

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def audit(case, **kwargs):
    return label_quality.LabelQuality.from_pred_probs(
        case.data.ids, case.data.given_labels, case.pred_probs, **kwargs
    )


def test_what_it_says(case):
    found = audit(case, clean_labels=case.data.clean_labels)
    text = report.render(found, case.data, table_name="labels.csv")
    page = Page(text)
    flagged = np.count_nonzero(found.is_label_issue)
    assert f"{flagged} of 400 labels look wrong" in page.text
    rate = f"{100 * found.noise_rate:.1f}\N{NO-BREAK SPACE}%".split()
    assert " ".join(rate) in page.text
    for name in ("Precision", "Recall", "F1", "AUC", "Put right"):
        assert name in page.text
    given, predicted, count = issues.confused_pairs(
        found.given_labels, found.predicted_labels, found.is_label_issue, 4
    )[0]
    assert (
        f"Most confused toy {predicted} called toy {given} {count} labels"
        in page.text
    )
    assert "labels.csv" in page.urls
    assert [int(card["data-id"]) for card in page.cards] == list(
        found.ids[found.ranking()]
    )
    for card in page.cards:
        row = np.flatnonzero(found.ids == int(card["data-id"]))[0]
        assert int(card["data-given"]) == found.given_labels[row]
        assert int(card["data-predicted"]) == found.predicted_labels[row]
        assert float(card["data-score"]) == pytest.approx(
            found.label_score[row], rel=1e-5
        )
        wrong = found.is_wrong[row]
        assert card["data-truth"] == ("wrong" if wrong else "right")


def test_the_truth_is_not_spoken_of_where_it_is_unknown(case):
    page = Page(report.render(audit(case), case.data))
    assert "Precision" not in page.text and "truth" not in page.text
    assert not any("data-truth" in card for card in page.cards)


def test_it_needs_no_network(case):
    text = report.render(audit(case), case.data)
    for url in Page(text).urls:
        assert re.match(r"data:|#", url), url[:80]
    assert "url(" not in text and "@import" not in text
    assert re.findall(r"https?://\S+", text) == []
    assert "default-src 'none'" in text


def test_images_are_those_of_the_ids(case):
    # Rows in another order, and more of them than there is evidence on.
    found = audit(case)
    order = np.random.default_rng(1).permutation(400)
    expected = report.render(found, case.data)
    assert report.render(found, case.data.take(order)) == expected
    part = label_quality.LabelQuality.from_pred_probs(
        case.data.ids[:300],
        case.data.given_labels[:300],
        case.pred_probs[:300],
    )
    cards = Page(report.render(part, case.data)).cards
    assert {int(card["data-id"]) for card in cards} <= set(part.ids.tolist())
    with pytest.raises(errors.UserError, match="toys has no id .* other data"):
        report.render(found, case.data.take(order[:200]))


def test_other_classes(case):
    data = dataclasses.replace(case.data, class_names=("a", "b", "c"))
    with pytest.raises(errors.UserError, match="on 4 classes, toys has 3"):
        report.render(audit(case), data)


def test_names_are_not_markup(case):
    names = ("<script>alert(1)</script>", '"><img src=x>', "a&b", "{{ 7*7 }}")
    paths = tuple(f"/tmp/<b>{k}'\".png" for k in range(400))
    data = dataclasses.replace(
        case.data, class_names=names, paths=paths, name="<i>x</i>"
    )
    text = report.render(audit(case), data)
    page = Page(text)
    assert "<script>alert" not in text and "<b>1" not in text
    assert "x" not in page.urls
    assert names[0] in page.text and "{{ 7*7 }}" in page.text


def test_equal_evidence_gives_equal_bytes(tmp_path, case):
    for name in ("a", "b"):
        report.write(tmp_path / name / "report.html", audit(case), case.data)
    a, b = (tmp_path / name / "report.html" for name in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()


def test_nothing_flagged(case):
    data = case.data
    found = label_quality.LabelQuality.from_clean_probability(
        data.ids, data.given_labels, data.given_labels, np.ones(400), 4
    )
    page = Page(report.render(found, data))
    assert "None of 400 labels looks wrong" in page.text
    assert "no label was flagged" in page.text and not page.cards


def test_losses_are_drawn_with_their_mixture(case):
    data = case.data
    losses = -np.log(case.pred_probs[np.arange(400), data.given_labels])
    found = label_quality.LabelQuality.from_losses(
        data.ids,
        data.given_labels,
        case.pred_probs.argmax(axis=1),
        losses,
        4,
        clean_labels=np.full(400, -1),
    )
    page = Page(report.render(found, data))
    assert "How the losses are spread" in page.text
    assert f"1 is {losses.max():.3g} nats" in page.text
    assert "fitted noisy part" in page.text
    assert f"threshold {found.cuts['threshold']:.2f}" in page.text
    # No clean label is any class: nothing to rank, nothing to compare with.
    assert "truth: no class" in page.text and "AUC" not in page.text


def test_groups_are_listed(case):
    data = case.data
    groups = np.repeat([1, 2, 4, 4], 100)
    found = label_quality.LabelQuality.from_groups(
        data.ids,
        data.given_labels,
        data.given_labels,
        groups,
        4,
        clean_labels=data.clean_labels,
    )
    page = Page(report.render(found, data))
    assert "Group 1, most trusted" in page.text
    assert "Group 3" not in page.text
    assert "Group 4, flagged" in page.text and "200 labels," in page.text
    # Predictions that agree are said to.
    assert "(agrees)" in page.text


@pytest.mark.parametrize(
    "num_classes, table, picture",
    [(3, True, False), (25, False, True), (301, False, False)],
)
def test_large_matrices_become_pictures(make_case, num_classes, table, picture):
    case = make_case(700, num_classes)
    data = case.data
    found = label_quality.LabelQuality.from_clean_probability(
        data.ids,
        data.given_labels,
        data.clean_labels,
        (data.given_labels == data.clean_labels).astype(float),
        num_classes,
    )
    text = report.render(found, data, max_images=5)
    assert ('class="matrix"' in text) == table
    assert ('class="matrix-picture"' in text) == picture
    assert len(Page(text).cards) == 5
    assert "The 5 most suspicious of" in Page(text).text


def test_its_size_does_not_grow_with_the_data(make_case):
    # What 50,000 images make is this, with longer numbers: the number of
    # images shown is bounded, and these are as large as PNGs of 32 x 32 get.
    sizes, parts = [], []
    for count in (2000, 4000):
        case = make_case(count, 10, side=32)
        text = report.render(audit(case), case.data)
        assert len(Page(text).cards) == report.MAX_IMAGES == 500
        sizes.append(len(text.encode()))
        parts.append(sum(map(len, re.findall(r'"data:[^"]+"', text))))
    assert max(sizes) < 8e6 / 2
    assert abs(sizes[1] - sizes[0]) < 0.02 * sizes[0]
    assert sizes[1] - parts[1] < 1e6


def test_images_have_a_budget(make_case, monkeypatch):
    case = make_case(120, 4, side=200)
    default = report.MAX_IMAGE_CHARACTERS
    monkeypatch.setattr(report, "MAX_IMAGE_CHARACTERS", 300_000)
    text = report.render(audit(case), case.data)
    cards = Page(text).cards
    assert 3 < len(cards) < np.count_nonzero(audit(case).is_label_issue)
    images = re.findall(r'"(data:image/webp[^"]+)"', text)
    assert len(images) == len(cards)
    assert sum(map(len, images)) <= 300_000
    assert len(text) < 300_000 + 1e5 + 1500 * len(cards)
    # By default, too, all else that these bounds allow is below 8 MB.
    assert default + 1e5 + 1500 * report.MAX_IMAGES < 8e6
