import dataclasses

import numpy as np
import pytest
from sklearn import datasets as sklearn_datasets

from tfnoisy import errors, output_file
from tfnoisy.datasets import dataset
from tfnoisy.noise import manifest, manifest_file

ALL = [
    "none",
    "symmetric:0.4",
    "symmetric_exclusive:0.4",
    "asymmetric:0.4",
    "pairflip:0.4",
    "instance:0.4",
    "human:worse",
    "openset:0.4:letters",
    "dividemix_sym:0.4",
]
BY_ID = [text for text in ALL if not text.startswith("dividemix")]


@pytest.fixture(scope="module")
def digits():
    bunch = sklearn_datasets.load_digits()
    labels = bunch.target.astype(np.int64)
    return dataset.ImageDataset(
        name="digits",
        images=(bunch.images[..., None] * 15.9375).astype(np.uint8),
        given_labels=labels,
        clean_labels=labels,
        ids=np.arange(len(labels)),
        class_names=tuple("0123456789"),
        mirror=False,
        human_labels={"worse": (labels * 7 + 3) % 10},
    )


def load_source(name):
    assert name == "letters"
    generator = np.random.default_rng(0)
    return dataset.ImageDataset(
        name=name,
        images=generator.integers(0, 255, [60, 12, 10, 3]).astype(np.uint8),
        given_labels=np.arange(60) % 3,
        clean_labels=np.arange(60) % 3,
        ids=np.arange(60),
        class_names=("a", "b", "c"),
    )


def _same(one, two):
    assert np.array_equal(one.ids, two.ids)
    assert np.array_equal(one.given_labels, two.given_labels)
    assert np.array_equal(one.clean_labels, two.clean_labels)
    assert np.array_equal(one.images, two.images)


@pytest.mark.parametrize("text", ALL)
def test_round_trip_and_determinism(digits, text, tmp_path):
    made = manifest.inject(digits, text, 1, load_source)
    again = manifest.inject(digits, text, 1, load_source)
    assert made.to_bytes() == again.to_bytes()
    made.save(tmp_path / "noise.npz")
    assert (tmp_path / "noise.npz").read_bytes() == made.to_bytes()
    loaded = manifest.NoiseManifest.load(tmp_path / "noise.npz")
    assert loaded.sha256() == made.sha256()
    for field in dataclasses.fields(made):
        one, two = getattr(made, field.name), getattr(loaded, field.name)
        assert type(one) is type(two), field.name
        assert np.array_equal(one, two), field.name
        if isinstance(one, np.ndarray):
            assert one.dtype == two.dtype == np.int64, field.name
    assert loaded.spec == text
    _same(made.apply(digits, load_source), loaded.apply(digits, load_source))


@pytest.mark.parametrize("text", BY_ID)
def test_a_slice_gets_the_restriction_of_the_wholes_noise(digits, text):
    whole = manifest.inject(digits, text, 1, load_source)
    rows = np.array([900, 3, 17, 44, 45, 46, 1200, 0])
    part = manifest.inject(digits.take(rows), text, 1, load_source)
    order = np.sort(rows)
    assert np.array_equal(part.ids, order)
    assert np.array_equal(part.given_labels, whole.given_labels[order])
    assert np.array_equal(part.clean_labels, whole.clean_labels[order])
    noisy = whole.apply(digits, load_source)
    _same(noisy.take(rows), part.apply(digits.take(rows), load_source))
    _same(noisy.take(rows), whole.apply(digits.take(rows), load_source))


@pytest.mark.parametrize("text", ALL)
def test_the_order_of_the_rows_changes_nothing(digits, text):
    rows = np.arange(len(digits))[::-1]
    made = manifest.inject(digits, text, 1, load_source)
    turned = manifest.inject(digits.take(rows), text, 1, load_source)
    assert turned.sha256() == made.sha256()
    applied = made.apply(digits.take(rows), load_source)
    _same(applied, made.apply(digits, load_source).take(rows))


def test_seeds_and_kinds_differ(digits):
    hashes = {
        manifest.inject(digits, text, seed, load_source).sha256()
        for text in BY_ID
        for seed in (1, 2)
    }
    assert len(hashes) == 2 * len(BY_ID)


@pytest.mark.parametrize(
    "text, rate",
    [
        ("none", 0),
        ("symmetric:0.4", 0.36),
        ("symmetric_exclusive:0.4", 0.4),
        ("asymmetric:0.4", 0.4),
        ("pairflip:0.4", 0.4),
        ("instance:0.4", 0.4),
        ("openset:0.4:letters", 0.4),
        ("dividemix_sym:0.4", 0.36),
    ],
)
def test_measured_rates(digits, text, rate):
    made = manifest.inject(digits, text, 5, load_source)
    bound = 4.5 * np.sqrt(rate * (1 - rate) / len(digits))
    assert abs(made.measured_rate() - rate) <= bound


def test_transition_matrix_is_the_conditional_share(digits):
    made = manifest.inject(digits, "symmetric:0.4", 5)
    matrix = made.transition_matrix()
    assert matrix.shape == (10, 10)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    for clean in (0, 7):
        of_class = made.given_labels[made.clean_labels == clean]
        assert matrix[clean, 4] == np.mean(of_class == 4)
    ring = manifest.inject(digits, "pairflip:1", 5).transition_matrix()
    assert np.array_equal(ring, np.roll(np.eye(10), 1, axis=1))
    absent = digits.take(digits.clean_labels != 3)
    matrix = manifest.inject(absent, "none", 5).transition_matrix()
    assert matrix[3].tolist() == [0] * 10


def test_instance_noise_looks_at_the_image(digits):
    made = manifest.inject(digits, "instance:0.5", 1)
    other = dataclasses.replace(digits, images=255 - digits.images)
    turned = manifest.inject(other, "instance:0.5", 1)
    wrong = made.given_labels != made.clean_labels
    wrong &= turned.given_labels != turned.clean_labels
    assert wrong.sum() > 100
    # The draws are the ids', the classes flipped to are the images'.
    same = made.given_labels[wrong] == turned.given_labels[wrong]
    assert same.mean() < 0.6
    one = dataclasses.replace(digits, images=digits.images.copy())
    one.images[0] = 255 - one.images[0]
    moved = manifest.inject(one, "instance:0.5", 1)
    assert np.array_equal(moved.given_labels[1:], made.given_labels[1:])


def test_open_set_replaces_images_and_keeps_labels(digits):
    made = manifest.inject(digits, "openset:0.3:letters", 2, load_source)
    noisy = made.apply(digits, load_source)
    replaced = made.source_ids >= 0
    assert 0.25 < replaced.mean() < 0.35
    assert np.array_equal(noisy.given_labels, digits.given_labels)
    assert np.array_equal(noisy.clean_labels == -1, replaced)
    changed = np.any(noisy.images != digits.images, axis=(1, 2, 3))
    assert np.array_equal(changed, replaced)
    assert made.source_name == "letters"
    assert np.all(made.transition_matrix() == np.eye(10))


def test_open_set_refuses_another_version_of_the_source(digits):
    made = manifest.inject(digits, "openset:0.3:letters", 2, load_source)
    with pytest.raises(errors.UserError, match="another version of letters"):
        made.apply(digits, lambda name: load_source(name).take(np.arange(50)))
    with pytest.raises(ValueError, match="needs load_source"):
        made.apply(digits)
    with pytest.raises(ValueError, match="needs load_source"):
        manifest.inject(digits, "openset:0.3:letters", 2)
    with pytest.raises(errors.UserError, match="no default source"):
        manifest.inject(digits, "openset:0.3", 2, load_source)


def test_the_default_source_is_written_into_the_spec(digits):
    toy = dataclasses.replace(digits, name="cifar10")
    made = manifest.inject(
        toy, "openset:0.3", 2, lambda _: load_source("letters")
    )
    assert made.spec == "openset:0.3:cifar100"


def test_noise_needs_clean_labels(digits):
    unknown = dataclasses.replace(digits, clean_labels=None)
    noisy = manifest.inject(digits, "symmetric:0.4", 1).apply(digits)
    for data in (unknown, noisy):
        with pytest.raises(errors.UserError, match="not known to be clean"):
            manifest.inject(data, "symmetric:0.4", 1)
        kept = manifest.inject(data, "none", 1)
        assert np.array_equal(kept.given_labels, data.given_labels)
        _same(kept.apply(data), data)
    assert manifest.inject(noisy, "none", 1).measured_rate() > 0.3
    kept = manifest.inject(unknown, "none", 1)
    assert kept.clean_labels is None
    assert kept.measured_rate() is None and kept.transition_matrix() is None
    assert kept.apply(unknown).clean_labels is None


@pytest.mark.parametrize("text", ["none", "symmetric:0.4"])
def test_other_data_are_refused_in_one_line(digits, text):
    made = manifest.inject(digits, text, 1)
    labels = digits.given_labels.copy()
    labels[5] = (labels[5] + 1) % 10
    changes = {
        "1 of 1797 differ, e.g. id 5": {
            "given_labels": labels,
            "clean_labels": labels,
        },
        "lacks 1 of the 1797 ids of digits, e.g. 1797": {"ids": digits.ids + 1},
        "has 10 classes, digits 11": {"class_names": tuple("0123456789a")},
    }
    for said, change in changes.items():
        with pytest.raises(errors.UserError) as caught:
            made.apply(dataclasses.replace(digits, **change))
        assert said in str(caught.value) and "\n" not in str(caught.value)
    part = manifest.inject(digits.take(np.arange(1700)), text, 1)
    with pytest.raises(errors.UserError, match="lacks 97 of the 1797 ids"):
        part.apply(digits)


def test_noise_is_not_applied_twice(digits):
    made = manifest.inject(digits, "symmetric:0.4", 1)
    with pytest.raises(errors.UserError, match="made for other labels"):
        made.apply(made.apply(digits))


def test_damaged_contents_are_refused(digits, tmp_path):
    made = manifest.inject(digits, "openset:0.3:letters", 1, load_source)
    damages = [
        {"ids": made.ids[::-1]},
        {"ids": made.ids[:5]},
        {"given_labels": made.given_labels + 5},
        {"given_labels": made.given_labels - 5},
        {"clean_labels": made.clean_labels - 5},
        {"clean_labels": None},
        {"source_ids": None},
        {"source_ids": made.source_ids[:5]},
        {"spec": "symmetric:0.4"},
        {"spec": "no kind"},
        {"spec": "symmetric:nonsense"},
    ]
    path = tmp_path / "noise.npz"
    for damage in damages:
        dataclasses.replace(made, **damage).save(path)
        with pytest.raises(errors.UserError, match="damaged noise manifest"):
            manifest.NoiseManifest.load(path)
    output_file.write(path, manifest_file.to_bytes({"ids": made.ids}))
    with pytest.raises(errors.UserError, match="damaged noise manifest"):
        manifest.NoiseManifest.load(path)


def test_describe_tells_rate_and_matrix(digits):
    text = manifest.inject(digits, "symmetric:0.4", 1).describe()
    assert "noise symmetric:0.4, seed 1, on digits: 1797 labels" in text
    assert "measured rate: 0.3" in text
    assert len(text.splitlines()) == 14


@pytest.mark.cifar
def test_cifar10n_has_the_published_rates():
    tfds = pytest.importorskip("tensorflow_datasets")
    sets = ["worse_label", "aggre_label"]
    sets += [f"random_label{k}" for k in (1, 2, 3)]
    wanted = dict.fromkeys(["id", "label", *sets], True)
    try:
        split = tfds.load(
            "cifar10_n",
            split="train",
            download=False,
            decoders=tfds.decode.PartialDecoding(wanted),
        )
    except Exception as error:
        pytest.skip(f"cifar10_n is not in the TFDS directory: {error!r:.80}")
    rows = next(iter(split.batch(60000).as_numpy_iterator()))
    human = {name.replace("_label", ""): rows[name] for name in sets}
    if np.mean(human["aggre"] != rows["label"]) > 0.3:
        # TFDS reads its CSV by position, so a CSV whose columns are not in
        # CIFAR-10N's order (aggre before worse) swaps these two.
        human["aggre"], human["worse"] = human["worse"], human["aggre"]
    clean = rows["label"].astype(np.int64)
    data = dataset.ImageDataset(
        name="cifar10_n",
        images=np.zeros([len(clean), 1, 1, 3], np.uint8),
        given_labels=clean,
        clean_labels=clean,
        ids=np.array([int(t.rsplit(b"_", 1)[1]) for t in rows["id"]]),
        class_names=tuple("0123456789"),
        human_labels={k: v.astype(np.int64) for k, v in human.items()},
    )
    # Wei et al. 2022, table 1.
    published = {
        "worse": 0.4021,
        "aggre": 0.0903,
        "random1": 0.1723,
        "random2": 0.1812,
        "random3": 0.1764,
    }
    for name, rate in published.items():
        made = manifest.inject(data, f"human:{name}", 1)
        assert abs(made.measured_rate() - rate) < 3e-4, name
