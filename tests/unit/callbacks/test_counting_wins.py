"""When a run warns that counting by id ranks no worse than its model."""

import math

import pytest

from hyrec.callbacks.baseline_table import counting_wins


@pytest.mark.parametrize(
    ("model", "counting", "wins"),
    [
        (0.6, 0.7, True),
        (0.6, 0.6, True),
        (0.7, 0.6, False),
        (1.0, 1.0, False),
        (0.6, math.nan, False),
        (math.nan, 0.6, False),
    ],
)
def test_counting_wins_unless_the_model_is_better_perfect_or_one_is_not_known(model, counting, wins):
    assert counting_wins(model, counting) is wins
