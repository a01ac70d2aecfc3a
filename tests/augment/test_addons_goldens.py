"""Every operation against what tensorflow-addons returned.

`tests/addons` wrote the goldens with the real library; `addons_cases` there
says where the conventions differ from Pillow's, which ours are.
"""

import pathlib

import numpy as np
import pytest

import addons_cases

ROOT = pathlib.Path(__file__).parents[2]
GOLDENS = ROOT / "tests/goldens/addons_image_ops.npz"
# As named, with no half-way sources and no rounding.
BIT_FOR_BIT = (
    "rotate(-30)",
    "rotate(15.4)",
    "rotate(90)",
    "translate_x(3)",
    "translate_y(-10)",
    "translate_xy(-4, 7)",
    "equalize()",
    "cutout(5, 20, 16)",
    "cutout(0, 31, 8)",
)


@pytest.fixture(scope="module")
def images():
    return addons_cases.generated_images(addons_cases.NUM_GOLDEN_IMAGES)


@pytest.fixture(scope="module")
def goldens():
    return dict(np.load(GOLDENS))


@pytest.mark.parametrize(
    "index",
    range(len(addons_cases.GOLDENS)),
    ids=[case.name for case in addons_cases.GOLDENS],
)
def test_differs_by_the_conventions_alone(index, images, goldens):
    case = addons_cases.GOLDENS[index]
    theirs = goldens[case.name]
    assert addons_cases.explained(case.candidates(images), theirs).all()
    differing = addons_cases.num_differing(case, images, theirs)
    np.testing.assert_array_equal(differing, goldens["differing"][index])
    if case.name in BIT_FOR_BIT:
        np.testing.assert_array_equal(case.as_named(images), theirs)


def test_addons_rounds_blends_where_ours_truncate(images, goldens):
    blends = [c for c in addons_cases.GOLDENS if c.operation == "blend"]
    for case in blends:
        difference = goldens[case.name] - case.as_named(images).numpy()
        assert set(np.unique(difference)) == {0, 1}, case.name


def test_addons_shears_about_the_first_row(images, goldens):
    # Its ninth row shows 0.3 * 8 = 2.4 pixels further; ours 0.3 * 8.5 = 2.55.
    theirs = goldens["shear_x(0.3)"]
    ours = addons_cases.shear("x", 0.3).as_named(images)
    np.testing.assert_array_equal(theirs[:, 8, :-2], images[:, 8, 2:])
    np.testing.assert_array_equal(ours[:, 8, :-3], images[:, 8, 3:])


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("rotate(-30)", addons_cases.rotate(-29.9)),
        ("rotate(12)", addons_cases.rotate(12.1)),
        ("rotate(45)", addons_cases.rotate(-45.0)),
        ("shear_x(0.06)", addons_cases.shear("x", 0.065)),
        ("shear_y(-0.3)", addons_cases.shear("y", -0.295)),
        ("translate_x(-2.5)", addons_cases.translate("x", -2.45)),
        ("transform(3)", addons_cases.transform(4)),
        ("sharpness(0.1)", addons_cases.sharpness(0.11)),
        ("sharpness(1.9)", addons_cases.sharpness(1.89)),
    ],
)
def test_conventions_do_not_explain_other_arguments(
    name, other, images, goldens
):
    candidates = other.candidates(images)
    assert not addons_cases.explained(candidates, goldens[name]).all()
