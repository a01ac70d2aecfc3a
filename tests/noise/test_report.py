import numpy as np
import pytest

from tfnoisy.noise import manifest, report


def _manifest(given, clean, num_classes, **changes):
    fields = {
        "ids": np.arange(len(given)),
        "given_labels": np.array(given),
        "clean_labels": None if clean is None else np.array(clean),
        "spec": "symmetric:0.5",
        "seed": 3,
        "num_classes": num_classes,
        "labels_sha256": "00",
        "dataset_name": "toy",
    }
    return manifest.NoiseManifest(**(fields | changes))


def test_a_small_matrix_is_told_in_full():
    text = report.describe(_manifest([0, 1, 1, 1], [0, 0, 1, 1], 2))
    assert text.splitlines() == [
        "noise symmetric:0.5, seed 3, on toy: 4 labels, 2 classes",
        "measured rate: 0.2500 (1 wrong)",
        "transition matrix, P(given | clean), a row for each clean class:",
        "          0     1",
        "    0 0.500 0.500",
        "    1     . 1.000",
    ]


def test_a_big_matrix_is_abbreviated():
    clean = np.arange(200) % 20
    given = clean.copy()
    given[[3, 23]] = 7
    given[5] = 6
    text = report.describe(_manifest(given, clean, 20))
    assert "diagonal mean 0.985, min 0.800 (class 3), max 1.000" in text
    assert "largest flips: 3->7 0.200, 5->6 0.100" in text.splitlines()[-1]
    assert len(text.splitlines()) == 4
    unchanged = report.describe(_manifest(clean, clean, 20))
    assert "largest flips" not in unchanged


def test_unknown_truth_and_replaced_images():
    text = report.describe(_manifest([0, 1], None, 2, spec="none"))
    assert "measured rate: unknown" in text and "matrix" not in text
    open_set = _manifest(
        [0, 1],
        [0, -1],
        2,
        spec="openset:0.5:svhn",
        source_ids=np.array([-1, 4]),
    )
    text = report.describe(open_set)
    assert "measured rate: 0.5000 (1 wrong)" in text
    assert "1 images are replaced by images of svhn" in text


@pytest.mark.parametrize("spec", ["dividemix_sym:0.2", "symmetric:0.2"])
def test_dividemix_files_are_compared_with_the_published_ones(spec):
    labels = np.arange(20) % 10
    text = report.describe(_manifest(labels, labels, 10, spec=spec))
    assert ("NOT the published" in text) == spec.startswith("dividemix")
