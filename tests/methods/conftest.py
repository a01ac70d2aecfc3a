"""What the tests of Keras's ways found, for the table of the README."""

import pytest

# {(column of the table, method): whether each of its tests passed}
_FOUND: dict[tuple[str, str], list[bool]] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Notes how a test with the mark `behaviour` ended."""
    report = yield
    mark = item.get_closest_marker("behaviour")
    failed_before = report.when == "setup" and report.failed
    if mark is not None and (report.when == "call" or failed_before):
        parameters = item.callspec.params
        method = parameters.get("story") or parameters["name"]
        for column in mark.args:
            _FOUND.setdefault((column, method), []).append(report.passed)
    return report


@pytest.fixture
def behaviours():
    """{(column, method): whether all tests of it passed}, of this session."""
    return {key: all(outcomes) for key, outcomes in _FOUND.items()}
