"""The paired bootstrap over groups of test rows."""

import math
import time

import numpy as np
import pytest
from scipy import stats

from hyrec.metrics import AUC, GAUC, CalibrationError, LogLoss, QueryAUC, default_metrics
from hyrec.studies.analysis.bootstrap import GroupBootstrap, group_counts
from hyrec.studies.analysis.scores import OtherRowsError, Scores
from hyrec.studies.plan.study import StudyError
from tests.references import studies

DRAWN = [metric for metric in default_metrics().values() if metric.can_be_drawn]
by_name = pytest.mark.parametrize("metric", DRAWN, ids=lambda metric: metric.name)


def scores(label, score, group=None, weight=None):
    rows = np.arange(len(label))
    group = None if group is None else np.asarray(group)
    return Scores(rows, np.asarray(label, float), np.asarray(score, float), group, weight)


def bootstrap_difference(metric, variant, baseline, *, replicates=1000, seed=0):
    """Variant minus baseline, the seeds averaged within each draw, as ``compare`` does."""
    bootstrap = GroupBootstrap(baseline[0], replicates, seed)
    mine, theirs = ([bootstrap.values(metric, one) for one in models] for models in (variant, baseline))
    observed = np.mean([one[0] - other[0] for one, other in zip(mine, theirs, strict=True)])
    drawn = np.mean([one[1] - other[1] for one, other in zip(mine, theirs, strict=True)], axis=0)
    return bootstrap.interval(metric, float(observed), drawn)


def two_models(rng, groups=80, candidates=5, strength=(1.0, 1.0), users=0.3):
    """Rows of the same population scored by two models whose signal has these strengths."""
    group = np.repeat(np.arange(groups), candidates)
    logit = rng.normal(0, users, groups)[group] + rng.normal(0, 1, len(group)) - 0.5
    label = (rng.random(len(group)) < 1 / (1 + np.exp(-logit))).astype(float)
    made = [1 / (1 + np.exp(-(s * logit + rng.normal(0, 1, len(group))))) for s in strength]
    return [scores(label, score, group) for score in made]


@by_name
def test_a_draw_gives_what_writing_the_drawn_rows_down_gives(metric):
    rng = np.random.default_rng(1)
    group = rng.integers(0, 6, 24)
    label = rng.integers(0, 2, 24).astype(float)
    model = scores(label, rng.integers(1, 6, 24) / 7, group)  # few distinct scores: many ties
    codes = np.unique(group, return_inverse=True)[1]
    rows = list(zip(model.score.tolist(), label.tolist(), codes.tolist(), strict=True))
    bootstrap = GroupBootstrap(model, replicates=70)
    observed, drawn = bootstrap.values(metric, model)
    counts = np.concatenate(list(group_counts(bootstrap.num_groups, 70, 0))).astype(int)
    assert counts.shape == (70, len(set(codes)))
    assert set(counts.sum(1)) == {len(set(codes))}
    for count, value in zip(counts, drawn, strict=True):
        expected = studies.drawn_metric(metric.name, rows, count.tolist())
        assert value == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert observed == pytest.approx(studies.drawn_metric(metric.name, rows, [1] * counts.shape[1]), abs=1e-12)


def test_draws_are_the_same_however_many_are_held_at_a_time(monkeypatch):
    whole = np.concatenate(list(group_counts(30, 150, 0)))
    monkeypatch.setattr("hyrec.studies.analysis.bootstrap.MAX_COUNTS", 100)
    parts = list(group_counts(30, 150, 0))
    assert max(part.size for part in parts) <= 100
    assert np.array_equal(np.concatenate(parts), whole)


@by_name
def test_the_rows_as_they_are_give_the_metric_of_hyrec(metric):
    rng = np.random.default_rng(2)
    model, _ = two_models(rng)
    label = model.label.copy()
    label[::7] = math.nan  # unknown labels are left out by both
    weighted = scores(label, np.round(model.score, 2), model.group, rng.choice([0.5, 1.0, 3.0], len(label)))
    for one in (scores(label, model.score, model.group), weighted):
        observed, _ = GroupBootstrap(one, replicates=1).values(metric, one)
        assert observed == pytest.approx(one.metric(metric), abs=1e-9)


@pytest.mark.parametrize("metric", [QueryAUC(), AUC(), LogLoss()], ids=lambda metric: metric.name)
def test_without_an_effect_the_95_percent_interval_covers_zero_in_95_percent_of_studies(metric):
    rng = np.random.default_rng(3)
    repetitions = 300
    covered = [
        bootstrap_difference(metric, [a], [b], replicates=200).holds_zero
        for a, b in (two_models(rng, groups=70) for _ in range(repetitions))
    ]
    low, high = stats.binom.ppf([5e-4, 1 - 5e-4], repetitions, 0.95) / repetitions
    assert low <= np.mean(covered) <= high


@pytest.mark.parametrize("metric", [QueryAUC(), AUC(), GAUC()], ids=lambda metric: metric.name)
def test_a_planted_effect_is_found_with_its_sign_and_size(metric):
    strength = (2.0, 0.6)
    better, base = two_models(np.random.default_rng(0), groups=20_000, strength=strength)
    truth = better.metric(metric) - base.metric(metric)
    rng = np.random.default_rng(4)
    intervals = [
        bootstrap_difference(metric, [a], [b], replicates=200)
        for a, b in (two_models(rng, groups=500, strength=strength) for _ in range(60))
    ]
    assert truth > 0.05
    assert all(interval.low > 0 for interval in intervals)
    assert np.mean([interval.low <= truth <= interval.high for interval in intervals]) > 0.85
    assert np.mean([interval.mean for interval in intervals]) == pytest.approx(truth, abs=0.01)


def test_rows_of_one_user_are_not_counted_as_independent_evidence():
    """A model that is right for some users and wrong for others: over rows it looks far surer than it is."""
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(60), 30)
    label = rng.integers(0, 2, len(group)).astype(float)
    taste = rng.normal(0, 1.5, 60)[group]
    model = 1 / (1 + np.exp(-taste * (label - 0.5)))
    base = np.full(len(group), 0.5)
    by_group = bootstrap_difference(AUC(), [scores(label, model, group)], [scores(label, base, group)])
    by_row = bootstrap_difference(AUC(), [scores(label, model)], [scores(label, base)])
    assert by_group.high - by_group.low > 2 * (by_row.high - by_row.low)
    assert "single rows were drawn" in by_row.note
    assert by_group.note == ""
    assert (by_group.count, by_row.count) == (60, 1800)


def test_seeds_are_averaged_within_each_draw():
    rng = np.random.default_rng(6)
    a, b = two_models(rng)
    c = scores(a.label, np.roll(a.score, 1), a.group)
    bootstrap = GroupBootstrap(a, replicates=50)
    observed, drawn = zip(*(bootstrap.values(QueryAUC(), model) for model in (a, c, b)), strict=True)
    interval = bootstrap_difference(QueryAUC(), [a, c], [b, b], replicates=50)
    mean = (drawn[0] + drawn[1]) / 2 - drawn[2]
    assert interval.mean == pytest.approx((observed[0] + observed[1]) / 2 - observed[2])
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(mean, [0.025, 0.975])))


def test_a_model_against_itself_has_no_difference():
    a, _ = two_models(np.random.default_rng(7))
    interval = bootstrap_difference(AUC(), [a], [a], replicates=50)
    assert (interval.mean, interval.low, interval.high) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval():
    a, b = two_models(np.random.default_rng(8))
    first, again, other = (bootstrap_difference(AUC(), [a], [b], replicates=130, seed=s) for s in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"row": np.arange(1, 401)}, "1 are only in the first predictions, 1 only in the second, 399 in both"),
        ({"label": None}, "labels of 1 of 400 test rows differ"),
        ({"group": None}, "Only one of the predictions has groups"),
        ({"group": np.arange(400)}, "The groups of .* of 400 test rows differ"),
        ({"weight": np.ones(400)}, "Only one of the predictions has weights"),
    ],
)
def test_predictions_of_other_rows_are_refused(change, message):
    a, b = two_models(np.random.default_rng(9))
    if "label" in change:
        change = {"label": np.where(np.arange(400) == 3, 1 - b.label, b.label)}
    parts = {"row": b.row, "label": b.label, "score": b.score, "group": b.group, "weight": None, **change}
    with pytest.raises(OtherRowsError, match=message):
        bootstrap_difference(AUC(), [a], [Scores(**parts)], replicates=10)


def test_what_cannot_be_bootstrapped_is_refused():
    a, b = two_models(np.random.default_rng(10))
    with pytest.raises(StudyError, match="'ece' cannot be bootstrapped"):
        bootstrap_difference(CalibrationError(), [a], [b])
    with pytest.raises(StudyError, match="no column 'group'"):
        bootstrap_difference(GAUC(), [scores(a.label, a.score)], [scores(a.label, b.score)])
    with pytest.raises(StudyError, match="at least two groups"):
        bootstrap_difference(AUC(), [scores([0, 1], [0.1, 0.2], [3, 3])], [scores([0, 1], [0.1, 0.2], [3, 3])])


def test_few_groups_and_undefined_draws_are_said():
    a, b = (scores([1, 0, 1, 0, 0, 0], s, [0, 0, 1, 1, 2, 2]) for s in ([0.9, 0.1, 0.6, 0.2, 0.1, 0.3], [0.5] * 6))
    interval = bootstrap_difference(QueryAUC(), [a], [b], replicates=400)
    assert "only 2 of 3 groups hold both labels" in interval.note
    assert "is not defined on" in interval.note


def test_a_thousand_draws_of_a_large_test_set_take_seconds():
    rng = np.random.default_rng(11)
    a, b = two_models(rng, groups=9000, candidates=7)
    started = time.process_time()
    for metric in (QueryAUC(), AUC(), LogLoss()):
        bootstrap_difference(metric, [a], [b], replicates=1000)
    assert time.process_time() - started < 15
