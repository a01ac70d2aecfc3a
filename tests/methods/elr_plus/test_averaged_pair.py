import pytest

from tfnoisy.methods.elr_plus import averaged_pair


@pytest.mark.parametrize(
    "step, share",
    [
        (0, 0.006738),
        (391, 0.007426),
        (4000, 0.017422),
        (10000, 0.060055),
        (20000, 0.286505),
        (30000, 0.731616),
        (40000, 1.0),
        (50000, 1.0),
    ],
)
def test_the_ramp_of_the_regulariser(step, share):
    found = float(averaged_pair.ramp_up(float(step), 40000))
    assert found == pytest.approx(share, abs=1e-6)
    assert float(averaged_pair.ramp_up(float(step), 0)) == 1.0


@pytest.mark.parametrize(
    "step, decay",
    [
        (1, 0.006721),
        (391, 0.007406),
        (10000, 0.059886),
        (20000, 0.285681),
        (39999, 0.997),
        (60000, 0.997),
    ],
)
def test_the_ramped_decay(step, decay):
    found = averaged_pair.average_decay(float(step), 0.997, 40000)
    assert float(found) == pytest.approx(decay, abs=1e-6)


@pytest.mark.parametrize(
    "step, decay",
    [
        (1, 0.5),
        (2, 0.666667),
        (10, 0.909091),
        (332, 0.996997),
        (333, 0.997),
        (1000, 0.997),
    ],
)
def test_the_decay_without_a_ramp(step, decay):
    found = averaged_pair.average_decay(float(step), 0.997, None)
    assert float(found) == pytest.approx(decay, abs=1e-6)
