import pytest
import tensorflow_datasets as tfds

from tfnoisy import errors
from tfnoisy.datasets import splits


@pytest.mark.parametrize(
    "split, base, expected",
    [
        ("train", "train", (0, 1437)),
        ("train[:]", "train", (0, 1437)),
        ("test[:10%]", "test", (0, 144)),
        ("train[80%:]", "train", (1150, 1437)),
        ("train[1000:1200]", "train", (1000, 1200)),
        ("train[1_000:]", "train", (1000, 1437)),
        ("train[-10%:]", "train", (1293, 1437)),
        ("train[-37:-7]", "train", (1400, 1430)),
        ("train[ 12.5% : 25% ]", "train", (180, 359)),
        ("extra-part[0:1]", "extra-part", (0, 1)),
    ],
)
def test_bounds(split, base, expected):
    assert splits.base(split) == base
    assert splits.bounds(split, 1437) == expected


@pytest.mark.parametrize("count", [7, 150, 1797, 50000])
@pytest.mark.parametrize(
    "text", ["[:33%]", "[33%:66%]", "[-15%:]", "[50%:]", "[:12.5%]"]
)
def test_percentages_are_rounded_as_tfds_does(text, count):
    info = tfds.core.splits.SplitInfo(
        name="train",
        shard_lengths=[count],
        num_bytes=1,
        filename_template=tfds.core.ShardedFileTemplate(
            dataset_name="any",
            split="train",
            filetype_suffix="tfrecord",
            data_dir=".",
        ),
    )
    expected = tfds.core.splits.SplitDict([info])[f"train{text}"]
    start, stop = splits.bounds(f"train{text}", count)
    assert stop - start == expected.num_examples


def test_neighbouring_slices_meet():
    edges = [splits.bounds(f"t[{p}%:{p + 10}%]", 99) for p in range(0, 100, 10)]
    assert [start for start, _ in edges[1:]] == [stop for _, stop in edges[:-1]]


@pytest.mark.parametrize(
    "split, message",
    [
        ("train[:200]", "beyond the 100 examples"),
        ("train[:101%]", "beyond the 100 examples"),
        ("train[-101:]", "beyond"),
        ("train[5:5]", "is empty"),
        ("train[60%:40%]", "is empty"),
        ("train[3]", "not understood"),
        ("train[:1.5]", "not understood"),
        ("train+test", "not understood"),
        ("", "not understood"),
    ],
)
def test_mistakes(split, message):
    with pytest.raises(errors.UserError, match=message):
        splits.bounds(split, 100)
