import pytest

from tfnoisy.benchmarks import streaming as streaming_suite


@pytest.mark.parametrize("source", streaming_suite.SOURCES)
def test_each_source_is_timed(tmp_path, source):
    size = streaming_suite._write(tmp_path, 60)
    assert 40 < size / 2**10 < 100
    found = streaming_suite._measure(source, str(tmp_path))
    assert found["images_per_second_per_core"] > 5


@pytest.mark.slow
def test_the_suite_has_a_process_for_each():
    [row] = streaming_suite.streaming_suite(20, ["files"])
    assert row["source"] == "files" and row["images"] == 20
