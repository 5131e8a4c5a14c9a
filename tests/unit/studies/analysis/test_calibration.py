"""Reliability curves: pooled over seeds, with the package's own ECE."""

import numpy as np
import pytest
import torch

from hyrec.metrics import default_metrics
from hyrec.studies.analysis.calibration import reliability_points, wilson
from hyrec.studies.analysis.scores import Scores


def scores(seed=0, num_rows=4000, shift=0.0):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 5, num_rows)
    label = (rng.random(num_rows) < p).astype(float)
    return Scores(np.arange(num_rows), label, np.clip(p + shift, 0, 1), None, None)


def test_calibrated_predictions_lie_inside_the_intervals():
    points = reliability_points([scores()])
    inside = [low <= pred <= high for pred, _, low, high, _ in points]
    assert len(points) == 15
    assert sum(inside) >= 13


def test_predictions_that_are_too_high_lie_outside():
    points = reliability_points([scores(shift=0.1)])
    assert sum(pred > high for pred, _, _, high, _ in points) >= 10


def test_the_points_are_the_terms_of_the_ece():
    one = scores(shift=0.02)
    points = reliability_points([one])
    ece = sum(n * abs(pred - rate) for pred, rate, _, _, n in points) / sum(n for *_, n in points)
    metric = default_metrics()["ece"]
    metric.update(torch.from_numpy(one.score), torch.from_numpy(one.label))
    assert ece == pytest.approx(float(metric.compute()), abs=1e-12)
    assert one.metric(metric) == pytest.approx(ece, abs=1e-12)


def test_rows_that_several_seeds_scored_count_once():
    alone, twice = reliability_points([scores()]), reliability_points([scores(), scores()])
    assert [p[-1] for p in twice] == [p[-1] for p in alone]
    np.testing.assert_allclose(twice, alone)


def test_unknown_labels_are_left_out():
    one = scores(num_rows=100)
    one.label[:40] = np.nan
    assert sum(n for *_, n in reliability_points([one])) == 60


def test_wilsons_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    rate, rows = 0.03, 200
    draws = rng.binomial(rows, rate, 2000) / rows
    hits = np.mean([low <= rate <= high for low, high in (wilson(d, rows) for d in draws)])
    assert 0.93 < hits < 0.98


def test_wilsons_interval_never_leaves_0_to_1():
    assert wilson(0.0, 5)[0] == 0.0
    assert wilson(1.0, 5)[1] == 1.0
    assert wilson(0.5, 0) == (0.0, 1.0)
