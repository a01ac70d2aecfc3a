import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets.images import records as image_records


@pytest.fixture
def files(tmp_path):
    """Three files of five, none and two records of 0 to 60,000 bytes."""
    rng = np.random.default_rng(0)
    written = []
    for number, count in enumerate((5, 0, 2)):
        path = tmp_path / f"{number}"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for k in range(count):
                contents = rng.bytes(20_000 * (k % 4))
                writer.write(contents)
                written.append(contents)
    return [tmp_path / f"{number}" for number in range(3)], written


def test_every_record_is_found(files):
    paths, written = files
    index = image_records.Index.of(paths)
    assert len(index) == 7
    found = index.read(np.arange(7))
    assert found.tolist() == written
    assert found.tolist() == list(
        tf.data.TFRecordDataset(list(map(str, paths))).as_numpy_iterator()
    )
    assert index.numbers.tolist() == [1, 2, 3, 4, 5, 1, 2]


def test_any_record_in_any_order(files):
    paths, written = files
    index = image_records.Index.of(paths)
    rows = [6, 0, 3, 3]
    assert index.read(rows).tolist() == [written[row] for row in rows]
    part = index.take(slice(4, 7))
    assert part.read([2, 0]).tolist() == [written[6], written[4]]


@pytest.mark.parametrize("lost, number", [(1, 4), (70_000, 2), (120_070, 0)])
def test_a_file_that_ends_within_a_record(files, lost, number):
    """Of 0, 20,000, 40,000, 60,000 and 0 bytes."""
    [path, *_], _ = files
    contents = path.read_bytes()
    path.write_bytes(contents[: len(contents) - lost])
    with pytest.raises(
        errors.UserError, match=f"^{path}: damaged after record {number}$"
    ):
        image_records.Index.of([path])


def test_what_is_no_file_of_records(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"GIF89a, and so on, and so on, and so on")
    with pytest.raises(errors.UserError, match="damaged after record 0"):
        image_records.Index.of([path])
