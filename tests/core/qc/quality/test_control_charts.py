import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.core.quality.control_charts import control_limits


def test_limits_lie_2_66_mean_moving_ranges_from_the_mean():
    # moving ranges 0.02, 0.02, 0.04, 0.02, 0.00: mean 0.02
    limits = control_limits([0.50, 0.52, 0.50, 0.54, 0.52, 0.52])
    assert limits == pytest.approx((0.516667, 0.463467, 0.569867), abs=1e-6)


def test_a_steady_series_has_limits_at_its_mean():
    assert control_limits([0.7] * 6) == pytest.approx((0.7, 0.7, 0.7))


def test_a_sudden_drop_lies_outside():
    limits = control_limits([0.9, 0.91, 0.9, 0.89, 0.9, 0.91, 0.9, 0.9, 0.9, 0.6])
    assert limits.low > 0.6


@given(st.lists(st.floats(0, 1), min_size=6, max_size=30))
def test_limits_are_shares_around_the_mean(values):
    mean, low, high = control_limits(values)
    assert 0 <= low <= mean + 1e-6
    assert mean - 1e-6 <= high <= 1
