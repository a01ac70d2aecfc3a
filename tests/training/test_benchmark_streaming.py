from tfnoisy.training import benchmark_streaming


def test_each_source_is_timed():
    rows = list(benchmark_streaming.streaming_suite(60))
    assert [row["source"] for row in rows] == ["memory", "files", "records"]
    for row in rows:
        assert row["images"] == 60 and 40 < row["file_kib"] < 100
        assert row["images_per_second_per_core"] > 5
