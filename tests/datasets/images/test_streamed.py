import dataclasses
import re
import types

import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.audit import label_quality, report
from tfnoisy.augment import standard
from tfnoisy.datasets import load, pipeline, probe
from tfnoisy.datasets.images import streamed
from tfnoisy.datasets.sources import tfrecords
from tfnoisy.noise import manifest
from tfnoisy.serving.export import lite

STREAM = {"cache_mib": 0}


def save_photograph(path, seed, size=(11, 9)):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, [*size[::-1], 3]).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Two classes of 12 photographs of several sizes, PNG and JPEG."""
    root = tmp_path_factory.mktemp("own")
    for k in range(24):
        path = (
            root / "train" / "ab"[k % 2] / f"{k:02}.{['png', 'jpg'][k % 3 > 0]}"
        )
        save_photograph(path, k, (8 + k % 4, 8 + k % 3))
    return root


@pytest.fixture(scope="module")
def records(own, tmp_path_factory):
    """The same images as TFRecords of their own size, 8 x 8."""
    root = tmp_path_factory.mktemp("records")
    data = load.load("folder", "train", data_dir=str(own), image_size=8)
    tfrecords.write(
        dataclasses.replace(data, clean_labels=data.given_labels), "train", root
    )
    return root


@pytest.fixture(scope="module", params=["folder", "records"])
def both(request, own, records):
    """A data set in memory, and the same one streamed."""
    root = {"folder": own, "records": records}[request.param]

    def read(**options):
        data = load.load(
            "folder", "train", data_dir=str(root), image_size=8, **options
        )
        return dataclasses.replace(data, clean_labels=data.given_labels)

    held, stream = read(), read(**STREAM)
    assert isinstance(held.images, np.ndarray)
    assert isinstance(stream.images, streamed.StreamedImages)
    return held, stream


def batches_of(batches, count=9):
    return [
        {name: value.numpy() for name, value in batch.items()}
        for batch in batches.take(count)
    ]


def assert_same(found, expected):
    assert len(found) == len(expected) > 0
    for batch, other in zip(found, expected):
        assert batch.keys() == other.keys()
        for name in batch:
            np.testing.assert_array_equal(batch[name], other[name])


def test_what_fits_is_held(own):
    """24 images of 8 x 8 x 3 are 4,608 bytes."""
    for mib, kind in ((4608 / 2**20, np.ndarray), (4607 / 2**20, None)):
        images = load.load(
            "folder", "train", data_dir=str(own), image_size=8, cache_mib=mib
        ).images
        assert isinstance(images, kind or streamed.StreamedImages)
        assert images.nbytes == 4608


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(20, 3, -4),
        np.array([5, 0, 5]),
        np.arange(24) % 5 == 0,
        [7],
        3,
        -1,
        np.array([], int),
    ],
)
def test_looks_like_an_array(both, rows):
    held, stream = (data.images for data in both)
    assert (stream.shape, stream.dtype, stream.ndim, len(stream)) == (
        held.shape,
        held.dtype,
        held.ndim,
        len(held),
    )
    found = stream[rows]
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, held[rows])


def test_iterates_and_becomes_an_array(both, monkeypatch):
    held, stream = (data.images for data in both)
    monkeypatch.setattr(streamed, "_CHUNK_IMAGES", 5)
    np.testing.assert_array_equal(np.stack(list(stream)), held)
    np.testing.assert_array_equal(np.asarray(stream), held)


def test_a_part_of_a_part(both):
    held, _ = both
    odd = np.arange(24) % 2 == 1
    parts = [data.take(odd).take(np.array([9, 2])) for data in both]
    assert isinstance(parts[1].images, streamed.StreamedImages)
    np.testing.assert_array_equal(parts[1].images[:], held.images[[19, 5]])
    assert parts[1].ids.tolist() == parts[0].ids.tolist() == [19, 5]


def training_data(data, probe_set=None):
    views = standard.get("standard", (8, 8, 3))
    return pipeline.TrainingData(
        data, views, 5, seed=3, strong=views, probe=probe_set
    )


def test_all_batches_are_the_same(both):
    """Shuffled, strong, probe, epochs of some rows, in order: all of them."""
    sets = []
    for data in both:
        trusted, rest = probe.hold_out(data, 0.2, seed=1)
        sets.append(training_data(rest, trusted))
    held, stream = sets
    rows = np.array([1, 3, 4, 7, 8, 11, 2])

    def streams(data):
        yield data.batches()
        yield data.batches(first_batch=7)
        yield data.epoch_batches((1, 0), rows, num_views=2)
        yield data.epoch_batches((1, 0), rows, repeat=True, first_batch=3)
        yield data.evaluation_batches(6)
        yield data.training_view_batches(6, (2,))

    for found, expected in zip(streams(stream), streams(held)):
        assert_same(batches_of(found), batches_of(expected))


@pytest.mark.parametrize(
    "spec", ["symmetric:0.4", "instance:0.5", "pairflip:1"]
)
def test_noise_is_the_same(both, spec):
    held, stream = (manifest.inject(data, spec, seed=1) for data in both)
    assert stream.sha256() == held.sha256()
    assert (held.given_labels != held.clean_labels).any()


def test_open_set_noise_wants_memory(both):
    held, stream = both
    other = dataclasses.replace(held, name="other")
    noise = manifest.inject(stream, "openset:0.5:other", 1, lambda _: other)
    with pytest.raises(errors.UserError, match="streamed: raise --cache_mib"):
        noise.apply(stream, lambda _: other)


def test_writing_what_is_streamed(both, tmp_path):
    held, stream = both
    named = dataclasses.replace(stream, name="own")
    tfrecords.write(named, "train", tmp_path)
    again = tfrecords.read("own", "train", data_dir=tmp_path)
    np.testing.assert_array_equal(again.images, held.images)


def test_the_report_of_an_audit_shows_the_same_images(both):
    held, stream = both
    found = label_quality.LabelQuality.from_losses(
        ids=held.ids,
        given_labels=held.given_labels,
        predicted_labels=1 - held.given_labels,
        num_classes=2,
        losses=np.linspace(0, 5, 24) ** 2,
    )
    shown = report.render(found, stream)
    assert shown.count("data:image/png") > 5
    assert shown == report.render(found, held)


def test_the_same_images_calibrate_a_quantised_model(both):
    seen = []
    for data in both:
        converter = types.SimpleNamespace(target_spec=types.SimpleNamespace())
        lite._quantise(converter, "int8", data.images)
        seen.append([image for [image] in converter.representative_dataset()])
    assert len(seen[0]) == 24 and seen[0][0].shape == (1, 8, 8, 3)
    np.testing.assert_array_equal(seen[1], seen[0])


@pytest.fixture
def cut_short(tmp_path):
    """Six photographs, of which the second ends too early: streamed."""
    for k in range(6):
        save_photograph(tmp_path / f"train/a/{k}.jpg", k)
    data = load.load("folder", "train", data_dir=str(tmp_path), **STREAM)
    whole = (tmp_path / "train/a/1.jpg").read_bytes()
    (tmp_path / "train/a/1.jpg").write_bytes(whole[:-60])
    return data


def test_a_broken_image_is_named_where_it_is_read(cut_short, capfd):
    assert cut_short.images[[0, 2]].shape == (2, 9, 11, 3)
    with pytest.raises(
        streamed.BrokenImages, match=r": train/a/1.jpg: broken image$"
    ):
        cut_short.images[:3]
    with pytest.raises(streamed.BrokenImages, match=r"/1.jpg: broken image$"):
        cut_short.images[1]
    # Nor does TensorFlow say it a second time.
    assert capfd.readouterr().err == ""


def test_a_broken_image_in_a_pipeline(cut_short, tmp_path):
    (tmp_path / "train/a/4.jpg").unlink()
    views = standard.get("none", (9, 11, 3))
    with (
        pytest.raises(
            streamed.BrokenImages,
            match=r": 2 problems: \S+/1.jpg: broken image; \S+/4.jpg: bro",
        ),
        streamed.naming_broken(cut_short.images),
    ):
        for _ in pipeline.evaluation_batches(cut_short, views, 2):
            pass


def test_an_image_that_can_be_read_after_all(cut_short, tmp_path):
    views = standard.get("none", (9, 11, 3))
    with (
        pytest.raises(streamed.BrokenImages, match="and now all can: "),
        streamed.naming_broken(cut_short.images),
    ):
        try:
            for _ in pipeline.evaluation_batches(cut_short, views, 2):
                pass
        finally:
            save_photograph(tmp_path / "train/a/1.jpg", 1)


def test_other_errors_are_not_the_images(cut_short):
    with (
        pytest.raises(ZeroDivisionError),
        streamed.naming_broken(cut_short.images),
    ):
        raise ZeroDivisionError


def test_a_broken_record_is_named(records, tmp_path):
    for file in records.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    data = load.load("folder", "train", data_dir=str(tmp_path), **STREAM)
    file = tmp_path / "folder_train-00002-of-00010"
    contents = file.read_bytes()
    # The second record's image: the first begins with the signature too.
    second = [m.start() for m in re.finditer(b"\x89PNG", contents)][1]
    file.write_bytes(contents[:second] + b"?" + contents[second + 1 :])
    with pytest.raises(
        streamed.BrokenImages,
        match=r": \S+/folder_train-00002-of-00010: record 2: broken image, or "
        "not of 8x8 pixels and 3 channels",
    ):
        data.images[:]
