import math

import pytest

from hyrec.studies.analysis.curves import average


def test_curves_are_averaged_over_the_steps_that_all_seeds_logged() -> None:
    curve = average([[(1, 0.2), (2, 0.4), (3, 9.0)], [(1, 0.4), (2, 0.8), (4, 9.0)]])
    assert curve is not None
    assert curve.steps.tolist() == [1, 2]
    assert curve.mean == pytest.approx((0.3, 0.6))
    assert [*curve.low, *curve.high] == pytest.approx([0.2, 0.4, 0.4, 0.8])
    assert curve.num_seeds == 2


def test_long_curves_keep_their_mean_in_fewer_points() -> None:
    curve = average([[(step, float(step)) for step in range(1000)]])
    assert curve is not None
    assert len(curve.steps) == 120
    assert curve.mean == pytest.approx(curve.steps)


def test_values_that_are_not_finite_leave_no_point() -> None:
    curve = average([[(1, math.nan), (2, 0.5)], []])
    assert curve is not None
    assert curve.steps.tolist() == [2]
    assert average([[(1, math.nan)]]) is None
    assert average([[(1, 0.1)], [(2, 0.1)]]) is None
