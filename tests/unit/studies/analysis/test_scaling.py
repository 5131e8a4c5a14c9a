"""Curves of quality against cost, and slopes compared."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from hyrec.studies.analysis.results import CellResult, StudyResults
from hyrec.studies.analysis.scaling import MAX_EXPONENT, MIN_EXPONENT, PowerLaw, fit_scaling
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.study import Study, StudyError, Variant
from tests.references import studies as reference

SIZES = (1e5, 3e5, 1e6, 3e6, 1e7, 3e7)
SEEDS = (0, 1, 2, 3, 4)


def curve(x, a=0.80, b=2.0, c=0.25):
    return a - b * np.asarray(x) ** -c


def study_of(families, metric="auc", seeds=SEEDS, sizes=SIZES):
    """Return results in which ``families`` maps a name to values ``(seeds, sizes)``; NaN is a missing cell."""
    variants, planned, cells = [], [], {}
    for family, values in families.items():
        own_sizes = sizes[family] if isinstance(sizes, dict) else sizes
        for j, size in enumerate(own_sizes):
            variant = Variant(f"{family}@d={j}", family, {"d": j})
            variants.append(variant)
            planned.append(PlannedVariant(variant, (), (), int(size), 1, 10.0 * size))
            for i, seed in enumerate(seeds):
                if not math.isnan(values[i][j]):
                    found = {metric: float(values[i][j])}
                    cells[variant.name, seed] = CellResult(variant.name, seed, Path(), found, 1.0)
    study = Study("s", "?", (), {}, (metric,), tuple(seeds), next(iter(families)), tuple(variants))
    return StudyResults(Path("study"), Plan(study, tuple(planned), "0"), cells)


def noisy(rng, truth, sd):
    return truth + rng.normal(0, sd, (len(SEEDS), len(truth)))


@pytest.mark.parametrize("c", [0.05, 0.25, 1.0, 3.0])
def test_planted_parameters_are_recovered_without_noise(c):
    x = np.asarray(SIZES)
    law = PowerLaw.fit(x, curve(x / 1e6, 0.8, 0.05, c), limit=1.0)
    assert law.a == pytest.approx(0.8, abs=1e-3)
    assert law.b * law.x0**law.c == pytest.approx(0.05 * 1e6**c, rel=1e-2)
    assert law.c == pytest.approx(c, rel=1e-3)
    assert law(x) == pytest.approx(curve(x / 1e6, 0.8, 0.05, c), abs=1e-5)


@pytest.mark.parametrize("limit", [math.inf, 1.0])
def test_the_fit_is_no_worse_than_a_general_solver_from_many_starts(limit):
    rng = np.random.default_rng(0)
    x = np.asarray(SIZES)
    series = [curve(x, c=rng.uniform(0.1, 0.6)) + rng.normal(0, sd, len(x)) for sd in (0.0005, 0.002, 0.01, 0.05)]
    series.append(np.linspace(0.75, 0.99, len(x)))  # its asymptote would lie above 1
    series.append(-curve(x))  # falls
    for y in np.minimum(np.stack(series), 1.0):
        law = PowerLaw.fit(x, y, limit)
        a, b, c, error = reference.power_law(x, y, limit)
        assert ((law(x) - y) ** 2).sum() <= error * (1 + 1e-4) + 1e-9
        if c < 4 and b > 1e-6 and law.c > 1.05 * MIN_EXPONENT:
            assert law.c == pytest.approx(c, rel=1e-2)
            assert law.a == pytest.approx(a, abs=1e-3)
        assert law.a <= limit
        assert law.b >= 0
        assert MIN_EXPONENT <= law.c <= MAX_EXPONENT


def test_intervals_over_seeds_cover_the_planted_curve():
    """Five seeds are few: leaving out one at a time must still hold the truth about as often as it says."""
    rng = np.random.default_rng(1)
    truth = curve(SIZES)
    true_gain = np.polyfit(np.log10(SIZES), truth, 1)[0]
    inside = {"curve": [], "gain": [], "c": [], "a": []}
    repetitions = 150
    for _ in range(repetitions):
        fit = fit_scaling(study_of({"f": noisy(rng, truth, 0.0007)}), "auc", "dense_parameters").fits["f"]
        at = np.asarray([2e5, 2e6, 2e7])
        for interval, value in zip(fit.curve(at)[1], curve(at), strict=True):
            inside["curve"].append(interval.low <= value <= interval.high)
        inside["gain"].append(fit.gain.low <= true_gain <= fit.gain.high)
        if fit.parameters:
            a, _, c = fit.parameters
            inside["c"].append(c.low <= 0.25 <= c.high)
            inside["a"].append(a.low <= 0.80 <= a.high)
    low, high = stats.binom.ppf([5e-4, 1 - 5e-4], repetitions, 0.95) / repetitions
    assert low <= np.mean(inside["gain"]) <= high
    assert len(inside["c"]) > 0.9 * repetitions
    for name in ("curve", "a", "c"):
        assert np.mean(inside[name]) >= 0.88, name


def test_a_good_fit_is_reported_with_its_figures():
    values = noisy(np.random.default_rng(2), curve(SIZES), 0.0003)
    fit = fit_scaling(study_of({"f": values}), "auc", "flops_per_sample").fits["f"]
    assert fit.reason == ""
    assert fit.sizes.tolist() == [10 * size for size in SIZES]
    assert fit.r2 > 0.99
    _, _, c = fit.parameters
    assert c.low < c.mean < c.high
    assert c.mean == pytest.approx(0.25, abs=0.08)
    for interval, mean in zip(fit.curve(fit.sizes)[1], values.mean(0), strict=True):
        assert interval.low <= interval.mean <= interval.high
        assert interval.mean == pytest.approx(mean, abs=0.001)


def test_a_metric_that_falls_is_fitted_by_the_same_curve_upside_down():
    auc = noisy(np.random.default_rng(3), curve(SIZES), 0.0003)
    up = fit_scaling(study_of({"f": auc}), "auc", "dense_parameters").fits["f"]
    down = fit_scaling(study_of({"f": 1 - auc}, "logloss"), "logloss", "dense_parameters").fits["f"]
    (a, b, _), (mirrored, same, _) = up.parameters, down.parameters
    assert mirrored.mean == pytest.approx(1 - a.mean, abs=1e-6)
    assert same.mean == pytest.approx(b.mean, rel=1e-3)
    assert mirrored.low <= mirrored.mean <= mirrored.high
    assert down.gain.mean == pytest.approx(up.gain.mean)
    assert [one.mean for one in down.curve()[1]] == pytest.approx([1 - one.mean for one in up.curve()[1]], abs=1e-6)


@pytest.mark.parametrize(
    ("truth", "sd", "reason"),
    [
        (np.full(6, 0.7), 0.001, "no improvement beyond what seeds explain"),
        (np.linspace(0.75, 0.70, 6), 0.001, "no improvement"),
        (np.log10(SIZES) * 0.02 + 0.5, 0.0001, "no levelling off"),
        (np.asarray([0.6, 0.7, 0.7, 0.7, 0.7, 0.7]), 0.0001, "only the smallest size differs"),
        (np.asarray([0.5, 0.62, 0.74, 0.86, 0.95, 0.995]), 0.0001, "no levelling off"),
    ],
)
def test_a_curve_that_the_data_do_not_determine_is_said_and_not_given_as_numbers(truth, sd, reason):
    values = noisy(np.random.default_rng(4), truth, sd)
    fit = fit_scaling(study_of({"f": values}), "auc", "dense_parameters").fits["f"]
    assert re.search(reason, fit.reason)
    assert fit.parameters is None
    assert fit.gain.known


def test_one_seed_determines_nothing():
    fit = fit_scaling(study_of({"f": curve(SIZES)[None]}, seeds=(0,)), "auc", "dense_parameters").fits["f"]
    assert "one seed" in fit.reason
    assert not fit.curve()[1][0].known


def test_fewer_than_four_sizes_are_refused_and_the_other_family_is_fitted():
    rng = np.random.default_rng(5)
    families = {"base": noisy(rng, curve(SIZES), 0.001), "few": noisy(rng, curve(SIZES[:3]), 0.001)}
    found = fit_scaling(study_of(families, sizes={"base": SIZES, "few": SIZES[:3]}), "auc", "dense_parameters")
    assert set(found.fits) == {"base"}
    assert "needs at least 4 sizes, and few has 3: 100000, 300000, 1e+06" in found.refused["few"]
    assert found.slopes == ()


def test_sizes_and_seeds_that_did_not_finish_are_named():
    values = noisy(np.random.default_rng(6), curve(SIZES), 0.001)
    values[:, 5] = math.nan
    values[1, 2] = math.nan
    fit = fit_scaling(study_of({"f": values}), "auc", "dense_parameters").fits["f"]
    assert fit.seeds == (0, 2, 3, 4)
    assert tuple(fit.sizes) == SIZES[:5]
    assert fit.notes == ("f@d=5 has no finished seed", "seed 1 is left out: it has not finished for every size")
    values[[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]] = math.nan
    assert "No seed finished for all" in fit_scaling(study_of({"f": values}), "auc", "dense_parameters").refused["f"]


def test_a_steeper_family_gains_more():
    rng = np.random.default_rng(7)
    families = {"base": noisy(rng, curve(SIZES, b=1.0), 0.0005), "steep": noisy(rng, curve(SIZES, b=2.0), 0.0005)}
    found = fit_scaling(study_of(families), "auc", "dense_parameters")
    (slope,) = found.slopes
    assert slope.verdict == "gains more"
    assert (slope.family, slope.other) == ("steep", "base")
    assert (slope.low, slope.high) == (SIZES[0], SIZES[-1])
    assert slope.difference.low > 0


def test_equal_slopes_are_told_apart_in_5_percent_of_studies_at_most():
    rng = np.random.default_rng(8)
    repetitions, wrong = 100, 0
    for _ in range(repetitions):
        shared = rng.normal(0, 0.002, (len(SEEDS), 1))  # a lucky seed is lucky for both families
        families = {name: shared + noisy(rng, curve(SIZES), 0.001) for name in ("base", "other")}
        (slope,) = fit_scaling(study_of(families), "auc", "dense_parameters").slopes
        wrong += slope.verdict != "not distinguishable"
    low, high = stats.binom.ppf([5e-4, 1 - 5e-4], repetitions, 0.95) / repetitions
    assert low <= 1 - wrong / repetitions <= high


def test_families_of_other_sizes_are_compared_where_both_have_figures():
    rng = np.random.default_rng(9)
    larger = tuple(4 * size for size in SIZES)
    families = {"base": noisy(rng, curve(SIZES), 1e-5), "other": noisy(rng, curve(larger), 1e-5)}
    sizes = {"base": SIZES, "other": larger}
    (slope,) = fit_scaling(study_of(families, sizes=sizes), "auc", "dense_parameters").slopes
    assert (slope.low, slope.high) == (larger[0], SIZES[-1])
    own_ranges = abs(
        np.polyfit(np.log10(SIZES), curve(SIZES), 1)[0] - np.polyfit(np.log10(larger), curve(larger), 1)[0]
    )
    assert abs(slope.difference.mean) < own_ranges / 4
    apart = {"base": SIZES, "other": tuple(1e4 * size for size in SIZES)}
    (slope,) = fit_scaling(study_of(families, sizes=apart), "auc", "dense_parameters").slopes
    assert slope.verdict == "not compared"
    assert "do not overlap" in slope.reason
    assert slope.difference is None


def test_unknown_names_are_refused_with_the_nearest():
    results = study_of({"f": curve(SIZES)[None]}, seeds=(0,))
    with pytest.raises(StudyError, match="Did you mean 'dense_parameters'"):
        fit_scaling(results, "auc", "dense_parameter")
    with pytest.raises(StudyError, match="no better end"):
        fit_scaling(results, "pcoc", "dense_parameters")
    with pytest.raises(StudyError, match="reports 'gauc'"):
        fit_scaling(results, "gauc", "dense_parameters")
