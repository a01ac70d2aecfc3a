"""The report in a real browser: what is shown, at both ends of its widths."""

import html
import html.parser
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from tfnoisy.audit import label_quality, report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
FIRST, NEXT = 21, 63

pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason=f"no browser: none of {', '.join(BROWSERS)} is installed "
    "(Debian: apt-get install chromium)",
)


def browse(folder, url, *flags):
    """Runs the browser on a page; returns what it prints."""
    done = subprocess.run(
        [
            BROWSER,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-extensions",
            "--hide-scrollbars",
            "--no-first-run",
            f"--user-data-dir={folder / 'profile'}",
            "--virtual-time-budget=5000",
            *flags,
            url,
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def found(case):
    return label_quality.LabelQuality.from_pred_probs(
        case.data.ids,
        case.data.given_labels,
        case.pred_probs,
        clean_labels=case.data.clean_labels,
    )


@pytest.fixture(scope="module")
def page(found, case):
    return report.render(found, case.data, table_name="labels.csv")


def ids_of(found, order="", **labels):
    """Returns the ids that a selection should show, in its order."""
    rows = found.ranking()
    for name, label in labels.items():
        rows = rows[getattr(found, f"{name}_labels")[rows] == label]
    ids = found.ids[rows].tolist()
    return sorted(ids, reverse=order == "-id") if order else ids


# Steps that a person takes, each followed by a look at the page.
STEPS = """
<script>
(async () => {
  const looks = {};
  const look = (name) => {
    const cards = [...document.querySelectorAll("#grid > .card")]
      .filter((card) => card.checkVisibility());
    looks[name] = {
      ids: cards.map((card) => Number(card.dataset.id)),
      status: document.getElementById("shown").textContent,
      hash: location.hash,
      more: document.getElementById("more").checkVisibility(),
      none: document.getElementById("none").checkVisibility(),
      focus: document.activeElement.id || document.activeElement.className,
    };
  };
  const choose = (name, value) => {
    const select = document.getElementById("filters").elements[name];
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const settled = () => new Promise((resolve) => setTimeout(resolve, 100));
  const click = (selector) => document.querySelector(selector).click();

  look("loaded");
  click("#more");
  look("more");
  choose("sort", "-id");
  look("sorted");
  choose("given", "1");
  look("given");
  click("#filters [type=reset]");
  look("reset");
  choose("sort", "-score");
  look("least suspicious");
  choose("sort", "");
  choose("truth", "right");
  look("right");
  choose("given", "0");
  choose("predicted", "0");
  look("none");
  click("#clear");
  look("cleared");
  click(".bars-list a");
  await settled();
  look("pair");
  choose("given", "");
  choose("predicted", "");
  click(".bars-list a");
  await settled();
  look("pair again");
  const reachable = [...document.querySelectorAll("a, button, select")]
    .filter((one) => one.checkVisibility()).every((one) => one.tabIndex === 0);
  const named = [...document.querySelectorAll("select")]
    .every((one) => one.labels.length === 1);
  const log = document.createElement("pre");
  log.id = "log";
  log.textContent = JSON.stringify({ looks, reachable, named });
  document.body.append(log);
})();
</script>
"""


def read_log(dom):
    """Returns the JSON that a script left in the page."""
    (text,) = re.findall(r'<pre id="log".*?>(.*?)</pre>', dom, re.DOTALL)
    return json.loads(html.unescape(text))


def test_sorting_and_filtering_change_what_is_shown(tmp_path, found, page):
    file = tmp_path / "report.html"
    file.write_text(page.replace("</body>", STEPS + "</body>"))
    log = read_log(browse(tmp_path, file.as_uri(), "--dump-dom"))
    assert log["reachable"] and log["named"]
    looks = log["looks"]

    def check(name, ids, hash_, limit=FIRST):
        look = looks[name]
        assert look["ids"] == ids[:limit], name
        assert look["status"] == f"{len(ids[:limit])} of {len(ids)} shown"
        assert look["more"] == (len(ids) > limit)
        assert look["none"] == (not ids)
        assert look["hash"] in (hash_, hash_ or "#")

    everything = ids_of(found)
    assert len(everything) > FIRST + NEXT
    check("loaded", everything, "")
    check("more", everything, "", FIRST + NEXT)
    # The keyboard goes on where the new images begin.
    assert looks["more"]["focus"] == "card"
    check("sorted", ids_of(found, "-id"), "#sort=-id")
    check("given", ids_of(found, "-id", given=1), "#sort=-id&given=1")
    assert 0 < len(ids_of(found, given=1)) < len(everything)
    check("reset", everything, "")
    scores = dict(zip(found.ids.tolist(), found.label_score))
    least = [scores[k] for k in looks["least suspicious"]["ids"]]
    assert least == sorted(least, reverse=True)
    assert least[0] == max(found.label_score[found.ranking()])
    right = found.ids[~found.is_wrong & found.is_label_issue].tolist()
    check("right", [k for k in everything if k in right], "#truth=right")
    assert 0 < len(right) < len(everything)
    check("none", [], "#given=0&predicted=0&truth=right")
    check("cleared", everything, "")
    pair = ids_of(found, given=2, predicted=1)
    assert 0 < len(pair) < len(everything)
    hash_ = looks["pair"]["hash"]
    given, predicted = map(int, re.findall(r"\d", hash_))
    pair = ids_of(found, given=given, predicted=predicted)
    for name in ("pair", "pair again"):
        check(name, pair, f"#given={given}&predicted={predicted}")
        assert looks[name]["focus"] == "images"


def test_a_link_to_a_selection(tmp_path, found, page):
    file = tmp_path / "report.html"
    file.write_text(page)
    url = f"{file.as_uri()}#given=3&sort=id"
    dom = browse(tmp_path, url, "--dump-dom")
    ids = ids_of(found, "id", given=3)
    shown = [int(k) for k in re.findall(r'class="card" data-id="(\d+)"', dom)]
    assert shown == ids[:FIRST] and ids
    assert f"{len(shown)} of {len(ids)} shown" in dom


@pytest.mark.parametrize("width, columns", [(390, 3), (1280, 7)])
def test_it_fits(tmp_path, page, width, columns):
    # A window cannot be as narrow as a telephone; a frame can.
    (tmp_path / "frame.html").write_text(
        f"""<!doctype html><body style="margin:0">
        <iframe style="border:0" width="{width}" height="900"
            srcdoc="{html.escape(page)}"></iframe>
        <script>
        const frame = document.querySelector("iframe");
        frame.addEventListener("load", () => {{
          const view = frame.contentDocument;
          const cards = [...view.querySelectorAll(".card")];
          const top = cards[0].offsetTop;
          const outside = [...view.querySelectorAll("body *")].filter(
            (one) => one.checkVisibility() && !one.closest(".scroll, .hidden,"
              + " .skip") && one.getBoundingClientRect().right > {width} + 1);
          const log = document.createElement("pre");
          log.id = "log";
          log.textContent = JSON.stringify({{
            width: view.documentElement.scrollWidth,
            columns: cards.filter((card) => card.offsetTop === top).length,
            outside: outside.map((one) => one.outerHTML.slice(0, 80)),
            small: [...view.querySelectorAll("button, select")]
              .filter((one) => one.checkVisibility() && one.offsetHeight < 44)
              .length,
          }});
          log.hidden = true;
          document.body.append(log);
        }});
        </script>"""
    )
    shot = tmp_path / "shot.png"
    dom = browse(
        tmp_path,
        (tmp_path / "frame.html").as_uri(),
        "--dump-dom",
        f"--screenshot={shot}",
        f"--window-size={max(width, 600)},900",
    )
    assert read_log(dom) == {
        "width": width,
        "columns": columns,
        "outside": [],
        "small": 0,
    }
    pixels = np.asarray(Image.open(shot).convert("RGB"))[:, :width]
    assert pixels.shape == (900, width, 3)
    # Text, panels and the first images: no blank page.
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
