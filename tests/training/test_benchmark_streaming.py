import pytest

from tfnoisy.training import benchmark_streaming


@pytest.mark.parametrize("source", benchmark_streaming.SOURCES)
def test_each_source_is_timed(tmp_path, source):
    size = benchmark_streaming._write(tmp_path, 60)
    assert 40 < size / 2**10 < 100
    found = benchmark_streaming._measure(source, str(tmp_path))
    assert found["images_per_second_per_core"] > 5


def test_the_suite_has_a_process_for_each():
    [row] = benchmark_streaming.streaming_suite(20, ["files"])
    assert row["source"] == "files" and row["images"] == 20
