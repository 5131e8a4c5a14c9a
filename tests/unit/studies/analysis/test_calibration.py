"""Reliability curves: pooled over seeds, with the package's own ECE."""

import numpy as np
import pytest
import torch

from hyrec.metrics import default_metrics
from hyrec.studies.analysis.calibration import reliability_points


def scores(seed=0, num_rows=4000, shift=0.0):
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 5, num_rows)
    label = (rng.random(num_rows) < p).astype(float)
    return np.clip(p + shift, 0, 1), label, None


def test_calibrated_predictions_lie_on_the_diagonal_and_those_that_are_too_high_below_it():
    assert all(abs(pred - rate) < 0.1 for pred, rate, _ in reliability_points([scores()]))
    assert sum(pred > rate + 0.05 for pred, rate, _ in reliability_points([scores(shift=0.1)])) >= 12


def test_the_points_are_the_terms_of_the_ece():
    score, label, _ = scores(shift=0.02)
    points = reliability_points([(score, label, None)])
    assert len(points) == 15
    metric = default_metrics()["ece"]
    metric.update(torch.from_numpy(score), torch.from_numpy(label))
    assert sum(n * abs(pred - rate) for pred, rate, n in points) == pytest.approx(float(metric.compute()), abs=1e-12)


def test_seeds_are_pooled_and_shares_sum_to_one():
    alone, twice = reliability_points([scores()]), reliability_points([scores(), scores()])
    np.testing.assert_allclose(twice, alone)
    assert sum(share for *_, share in twice) == pytest.approx(1)


def test_unknown_labels_are_left_out():
    score, label, _ = scores(num_rows=100)
    known = reliability_points([(score[40:], label[40:], None)])
    label[:40] = np.nan
    assert reliability_points([(score, label, None)]) == known
