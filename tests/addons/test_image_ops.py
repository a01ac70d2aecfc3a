"""Ours beside tensorflow-addons itself: run by `make test-addons`.

`.venv-addons/bin/python -m pytest tests/addons --write-goldens` writes what
addons returns to the goldens that the ordinary tests check.
"""

import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import addons_cases
from tfnoisy.augment import image_ops

tensorflow_addons = pytest.importorskip(
    "tensorflow_addons", reason="tensorflow-addons: see make test-addons"
)
addons = tensorflow_addons.image

GOLDENS = pathlib.Path(__file__).parents[1] / "goldens" / "addons_image_ops.npz"
NUM_IMAGES = 100
# The least share of pixels that are equal by addons' conventions.  Where the
# source is half-way between two pixels, as a shear's often is, or a smoothed
# value an integer, rounding errors decide.
LEAST_EQUAL = {
    "rotate": 0.999,
    "shear_x": 0.99,
    "shear_y": 0.99,
    "transform": 0.999,
    "sharpness": 0.9,
}


def cifar_images():
    """Reads CIFAR-10's test images, without TFDS."""
    folder = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    files = sorted(
        pathlib.Path(folder)
        .expanduser()
        .glob("cifar10/*/cifar10-test.tfrecord-*")
    )
    if not files:
        pytest.skip(f"CIFAR-10 is not in {folder}")
    records = tf.data.TFRecordDataset([str(file) for file in files])
    feature = {"image": tf.io.FixedLenFeature([], tf.string)}
    return np.stack(
        [
            tf.io.decode_png(tf.io.parse_example(record, feature)["image"])
            for record in records.take(NUM_IMAGES)
        ]
    )


@pytest.fixture(
    params=[
        "generated",
        "oblong",
        pytest.param("cifar", marks=pytest.mark.cifar),
    ]
)
def images(request):
    if request.param == "cifar":
        return cifar_images()
    generated = addons_cases.generated_images(NUM_IMAGES)
    return generated[:20, :21] if request.param == "oblong" else generated


def test_the_versions():
    assert tensorflow_addons.__version__ == "0.23.0"
    assert tf.__version__.startswith("2.15.")


def test_agrees_but_for_the_conventions(images, capsys, request):
    rows = {}
    for case in addons_cases.TABLE:
        theirs = addons_cases.run_addons(addons, case, images)
        candidates = case.candidates(images)
        row = rows.setdefault(case.operation, [])
        row.append([])
        for ours in (case.as_named(images), candidates[0]):
            difference = np.abs(np.asarray(ours).astype(int) - theirs)
            difference = difference.max(axis=-1)
            row[-1] += [
                np.mean(difference == 0),
                np.mean(difference <= 1),
                difference.max(),
            ]
        row[-1].append(np.mean(addons_cases.explained(candidates, theirs)))
    lines = [
        f"\n{request.node.callspec.id}: shares of pixels\n{'':14}"
        f"{'as named':>36}{'by the conventions of addons':>38}\n"
        f"{'operation':14}magnitudes    equal within 1 largest"
        "     equal within 1 largest explained"
    ]
    wrong = []
    for operation, row in rows.items():
        values = np.array(row)
        shares = values.mean(axis=0)
        largest = values.max(axis=0).astype(int)
        lines.append(
            f"{operation:14}{len(row):10} "
            f"{shares[0]:8.3%} {shares[1]:8.3%} {largest[2]:7}  "
            f"{shares[3]:8.3%} {shares[4]:8.3%} {largest[5]:7}  "
            f"{shares[6]:8.3%}"
        )
        least = LEAST_EQUAL.get(operation, 1.0)
        if shares[3] < least or values[:, 6].min() < 1.0:
            wrong.append(operation)
    with capsys.disabled():
        print("\n".join(lines))
    assert not wrong


def test_rotations_have_the_same_centre():
    degrees = np.linspace(-180.0, 180.0, 25)
    ours = image_ops.rotation_matrices(degrees, 21, 32).numpy()
    theirs = addons.angles_to_projective_transforms(
        np.radians(degrees), 21.0, 32.0
    ).numpy()[:, :6]
    # From a pixel's centre to its outer edge.
    theirs[:, 2] -= (theirs[:, 0] + theirs[:, 1] - 1) / 2
    theirs[:, 5] -= (theirs[:, 3] + theirs[:, 4] - 1) / 2
    np.testing.assert_allclose(theirs, ours, atol=1e-5)


@pytest.mark.parametrize("offset", [(40, 16), (16, -20)])
def test_a_cutout_outside_is_for_ours_alone(offset):
    # Centres beyond the border cannot be drawn with addons: it fails
    # where the square does not touch the image.
    images = addons_cases.generated_images(2)
    with pytest.raises(tf.errors.InvalidArgumentError):
        addons.cutout(images, 8, offset)
    ours = addons_cases.cutout(*offset, 8).as_named(images)
    np.testing.assert_array_equal(ours, images)


def test_goldens_are_what_addons_returns(request):
    images = addons_cases.generated_images(addons_cases.NUM_GOLDEN_IMAGES)
    theirs = {
        case.name: addons_cases.run_addons(addons, case, images)
        for case in addons_cases.GOLDENS
    }
    if request.config.getoption("--write-goldens"):
        differing = [
            addons_cases.num_differing(case, images, theirs[case.name])
            for case in addons_cases.GOLDENS
        ]
        np.savez_compressed(GOLDENS, differing=differing, **theirs)
    goldens = np.load(GOLDENS)
    assert set(goldens) == {"differing", *theirs}
    for case in addons_cases.GOLDENS:
        # Another processor may decide otherwise where float32 decides.
        candidates = case.candidates(images)
        decided = np.all(candidates == candidates[0], axis=0)
        np.testing.assert_array_equal(
            theirs[case.name][decided],
            goldens[case.name][decided],
            case.name,
        )
