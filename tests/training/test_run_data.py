import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.training import run_data


def options(**kwargs):
    return run_data.DataOptions(dataset_name="digits", **kwargs)


def test_noise_touches_training_labels_only():
    data = run_data.load(options(noise="symmetric:0.4", noise_seed=3))
    wrong = data.train.given_labels != data.train.clean_labels
    assert abs(wrong.mean() - 0.36) < 0.05
    np.testing.assert_array_equal(
        data.test.given_labels, data.test.clean_labels
    )
    assert data.holdout is None
    assert data.manifest.measured_rate() == wrong.mean()


def test_the_held_out_share_is_noisy_and_apart():
    data = run_data.load(options(noise="symmetric:0.4", holdout=0.1, seed=2))
    assert len(data.holdout) == round(
        0.1 * (len(data.train) + len(data.holdout))
    )
    assert not set(data.holdout.ids) & set(data.train.ids)
    assert (data.holdout.given_labels != data.holdout.clean_labels).any()
    other = run_data.load(options(noise="symmetric:0.4", holdout=0.1, seed=3))
    assert set(other.holdout.ids) != set(data.holdout.ids)


def test_a_slice_keeps_its_labels():
    whole = run_data.load(options(noise="symmetric:0.4", noise_seed=3))
    part = run_data.load(
        options(noise="symmetric:0.4", noise_seed=3, train_split="train[:20%]")
    )
    labels = dict(zip(whole.train.ids, whole.train.given_labels))
    assert 0 < len(part.train) < len(whole.train)
    for example, label in zip(part.train.ids, part.train.given_labels):
        assert labels[example] == label


def test_a_manifest_replaces_the_noise(tmp_path):
    made = run_data.load(options(noise="symmetric:0.4", noise_seed=3))
    made.manifest.save(tmp_path / "m.npz")
    again = run_data.load(options(noise_manifest=str(tmp_path / "m.npz")))
    np.testing.assert_array_equal(
        again.train.given_labels, made.train.given_labels
    )
    assert again.manifest.sha256() == made.manifest.sha256()


def test_options_from_a_run_folders_flags():
    made = run_data.DataOptions.from_flags(
        {
            "dataset_name": "digits",
            "image_size": "16",
            "holdout": "0.25",
            "noise": "pairflip:0.2",
            "studentnet": "small_cnn",
        }
    )
    assert made == options(image_size=16, holdout=0.25, noise="pairflip:0.2")


def test_a_manifest_of_the_whole_serves_a_part(tmp_path):
    made = run_data.load(options(noise="symmetric:0.4", noise_seed=3))
    made.manifest.save(tmp_path / "m.npz")
    part = run_data.load(
        options(
            noise_manifest=str(tmp_path / "m.npz"), train_split="train[:20%]"
        )
    )
    wrong = part.train.given_labels != part.train.clean_labels
    assert part.manifest.measured_rate() == wrong.mean()
    np.testing.assert_array_equal(part.manifest.ids, np.sort(part.train.ids))
    direct = run_data.load(
        options(noise="symmetric:0.4", noise_seed=3, train_split="train[:20%]")
    )
    assert part.manifest.sha256() == direct.manifest.sha256()


def test_a_manifest_that_contradicts_the_noise_is_refused(tmp_path):
    made = run_data.load(options(noise="symmetric:0.4"))
    path = tmp_path / "m.npz"
    made.manifest.save(path)
    with pytest.raises(errors.UserError, match="contradicts"):
        run_data.load(options(noise="symmetric:0.2", noise_manifest=str(path)))


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(errors.UserError, match="--holdout"):
        run_data.load(options(holdout=share))
