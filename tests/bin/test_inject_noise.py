import functools

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tfnoisy.datasets import load
from tfnoisy.noise import manifest as noise_manifest


@pytest.fixture
def script(run_script):
    return functools.partial(run_script, "inject_noise.py")


@pytest.fixture
def succeed(script):
    def run(*flags):
        result = script(*flags)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def test_digits(tmp_path, script, succeed):
    output_dir = tmp_path / "digits/0.4"
    flags = [
        "--dataset_name=digits",
        "--noise=symmetric:0.4",
        "--noise_seed=1",
        f"--output_dir={output_dir}",
    ]
    printed = succeed(*flags)
    clean = load.load("digits", "train")
    noisy = load.load("digits", "train", data_dir=str(output_dir))
    np.testing.assert_array_equal(noisy.images, clean.images)
    np.testing.assert_array_equal(noisy.clean_labels, clean.given_labels)
    manifest = noise_manifest.inject(clean, "symmetric:0.4", 1)
    np.testing.assert_array_equal(
        noisy.given_labels, manifest.apply(clean).given_labels
    )
    assert printed.startswith(manifest.describe())
    assert f"1437 training examples in {output_dir}" in printed
    assert len(load.load("digits", "test", data_dir=str(output_dir))) == 360

    again = script(*flags)
    assert again.returncode == 2 and again.stdout == ""
    assert again.stderr.splitlines() == [
        f"inject_noise.py: {output_dir} exists already; --overwrite replaces it"
    ]


def test_folder(tmp_path, succeed):
    for name in ("ant", "bee"):
        (tmp_path / "own/train" / name).mkdir(parents=True)
        for k in range(20):
            path = tmp_path / "own/train" / name / f"{k:02}.png"
            Image.new("RGB", (3, 3), (k, 0, 0)).save(path)
    succeed(
        "--dataset_name=folder",
        f"--data_dir={tmp_path}/own",
        "--noise=symmetric_exclusive:0.5",
        "--train_split=train[:75%]",
        "--test_split=train[75%:]",
        f"--output_dir={tmp_path}/out/0.5",
    )
    noisy = load.load("folder", "train", data_dir=f"{tmp_path}/out/0.5")
    assert noisy.class_names == ("ant", "bee") and len(noisy) == 30
    assert noisy.clean_labels.tolist() == [0] * 20 + [1] * 10
    assert 0.2 < np.mean(noisy.given_labels != noisy.clean_labels) < 0.8
    test = load.load("folder", "test", data_dir=f"{tmp_path}/out/0.5")
    assert test.given_labels.tolist() == [1] * 10
    assert test.images[:, 0, 0, 0].tolist() == list(range(10, 20))


@pytest.mark.cifar
def test_cifar100(tmp_path, succeed):
    if not tfds.builder("cifar100").is_prepared():
        pytest.skip("cifar100 is not prepared in the TFDS directory")
    succeed(
        "--noise=symmetric:0.4",
        "--train_split=train[:1%]",
        "--test_split=test[:1%]",
        f"--output_dir={tmp_path}/0.4",
    )
    clean = load.load("cifar100", "train[:1%]")
    noisy = load.load("cifar100", "train", data_dir=f"{tmp_path}/0.4")
    for field in ("images", "ids", "clean_labels", "class_names"):
        np.testing.assert_array_equal(
            getattr(noisy, field), getattr(clean, field)
        )
    rate = np.mean(noisy.given_labels != noisy.clean_labels)
    assert rate == pytest.approx(0.4 * 0.99, abs=0.08)
    test = load.load("cifar100", "test", data_dir=f"{tmp_path}/val")
    assert len(test) == 100
