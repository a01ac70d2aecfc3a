"""The page on which a person decides, with keys pressed in a real browser."""

import dataclasses
import time

import numpy as np
import pytest

import browser
from tfnoisy.audit import (
    checklist,
    from_features,
    label_errors,
    noise_rate,
    review,
)
from tfnoisy.datasets import corrections, load
from tfnoisy.noise import manifest

needs_browser = pytest.mark.skipif(
    browser.PATH is None,
    reason=f"no browser: none of {', '.join(browser.BROWSERS)} is installed "
    "(Debian: apt-get install chromium)",
)
# Names that would do harm if they were not written as text.
NAMES = ("zero", "=one()", "<b>two", '"three",', *"456789")
KEYS = ("</script><script>document.title='broken'</script>.png", "-1,a.png")


@pytest.fixture(scope="module")
def data():
    digits = load.load("digits", "train[:400]")
    noisy = manifest.inject(digits, "symmetric:0.2", 3).apply(digits)
    keys = [f"class/{row}.png" for row in range(len(noisy))]
    keys[: len(KEYS)] = KEYS
    return dataclasses.replace(noisy, keys=tuple(keys), class_names=NAMES)


@pytest.fixture(scope="module")
def quality(data):
    pixels = data.images[:].reshape(len(data), -1).astype(float)
    found = label_errors.find_label_errors(
        data.given_labels, pixels, num_classes=10
    )
    near = np.tile(np.arange(4), [len(data), 1])
    near[:, 3] = -1
    return dataclasses.replace(
        from_features.quality_of(found, data, "pixels"), neighbours=near
    )


@pytest.fixture(scope="module")
def rows(quality):
    first = checklist.rows(quality, 120)
    return np.concatenate([[0, 1], first[first > 1]])


@pytest.fixture(scope="module")
def page(data, quality, rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "review.html"
    assert review.write(path, quality, data, rows) == len(rows)
    return path


def text(tab, place):
    return tab.run(f"document.getElementById({place!r}).textContent")


def saved(tab):
    """Presses the button and returns the file."""
    path = tab.folder / "corrections.csv"
    path.unlink(missing_ok=True)
    tab.run("document.getElementById('save').click()")
    for _ in range(100):
        if path.exists() and path.stat().st_size:
            return path
        time.sleep(0.05)
    raise AssertionError("nothing was downloaded")


def test_it_needs_nothing_else_and_nothing_in_it_runs(page):
    html = page.read_text()
    assert "http://" not in html and "https://" not in html
    assert html.count("</script>") == 2 and "default-src 'none'" in html


@needs_browser
def test_keys_decide_and_the_file_is_one_of_corrections(
    page, data, rows, tmp_path
):
    with browser.Browser(tmp_path) as tab:
        tab.open(page.as_uri())
        assert tab.run("document.title") == "Check labels: digits"
        assert text(tab, "name") == KEYS[0]
        other = str(1 + (data.given_labels[rows[1]] + 1) % 9)
        tab.press("k", other, "x", "u", "Enter", "s")
        # Undecided is not decided.
        assert text(tab, "progress") == f"5 of {len(rows)} decided"
        found = corrections.find(corrections.read(saved(tab)), data)
        actions = [found[row].action for row in rows[:6]]
        assert actions[:4] == ["keep", "relabel", "remove", "undecided"]
        assert set(actions[4:]) <= {"keep", "relabel"} and len(found) == 6
        assert found[rows[1]].corrected_label == NAMES[int(other) - 1]
        assert found[rows[0]].key == KEYS[0]

        # What is undone is as it was before.
        tab.press("z", "z")
        assert text(tab, "progress") == f"3 of {len(rows)} decided"
        assert len(corrections.read(saved(tab)).decisions) == 4

        # A reload loses nothing.
        tab.open(page.as_uri())
        assert text(tab, "progress") == f"3 of {len(rows)} decided"
        assert text(tab, "name") == data.keys[rows[3]]

        # The file goes in again, into an empty browser.
        contents = saved(tab).read_text()
        tab.run("localStorage.clear()")
        tab.open(page.as_uri())
        assert text(tab, "progress") == f"0 of {len(rows)} decided"
        tab.run(f"load({contents!r})")
        assert text(tab, "progress") == "4 decisions loaded"
        assert saved(tab).read_text() == contents
        tab.run("load('a,b\\n1,2\\n')")
        assert "no corrections.csv" in text(tab, "progress")


@needs_browser
def test_filters_and_finding(page, data, quality, rows, tmp_path):
    with browser.Browser(tmp_path) as tab:
        tab.open(page.as_uri())
        tab.press("k", "ArrowRight", "k")
        for kind, count in (
            ("decided", 2),
            ("open", len(rows) - 2),
            ("flagged", quality.is_label_issue[rows].sum()),
            ("changed", 0),
        ):
            tab.run(
                f"document.getElementById('filter').value = '{kind}'; select()"
            )
            assert tab.run("shown.length") == count
        assert tab.run("!document.getElementById('empty').hidden")
        tab.run("document.getElementById('filter').value = 'all'; select()")
        tab.press("/")
        tab.press(*"-1,A")
        assert tab.run("shown.map(item => item.key)") == [KEYS[1]]
        # Letters in the field decide nothing.
        assert text(tab, "progress").startswith("2 of")
        tab.press("Escape", "k")
        assert text(tab, "progress").startswith("3 of")


@needs_browser
def test_the_estimate_is_pythons(page, data, quality, rows, tmp_path):
    drawn = checklist.sample(quality)
    wrongness = 1 - quality.label_score
    draws = np.random.default_rng(0)
    with browser.Browser(tmp_path) as tab:
        tab.open(page.as_uri())
        for count in (5, 12, 40, len(rows)):
            picked = draws.permutation(rows)[:count]
            verdicts = {
                int(row): bool(data.given_labels[row] != data.clean_labels[row])
                for row in picked
            }
            answered = [verdicts.get(row) for row in drawn.rows.tolist()]
            if sum(one is not None for one in answered) < 5:
                continue
            others = np.array([r for r in verdicts if r not in drawn.rows], int)
            wanted = noise_rate.estimate_noise_rate(
                wrongness,
                drawn,
                answered,
                others,
                [verdicts[row] for row in others.tolist()],
            )
            decisions = {
                data.keys[row]: {
                    "action": "remove" if wrong else "keep",
                    "label": None,
                }
                for row, wrong in verdicts.items()
            }
            tab.run(f"decisions = {decisions!r}".replace("None", "null"))
            tab.run("draw()")
            found = tab.run(
                "JSON.parse(document.getElementById('estimate').dataset.found)"
            )
            assert found["checked"] == wanted.checked
            assert found["wrong"] == wanted.wrong
            np.testing.assert_allclose(
                [found["rate"], found["low"], found["high"]],
                [wanted.rate, *wanted.interval],
                atol=1e-6,
            )


@needs_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_its_window_and_fingers(page, tmp_path, width):
    with browser.Browser(tmp_path, width=width, height=844) as tab:
        tab.open(page.as_uri())
        assert tab.run("document.documentElement.scrollWidth") <= width
        sides = tab.run(
            "[...document.querySelectorAll('button')].filter(b => "
            "b.offsetParent).map(b => b.getBoundingClientRect().height)"
        )
        assert min(sides) >= 44
        unnamed = tab.run(
            "[...document.querySelectorAll('button, select, input')].filter("
            "b => !(b.textContent.trim() || b.ariaLabel || b.labels?.length))"
            ".length"
        )
        assert unnamed == 0


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read(page, tmp_path, dark):
    """WCAG's contrast, 4.5 to 1, of all colours of text."""
    with browser.Browser(tmp_path, dark=dark) as tab:
        tab.open(page.as_uri())
        colours = tab.run(
            "['back','card','text','quiet','main','on-main','good'].map(n => "
            "getComputedStyle(document.documentElement)"
            ".getPropertyValue('--' + n).trim())"
        )
    back, card, quiet_text, quiet, main, on_main, good = map(luminance, colours)
    for behind in (back, card):
        for front in (quiet_text, quiet, main, good):
            assert contrast(front, behind) >= 4.5
    assert contrast(on_main, main) >= 4.5


def luminance(colour):
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    channels = np.array([int(digits[k : k + 2], 16) for k in (0, 2, 4)]) / 255
    linear = np.where(
        channels <= 0.04045,
        channels / 12.92,
        ((channels + 0.055) / 1.055) ** 2.4,
    )
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(first, second):
    high, low = max(first, second), min(first, second)
    return (high + 0.05) / (low + 0.05)
