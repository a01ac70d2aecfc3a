import numpy as np

from tfnoisy.audit import geometry, head, label_errors


def test_equals_a_ridge_regression_in_full():
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(60, 8)), rng.random((60, 3))
    measured = geometry.measure(features)
    fitted = head.ridge(measured, targets, 0.7)
    design = np.hstack([np.ones([60, 1]), measured.unit])
    shrink = 0.7 * np.eye(9)
    shrink[0, 0] = 0
    wanted = design @ np.linalg.solve(
        design.T @ design + shrink, design.T @ targets
    )
    np.testing.assert_allclose(fitted.scores(features), wanted, atol=1e-4)


def test_wrong_labels_do_little_harm():
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(3, 10))
    labels = np.arange(600) % 3
    features = centres[labels] + 0.6 * rng.normal(size=(600, 10))
    given = np.where(rng.random(600) < 0.4, (labels + 1) % 3, labels)
    measured = geometry.measure(features[:300])
    found = label_errors.find_label_errors(
        given[:300], features[:300], measured=measured
    )
    fitted = head.ridge(measured, found.posterior, found.penalty)
    assert np.mean(fitted.predict(features[300:]) == labels[300:]) > 0.9
