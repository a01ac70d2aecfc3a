"""What the page's server saves, and whom it does not answer."""

import http.client

import pytest

import browser
import little_folder
from tfnoisy import errors
from tfnoisy.audit import from_features, label_errors, review, review_server
from tfnoisy.datasets import corrections
from tfnoisy.datasets.sources import folder

GOOD = b"path,given_label,action\nbright/0.png,bright,keep\n"


@pytest.fixture
def served(tmp_path):
    little_folder.write(tmp_path / "images", each=10)
    data = folder.read(str(tmp_path / "images"), "train")
    pixels = data.images[:].reshape(len(data), -1).astype(float)
    found = label_errors.find_label_errors(data.given_labels, pixels)
    quality = from_features.quality_of(found, data, "pixels")
    page = tmp_path / "audit/review.html"
    review.write(page, quality, data, range(10))
    server = review_server.ReviewServer(page, page.parent / "corrections.csv")
    yield server, page.parent / "corrections.csv", data
    server.close()


def ask(server, method, path, body=None, **headers):
    address, _, token = server.url.removeprefix("http://").partition("/")
    headers.setdefault("X-Token", token.partition("=")[2])
    client = http.client.HTTPConnection(address, timeout=20)
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    client.request(method, path, body, sent)
    answer = client.getresponse()
    return answer.status, answer.read(), answer.headers.get("X-Version")


def test_what_is_saved_is_on_the_disk(served):
    server, path, _ = served
    status, contents, version = ask(server, "GET", "/corrections.csv")
    assert (status, contents, version) == (200, b"", "none")
    status, _, version = ask(
        server, "PUT", "/corrections.csv", GOOD, X_Version=version
    )
    assert status == 204 and path.read_bytes() == GOOD
    assert ask(server, "GET", "/corrections.csv")[1:] == (GOOD, version)
    empty = ",".join(corrections.COLUMNS).encode() + b"\n"
    status, _, version = ask(
        server, "PUT", "/corrections.csv", empty, X_Version=version
    )
    assert status == 204
    ask(server, "PUT", "/corrections.csv", GOOD, X_Version=version)
    # Another window still builds on what was there before.
    status, words, _ = ask(
        server, "PUT", "/corrections.csv", b"x", X_Version="none"
    )
    assert status == 409 and b"another window" in words
    assert path.read_bytes() == GOOD


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"X-Token": "guess"}, 403),
        ({"X-Token": ""}, 403),
        ({"Host": "evil.example:80"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_others_are_not_answered(served, headers, status):
    server, path, _ = served
    for method, place in (("GET", "/"), ("PUT", "/corrections.csv")):
        body = GOOD if method == "PUT" else None
        found = ask(server, method, place, body, X_Version="none", **headers)
        assert found[0] == status
    assert not path.exists()


@pytest.mark.parametrize(
    "body",
    [b"", b"no table", b"\0" * 100, b"path,given_label,action\na,b,burn\n"],
)
def test_what_is_no_corrections_is_refused(served, body):
    server, path, _ = served
    status, words, _ = ask(
        server, "PUT", "/corrections.csv", body, X_Version="none"
    )
    assert status == 400 and words.count(b"\n") == 1
    assert list(path.parent.iterdir()) == [path.parent / "review.html"]


def test_there_is_nothing_else(served):
    server, _, _ = served
    for path in ("/../labels.csv", "/labels.csv", "/corrections.csv/"):
        assert ask(server, "GET", path)[0] == 404
    assert ask(server, "DELETE", "/corrections.csv")[0] == 404


@pytest.mark.skipif(browser.PATH is None, reason="no browser is installed")
def test_each_key_is_saved(served, tmp_path):
    server, path, data = served
    with browser.Browser(tmp_path) as tab:
        tab.open(server.url)
        tab.wait("version !== null")
        tab.press("k", "x", "2", "z")
        tab.wait("document.getElementById('saved').textContent === 'saved'")
        tab.run("saving")
        found = corrections.find(corrections.read(path), data)
        assert sorted(one.action for one in found.values()) == [
            "keep",
            "remove",
        ]
        # The disk is the truth, not what the browser remembers.
        tab.run("localStorage.clear()")
        tab.open(server.url)
        tab.wait("version !== null")
        tab.wait(
            "document.getElementById('progress').textContent.startsWith('2 ')"
        )
        server.close()
        tab.press("k")
        tab.wait(
            "document.getElementById('saved').textContent.includes('NOT SAVED')"
        )


def test_a_port_that_is_taken_is_one_line(served):
    server, path, _ = served
    port = int(server.url.split(":")[2].partition("/")[0])
    with pytest.raises(errors.UserError, match=f"--serve={port}"):
        review_server.ReviewServer(path, path, port)


@pytest.mark.skipif(browser.PATH is None, reason="no browser is installed")
def test_decisions_that_are_not_on_the_page_stay_in_the_file(served, tmp_path):
    server, path, data = served
    off_page = data.example_keys[10]
    given = data.class_names[data.given_labels[10]]
    line = f"{off_page},,{given},,remove,blurred"
    header = ",".join(corrections.COLUMNS)
    path.write_text(f"{header}\n{line}\n")
    with browser.Browser(tmp_path) as tab:
        tab.open(server.url)
        tab.wait("version !== null")
        tab.press("k")
        tab.run("saving")
        assert line in path.read_text().splitlines()
        assert len(corrections.read(path).decisions) == 2


@pytest.mark.skipif(browser.PATH is None, reason="no browser is installed")
def test_what_could_not_be_saved_is_saved_after_a_reload(served, tmp_path):
    server, path, _ = served
    with browser.Browser(tmp_path) as tab:
        tab.open(server.url)
        tab.wait("version !== null")
        tab.press("k")
        tab.wait("document.getElementById('saved').textContent === 'saved'")
        # As if the server did not answer.
        tab.run("window.fetch = () => Promise.reject(new Error('gone'))")
        tab.press("x")
        tab.wait(
            "document.getElementById('saved').textContent.includes('NOT SAVED')"
        )
        assert len(corrections.read(path).decisions) == 1
        tab.open(server.url)
        tab.wait("document.getElementById('saved').textContent === 'saved'")
        assert [one.action for one in corrections.read(path).decisions] == [
            "keep",
            "remove",
        ]
