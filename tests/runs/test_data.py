import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.runs import data as run_data


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


def test_a_probe_is_drawn_before_the_noise():
    plain = run_data.load(options(noise="symmetric:0.6", noise_seed=3))
    data = run_data.load(
        options(
            noise="symmetric:0.6",
            noise_seed=3,
            probe_dataset_hold_ratio=0.07,
            seed=1,
        )
    )
    assert data.probe.given_labels.tolist() == list(range(10)) * 10
    assert not set(data.probe.ids) & set(data.train.ids)
    assert len(data.train) == len(plain.train) - 100
    # The others have the labels that they have without a probe.
    labels = dict(zip(plain.train.ids, plain.train.given_labels))
    assert all(
        labels[i] == label
        for i, label in zip(data.train.ids, data.train.given_labels)
    )
    np.testing.assert_array_equal(data.manifest.ids, np.sort(data.train.ids))
    truth = dict(zip(plain.train.ids, plain.train.clean_labels))
    assert [
        truth[i] for i in data.probe.ids
    ] == data.probe.given_labels.tolist()


def test_a_probe_beside_a_held_out_share(tmp_path):
    made = options(
        noise="symmetric:0.4", holdout=0.1, probe_dataset_hold_ratio=0.05
    )
    data = run_data.load(made)
    parts = [set(part.ids) for part in (data.train, data.holdout, data.probe)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1437
    # An evaluation reads the manifest of the run folder.
    data.manifest.save(tmp_path / "m.npz")
    again = run_data.load(
        dataclasses.replace(
            made, noise="none", noise_manifest=str(tmp_path / "m.npz")
        )
    )
    np.testing.assert_array_equal(
        again.train.given_labels, data.train.given_labels
    )
    np.testing.assert_array_equal(again.probe.ids, data.probe.ids)


@pytest.mark.parametrize(
    "name",
    [
        "autoaug",
        "randaug",
        "default",
        "randaugment:2:5",
        "randaugment_promix",
        "autoaugment_cifar10",
        "keras_randaugment:1:0.3",
    ],
)
def test_strong_views_by_name(name):
    data = run_data.load(options(aug_type=name, train_split="train[:40]"))
    [batch] = data.training(8, seed=0).batches().take(1)
    assert batch["images_strong"].shape == (8, 8, 8, 1)
    assert np.abs(batch["images_strong"]).max() <= 1
    assert np.abs(batch["images_strong"] - batch["images"]).max() > 0.1


def test_a_strong_view_of_a_part():
    data = run_data.load(
        options(augment="dividemix_clothing1m", aug_type="autoaug")
    )
    assert data.augmentation.view_shape == (7, 7, 1)
    images = tf.constant(data.train.images[:3])
    moved = data.augmentation.move(images, tf.fill([3, 3], 0.3))
    view = data.strong.train(moved, tf.fill([3, data.strong.num_draws], 0.3))
    assert view.shape == (3, 7, 7, 1)
    # What comes first is of the image itself, and then cropped.
    first = run_data.strong_view(
        "randaugment_promix", data.augmentation, (8, 8, 1), False
    )
    assert first.view_shape == (8, 8, 1)
    with pytest.raises(errors.UserError, match="--aug_type=default would"):
        run_data.load(
            options(augment="dividemix_clothing1m", aug_type="default")
        )


def test_an_unknown_strong_view():
    with pytest.raises(errors.UserError, match="autoaugs"):
        run_data.load(options(aug_type="autoaugs", train_split="train[:40]"))
