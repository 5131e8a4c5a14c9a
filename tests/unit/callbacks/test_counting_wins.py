"""When a run warns that counting by id ranks no worse than its model."""

import math

import pytest

from hyrec.callbacks.baseline_table import what_counting_wins


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
    told = what_counting_wins({"auc": model}, {"auc": counting}, ["auc"])
    assert ("has not learned" in told) is wins


def test_counting_that_wins_within_groups_alone_is_told_with_its_figures():
    told = what_counting_wins({"auc": 0.7, "gauc": 0.6}, {"auc": 0.65, "gauc": 0.61}, ["auc", "gauc"])
    assert "gauc 0.6100 against 0.6000" in told
    assert "Over all rows the model is ahead" in told


def test_without_counting_nothing_is_told():
    assert what_counting_wins({"auc": 0.4}, {}, ["auc"]) == ""
