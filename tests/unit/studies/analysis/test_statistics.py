"""Intervals and p values of paired training runs."""

import math

import numpy as np
import pytest
from scipy import stats

from hyrec.studies.analysis.statistics import Interval, holm, paired_t
from tests.references import studies as reference


def coverage_bounds(repetitions: int, rate: float = 0.95) -> tuple[float, float]:
    """Where a share of so many repetitions lies in all but one of ten thousand cases."""
    low, high = stats.binom.ppf([5e-5, 1 - 5e-5], repetitions, rate) / repetitions
    return float(low), float(high)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_the_t_interval_equals_that_of_an_independent_library(n):
    values = np.random.default_rng(n).normal(0.3, 1.0, n)
    interval, other = paired_t(values.tolist()), stats.ttest_1samp(values, 0.0)
    low, high = other.confidence_interval(0.95)
    assert interval.p == pytest.approx(other.pvalue, rel=1e-9)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.count == n


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_without_an_effect_the_95_percent_interval_covers_zero_in_95_percent_of_studies(seeds):
    rng = np.random.default_rng(seeds)
    intervals = [paired_t(row) for row in rng.normal(0, 0.001, (1500, seeds))]
    low, high = coverage_bounds(len(intervals))
    assert low <= np.mean([interval.holds_zero for interval in intervals]) <= high
    assert 1 - high <= np.mean([interval.p <= 0.05 for interval in intervals]) <= 1 - low


def test_a_planted_effect_is_found_with_its_sign_and_size():
    rng = np.random.default_rng(0)
    intervals = [paired_t(row) for row in rng.normal(-0.003, 0.001, (600, 5))]
    low, high = coverage_bounds(len(intervals))
    assert low <= np.mean([interval.low <= -0.003 <= interval.high for interval in intervals]) <= high
    assert np.mean([interval.high < 0 for interval in intervals]) > 0.9
    assert not any(interval.low > 0 for interval in intervals)


def test_pairing_finds_what_unpaired_runs_would_hide():
    rng = np.random.default_rng(1)
    seed_effect = rng.normal(0, 0.01, 5)
    baseline, variant = seed_effect, seed_effect + 0.002 + rng.normal(0, 0.0005, 5)
    assert paired_t((variant - baseline).tolist()).p < 0.01
    assert stats.ttest_ind(variant, baseline).pvalue > 0.5


def test_one_seed_gives_a_mean_and_no_interval():
    interval = paired_t([0.004])
    assert interval.mean == 0.004
    assert not interval.known
    assert math.isnan(interval.p)
    assert "at least two seeds" in interval.note
    assert interval.holds_zero


def test_equal_differences_prove_nothing():
    identical = paired_t([0.0, 0.0, 0.0])
    assert (identical.mean, identical.low, identical.high, identical.p) == (0, 0, 0, 1)
    same = paired_t([0.1 + 0.2, 0.3, 0.3])
    assert not same.known
    assert "no spread" in same.note


@pytest.mark.parametrize(("values", "message"), [([], "at least one"), ([0.1, math.nan], "finite")])
def test_differences_that_are_none_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        paired_t(values)


def test_holm_rejects_what_the_step_down_procedure_rejects():
    rng = np.random.default_rng(2)
    for _ in range(300):
        p_values = (rng.random(rng.integers(1, 9)) ** 3).tolist()
        assert [p <= 0.05 for p in holm(p_values)] == reference.holm_rejects(p_values, 0.05)


def test_holm_leaves_out_what_was_not_tested():
    adjusted = holm([0.01, math.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)
    assert holm([]) == []
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        holm([1.2])


def test_holm_keeps_the_error_of_a_whole_table_at_5_percent():
    """Ten variants without any effect share one baseline, as in a study."""
    rng = np.random.default_rng(3)
    wrong, uncorrected, tables = 0, 0, 500
    for _ in range(tables):
        baseline = rng.normal(0, 1, 5)
        p_values = [paired_t(rng.normal(0, 1, 5) - baseline).p for _ in range(10)]
        uncorrected += min(p_values) <= 0.05
        wrong += min(holm(p_values)) <= 0.05
    assert wrong / tables <= 1 - coverage_bounds(tables)[0]
    assert uncorrected / tables > 0.15


def test_an_interval_without_bounds_excludes_nothing():
    assert Interval(1.0, math.nan, math.nan).holds_zero
    assert not Interval(1.0, 0.5, 1.5).holds_zero
