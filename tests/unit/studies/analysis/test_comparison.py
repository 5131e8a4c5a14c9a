"""Variants beside their baseline."""

import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.metrics import build_metrics
from hyrec.studies.analysis.comparison import compare
from hyrec.studies.analysis.results import CellResult, StudyResults
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.plan.plan import Plan, PlannedVariant
from hyrec.studies.plan.study import Study, StudyError, Variant

SEEDS = (0, 1, 2, 3, 4)
GROUP = np.repeat(np.arange(120), 6)


class Builder:
    """Makes the results of a study from values, or from predictions of a known quality."""

    def __init__(self, folder, variants, seeds=SEEDS, costs=None):
        self.folder = folder
        made = [v if isinstance(v, Variant) else Variant(v, v) for v in variants]
        study = Study("s", "?", (), {}, ("auc",), tuple(seeds), made[0].family, tuple(made))
        costs = costs or {}
        planned = [PlannedVariant(v, (), (), *costs.get(v.name, (1000, 50, 2000.0))) for v in made]
        self.plan = Plan(study, tuple(planned), "0")
        self.cells = {}

    def values(self, variant, values, metric="auc"):
        for seed, value in zip(self.plan.study.seeds, values, strict=False):
            if value is not None:
                folder = self.folder / variant / f"s{seed}"
                self.cells[variant, seed] = CellResult(variant, seed, folder, {metric: value}, 10.0 + seed)
        return self

    def predictions(self, variant, strength, group=GROUP, rows=None, population=0, shift=0.0):
        rng = np.random.default_rng(population)
        logit = rng.normal(0, 1.3, len(GROUP))
        label = (rng.random(len(GROUP)) < 1 / (1 + np.exp(-logit))).astype(float)
        for seed in self.plan.study.seeds:
            noise = np.random.default_rng([seed, len(variant)]).normal(0, 1, len(GROUP))
            score = 1 / (1 + np.exp(-(strength * logit + noise)))
            columns = {"row": np.arange(len(GROUP)) if rows is None else rows}
            columns |= {} if group is None else {"group": group}
            table = pa.table({**columns, "label_click": label, "score_click": score})
            folder = self.folder / variant / f"s{seed}"
            (folder / "predictions").mkdir(parents=True)
            pq.write_table(table, folder / "predictions/part-00000.parquet")
            scores = Scores.of(table)
            metrics = build_metrics(has_groups=group is not None)
            found = {name: scores.metric(metric) + shift for name, metric in metrics.items()}
            self.cells[variant, seed] = CellResult(variant, seed, folder, found, 10.0)
        return self

    def done(self):
        return StudyResults(self.folder, self.plan, self.cells)


def by_name(rows):
    return {row.variant: row for row in rows}


def noisy(mean, seed, sd=0.0005):
    return (mean + np.random.default_rng(seed).normal(0, sd, len(SEEDS))).tolist()


def test_values_differences_and_spread_are_those_of_the_seeds(tmp_path):
    build = Builder(tmp_path, ["base", "other"])
    build.values("base", [0.70, 0.72, 0.71, 0.70, 0.72]).values("other", [0.71, 0.74, 0.72, 0.72, 0.73])
    rows = by_name(compare(build.done(), "auc"))
    other = rows["other"]
    assert other.differences == pytest.approx({0: 0.01, 1: 0.02, 2: 0.01, 3: 0.02, 4: 0.01})
    assert other.difference == pytest.approx(0.014)
    assert other.mean == pytest.approx(0.724)
    assert other.sd == pytest.approx(np.std([0.71, 0.74, 0.72, 0.72, 0.73], ddof=1))
    assert other.interval.p < 0.01
    assert other.seconds == 12.0
    assert rows["base"].verdict == "baseline"
    assert rows["base"].interval is None
    assert math.isnan(rows["base"].difference)


def test_relative_auc_is_given_for_auc_alone(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).values("base", [0.6478] * 5).values("other", [0.6489] * 5)
    assert f"{by_name(compare(build.done(), 'auc'))['other'].relative_auc:+.2%}" == "+0.17%"
    build = Builder(tmp_path, ["base", "other"]).values("base", noisy(0.6, 0), "logloss")
    build.values("other", noisy(0.5, 1), "logloss")
    assert by_name(compare(build.done(), "logloss"))["other"].relative_auc is None


@pytest.mark.parametrize(
    ("metric", "up", "down"),
    [
        ("auc", "better", "worse"),
        ("logloss", "worse", "better"),
        ("ne", "worse", "better"),
        ("pcoc", "higher", "lower"),
    ],
)
def test_the_verdict_follows_the_direction_of_the_metric(tmp_path, metric, up, down):
    build = Builder(tmp_path, ["base", "above", "below", "same"])
    build.values("base", noisy(0.6, 0), metric).values("above", noisy(0.61, 1), metric)
    build.values("below", noisy(0.59, 2), metric).values("same", noisy(0.6, 3), metric)
    rows = by_name(compare(build.done(), metric))
    assert (rows["above"].verdict, rows["below"].verdict) == (up, down)
    assert rows["same"].verdict == "not distinguishable"


def test_a_variant_among_many_needs_stronger_evidence(tmp_path):
    names = [f"v{i}" for i in range(12)]
    build = Builder(tmp_path, ["base", *names]).values("base", noisy(0.7, 100))
    for i, name in enumerate(names):
        build.values(name, noisy(0.7, i))
    base = np.asarray(list(build.done().values("base", "auc").values()))
    build.values("v0", (base + np.asarray([0.001, 0.0002, 0.0012, 0.0006, 0.0004])).tolist())
    alone = by_name(compare(build.done(), "auc"))["v0"]
    assert alone.interval.p < 0.05
    assert alone.p_holm > 0.05
    assert alone.p_holm >= 11 * alone.interval.p
    assert alone.verdict == "not distinguishable"


def test_only_seeds_that_both_finished_are_compared_and_the_others_are_named(tmp_path):
    build = Builder(tmp_path, ["base", "other", "none"])
    build.values("base", [0.7, 0.71, None, 0.72, 0.9]).values("other", [0.71, None, 0.8, 0.735, math.nan])
    rows = by_name(compare(build.done(), "auc"))
    other = rows["other"]
    assert sorted(other.differences) == [0, 3]
    assert other.interval.count == 2
    assert other.relative_auc == pytest.approx(0.7225 / 0.71 - 1)
    assert "not defined for seed 4" in other.notes[0]
    assert rows["none"].verdict == "no results"
    assert math.isnan(rows["none"].p_holm)


def test_one_seed_gives_a_difference_and_no_verdict(tmp_path):
    build = Builder(tmp_path, ["base", "other"], seeds=(0,)).values("base", [0.7]).values("other", [0.8])
    other = by_name(compare(build.done(), "auc"))["other"]
    assert other.verdict == "too few seeds"
    assert other.difference == pytest.approx(0.1)


def test_the_baseline_is_that_of_the_same_point_of_the_grid(tmp_path):
    points = [{"model.d_model": 32}, {"model.d_model": 64}]
    variants = [Variant(f"{f}@d_model={p['model.d_model']}", f, p) for p in points for f in ("base", "other")]
    build = Builder(tmp_path, variants)
    for name, mean in {"base@d_model=32": 0.6, "base@d_model=64": 0.7, "other@d_model=32": 0.61}.items():
        build.values(name, noisy(mean, len(name)))
    build.values("other@d_model=64", noisy(0.68, 5))
    rows = by_name(compare(build.done(), "auc"))
    assert rows["other@d_model=32"].baseline == "base@d_model=32"
    assert rows["other@d_model=32"].difference == pytest.approx(0.01, abs=0.002)
    assert rows["other@d_model=64"].difference == pytest.approx(-0.02, abs=0.002)
    assert rows["base@d_model=64"].is_baseline


def test_costs_say_what_is_within_budget(tmp_path):
    costs = {"base": (1000, 5, 100.0), "near": (1049, 5, 96.0), "wide": (1051, 5, 100.0), "slow": (1000, 5, 94.0)}
    build = Builder(tmp_path, list(costs), costs=costs)
    for i, name in enumerate(costs):
        build.values(name, noisy(0.7, i))
    found = {row.variant: row.costs for row in compare(build.done(), "auc")}
    assert {name for name, cost in found.items() if cost.within_budget} == {"base", "near"}
    assert found["wide"].dense_ratio == pytest.approx(1.051)
    assert found["slow"].flops_ratio == pytest.approx(0.94)


def test_an_unknown_metric_is_refused(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).values("base", [0.7])
    with pytest.raises(StudyError, match="Did you mean 'auc'"):
        compare(build.done(), "acu")


@pytest.mark.parametrize("metric", ["query_auc", "auc", "logloss"])
def test_predictions_add_an_interval_over_groups(tmp_path, metric):
    build = Builder(tmp_path, ["base", "stronger", "equal"])
    build.predictions("base", 0.6).predictions("stronger", 1.2).predictions("equal", 0.6)
    rows = by_name(compare(build.done(), metric, replicates=200))
    stronger = rows["stronger"]
    assert stronger.verdict == "better"
    assert not stronger.group_interval.holds_zero
    assert stronger.group_interval.mean == pytest.approx(stronger.difference, abs=1e-9)
    assert stronger.group_interval.count == 120
    assert stronger.notes == ()
    assert rows["equal"].group_interval.low < rows["equal"].group_interval.high
    assert rows["base"].group_interval is None


def test_a_metric_that_cannot_be_bootstrapped_has_the_interval_over_seeds(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).predictions("base", 0.6).predictions("other", 1.6)
    other = by_name(compare(build.done(), "ece", replicates=50))["other"]
    assert other.group_interval is None
    assert "cannot be bootstrapped" in other.notes[-1]
    assert other.interval.known


def test_missing_predictions_are_said(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).predictions("base", 0.6).values("other", noisy(0.7, 0))
    other = by_name(compare(build.done(), "auc", replicates=50))["other"]
    assert other.notes[-1] == "other s0 saved no predictions"
    assert other.interval.known


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.arange(1, 721)}, "The test rows differ: 1 are only in the first"),
        ({"population": 1}, "labels of .* test rows differ"),
        ({"group": GROUP // 2}, "groups of .* test rows differ"),
    ],
)
def test_variants_that_were_tested_on_other_rows_are_not_compared(tmp_path, change, message):
    build = Builder(tmp_path, ["base", "elsewhere", "other"])
    build.predictions("base", 0.6).predictions("elsewhere", 1.6, **change).predictions("other", 1.6)
    rows = by_name(compare(build.done(), "auc", replicates=50))
    elsewhere = rows["elsewhere"]
    assert elsewhere.verdict == "not comparable"
    assert elsewhere.interval is None
    assert math.isnan(elsewhere.p_holm)
    assert pytest.approx(rows["other"].interval.p) == rows["other"].p_holm
    assert re.search(message, elsewhere.notes[-1])
    assert rows["other"].verdict == "better"


def test_a_logged_metric_that_the_predictions_do_not_give_is_noted(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).predictions("base", 0.6).predictions("other", 1.6, shift=0.01)
    other = by_name(compare(build.done(), "auc", replicates=50))["other"]
    assert "differs from the logged one by up to 0.01" in other.notes[0]


def test_rows_without_groups_are_drawn_one_by_one_and_that_is_said(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).predictions("base", 0.6, group=None)
    other = by_name(compare(build.predictions("other", 1.6, group=None).done(), "auc", replicates=50))["other"]
    assert other.group_interval.count == len(GROUP)
    assert "no groups" in other.group_interval.note


def test_a_variant_whose_baseline_failed_has_results_but_nothing_to_stand_beside(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).values("base", [0.7, 0.71]).values("other", [None, None, 0.7, 0.72])
    rows = by_name(compare(build.done(), "auc"))
    assert rows["other"].verdict == "no shared seed"
    assert rows["other"].mean == pytest.approx(0.71)
    build = Builder(tmp_path, ["base", "other"]).values("other", noisy(0.7, 0))
    rows = by_name(compare(build.done(), "auc"))
    assert (rows["base"].verdict, rows["other"].verdict) == ("no results", "no shared seed")


def test_one_and_the_same_difference_in_every_seed_is_not_called_too_few_seeds(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).values("base", [0.625] * 5).values("other", [0.75] * 5)
    other = by_name(compare(build.done(), "auc"))["other"]
    assert other.verdict == "no spread"
    assert "the same difference" in other.interval.note


def test_few_groups_that_count_are_said(tmp_path):
    group = np.concatenate([np.arange(600), np.repeat(np.arange(600, 620), 6)])
    build = Builder(tmp_path, ["base", "other"])
    build.predictions("base", 0.6, group=group).predictions("other", 1.6, group=group)
    inside = by_name(compare(build.done(), "query_auc", replicates=50))["other"].group_interval
    assert re.search(r"only (1\d|20) of 620 groups hold both labels", inside.note)
    assert by_name(compare(build.done(), "auc", replicates=50))["other"].group_interval.note == ""


@pytest.mark.parametrize(("metric", "replicates"), [("auc", 0), ("ece", 0), ("ece", 50)])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.arange(1, 721)}, "The test rows differ: 1 are only in the first"),
        ({"population": 1}, "labels of .* test rows differ"),
    ],
)
def test_other_rows_are_found_without_a_bootstrap(tmp_path, metric, replicates, change, message):
    build = Builder(tmp_path, ["base", "elsewhere", "other"])
    build.predictions("base", 0.6).predictions("elsewhere", 1.6, **change).predictions("other", 1.6)
    rows = by_name(compare(build.done(), metric, replicates=replicates))
    assert (rows["elsewhere"].verdict, rows["elsewhere"].interval) == ("not comparable", None)
    assert re.search(message, rows["elsewhere"].notes[-1])
    assert rows["other"].interval is not None
    assert rows["other"].verdict != "not comparable"


def test_rows_in_another_order_are_the_same_rows(tmp_path):
    build = Builder(tmp_path, ["base", "other"]).predictions("base", 0.6).predictions("other", 1.6)
    for path in (tmp_path / "other").rglob("*.parquet"):
        pq.write_table(pq.read_table(path).take(list(range(len(GROUP)))[::-1]), path)
    assert by_name(compare(build.done(), "auc", replicates=0))["other"].verdict == "better"


def test_runs_are_those_of_the_difference_and_those_of_the_mean_beside_them(tmp_path):
    build = Builder(tmp_path, ["base", "other"])
    build.values("base", [0.7, 0.71, 0.7, 0.72, None]).values("other", [0.71, 0.72, 0.72, 0.73, 0.71])
    rows = by_name(compare(build.done(), "auc"))
    assert (rows["base"].runs, rows["other"].runs) == ("4", "4 (mean: 5)")
