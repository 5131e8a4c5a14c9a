"""The functional metrics equal slow references and refuse what they are not defined for."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hyrec.metrics import GAUC, QueryAUC
from hyrec.metrics import functional as F
from tests.references import metrics as slow


def grouped_auc(preds, target, group, weights=None):
    """Plain and weighted mean of the AUC inside groups, and what the metrics counted."""
    metrics = QueryAUC(), GAUC()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for metric in metrics:
            metric.update(preds, target, group, weights)
        mean, weighted = (metric.compute().item() for metric in metrics)
    return mean, weighted, metrics[0].details()


CLOSE = {"rel": 1e-9, "abs": 1e-9, "nan_ok": True}
NAN = float("nan")

# Few distinct predictions, so that ties, constant predictions and groups of one label are frequent.
# Weights and predictions are multiples of 1/8, so that cumulative weights are exact and bins unambiguous.
eighths = st.integers(0, 8).map(lambda n: n / 8)
rows = st.lists(st.tuples(eighths, st.sampled_from([0.0, 1.0]), st.integers(-3, 3), eighths), min_size=0, max_size=24)


def columns(data):
    preds, target, group, weights = zip(*data, strict=True) if data else ((), (), (), ())
    tensors = (
        torch.tensor(preds, dtype=torch.float64),
        torch.tensor(target, dtype=torch.float32),
        torch.tensor(group, dtype=torch.int64),
        torch.tensor(weights, dtype=torch.float64),
    )
    return (list(preds), list(target), list(group), list(weights)), tensors


@settings(max_examples=60, deadline=None)
@given(rows)
def test_auc_is_the_share_of_pairs_won(data):
    (p, y, _, w), (tp, ty, _, tw) = columns(data)
    assert F.auc(tp, ty).item() == pytest.approx(slow.auc(p, y), **CLOSE)
    assert F.auc(tp, ty, tw).item() == pytest.approx(slow.auc(p, y, w), **CLOSE)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_grouped_auc_averages_the_auc_of_groups_with_both_labels(data):
    (p, y, g, w), (tp, ty, tg, tw) = columns(data)
    for weights, tensor in ((None, None), (w, tw)):
        got, by_weight, _ = grouped_auc(tp, ty, tg, tensor)
        mean, weighted, _, _ = slow.grouped_auc(p, y, g, weights)
        assert got == pytest.approx(mean, **CLOSE)
        assert by_weight == pytest.approx(weighted, **CLOSE)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_auc_by_group_is_the_auc_of_each_groups_rows(data):
    (p, y, g, w), (tp, ty, tg, tw) = columns(data)
    ids, codes = tg.unique(return_inverse=True)
    by_group, impressions = F.auc_by_group(tp, ty.double(), codes, tw)
    for place, group in enumerate(ids.tolist()):
        own = [row for row, other in enumerate(g) if other == group]
        expected = slow.auc([p[row] for row in own], [y[row] for row in own], [w[row] for row in own])
        assert by_group[place].item() == pytest.approx(expected, **CLOSE)
        assert impressions[place].item() == pytest.approx(sum(w[row] for row in own))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(eighths, eighths), max_size=12))
def test_expected_auc_compares_every_row_as_far_as_it_is_positive_with_every_row_as_far_as_it_is_not(data):
    p, q = [pred for pred, _ in data], [probability for _, probability in data]
    sides = [0.0] * len(p) + [1.0] * len(p)
    expected = slow.auc(p + p, sides, [1 - share for share in q] + q)
    got = F.expected_auc(torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64))
    assert got.item() == pytest.approx(expected, **CLOSE)


@settings(max_examples=60, deadline=None)
@given(rows)
def test_metrics_of_probabilities_equal_their_definitions(data):
    (p, y, _, w), (tp, ty, _, tw) = columns(data)
    for name in ("log_loss", "normalized_entropy", "pcoc"):
        fast, reference = getattr(F, name), getattr(slow, name)
        assert fast(tp, ty).item() == pytest.approx(reference(p, y), **CLOSE)
        assert fast(tp, ty, tw).item() == pytest.approx(reference(p, y, w), **CLOSE)


@pytest.mark.parametrize("binning", ["equal_mass", "equal_width"])
@settings(max_examples=60, deadline=None)
@given(data=rows, num_bins=st.sampled_from([1, 2, 4, 16]))
def test_calibration_error_equals_its_definition(binning, data, num_bins):
    (p, y, _, w), (tp, ty, _, tw) = columns(data)
    got = F.calibration_error(tp, ty, None, num_bins, binning).item()
    assert got == pytest.approx(slow.calibration_error(p, y, None, num_bins, binning), **CLOSE)
    got = F.calibration_error(tp, ty, tw, 1, binning).item()
    assert got == pytest.approx(slow.calibration_error(p, y, w, 1, binning), **CLOSE)


@settings(max_examples=40, deadline=None)
@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(data, random):
    shuffled = list(data)
    random.shuffle(shuffled)
    for_rows = []
    for order in (data, shuffled):
        _, (p, y, g, _) = columns(order)
        mean, weighted, _ = grouped_auc(p, y, g)
        for_rows.append([F.auc(p, y).item(), mean, weighted])
        for_rows[-1].append(round(F.calibration_error(p, y, num_bins=4).item(), 12))
    assert str(for_rows[0]) == str(for_rows[1])


def test_unknown_labels_are_left_out():
    p, y = torch.tensor([0.1, 0.9, 0.8, 0.2]), torch.tensor([0.0, NAN, 1.0, NAN])
    known = torch.tensor([0, 2])
    for metric in (F.auc, F.log_loss, F.normalized_entropy, F.pcoc, F.calibration_error):
        assert metric(p, y).item() == metric(p[known], y[known]).item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_labels_may_be_of_any_number_type(dtype):
    p, y = torch.tensor([0.2, 0.6, 0.4]), torch.tensor([0, 1, 1])
    assert F.auc(p, y.to(dtype)).item() == 1.0
    assert F.pcoc(p, y.to(dtype)).item() == pytest.approx(0.6)


def test_constant_predictions_have_auc_one_half():
    p, y = torch.full((50,), 0.3), (torch.arange(50) % 3 == 0).float()
    assert F.auc(p, y).item() == 0.5
    assert grouped_auc(p, y, torch.arange(50) // 10)[0] == 0.5


def test_a_float32_sigmoid_that_saturates_has_a_finite_log_loss():
    p = torch.sigmoid(torch.tensor([40.0, -200.0]))
    assert F.log_loss(p, torch.tensor([0.0, 1.0])).item() == pytest.approx(-math.log(1e-7))


def test_tied_predictions_share_a_bin():
    bins = F.calibration_bins(torch.tensor([0.5] * 9 + [0.9]), torch.tensor([1.0] * 5 + [0.0] * 5), num_bins=5)
    assert bins.weight.tolist() == [9.0, 1.0]
    assert bins.mean_target.tolist() == [pytest.approx(5 / 9), 0.0]


def test_many_small_groups_keep_exact_pair_counts():
    torch.manual_seed(0)
    group = torch.arange(20_000).repeat_interleave(3)[torch.randperm(60_000)]
    p, y = torch.randint(0, 4, (60_000,)) / 4, torch.randint(0, 2, (60_000,)).float()
    got, _, counted = grouped_auc(p, y, group)
    some = (group < 60).nonzero().squeeze(1)
    few, by_weight, counts = grouped_auc(p[some], y[some], group[some])
    mean, weighted, *expected = slow.grouped_auc(p[some].tolist(), y[some].tolist(), group[some].tolist())
    assert (few, by_weight) == (pytest.approx(mean), pytest.approx(weighted))
    assert [counts["num_groups"], counts["num_rows"]] == expected
    assert got == pytest.approx(0.5, abs=0.01)
    assert counted["num_rows"] == 3 * counted["num_groups"]


@pytest.mark.parametrize(
    ("metric", "preds", "target", "weights", "words"),
    [
        (F.auc, [0.1, NAN], [0.0, 1.0], None, "1 of 2 predictions are NaN"),
        (F.log_loss, [0.1, NAN], [0.0, NAN], None, "1 of 2 predictions are NaN"),
        (F.pcoc, [0.1, 3.0], [0.0, 1.0], None, "sigmoid"),
        (F.calibration_error, [0.1, -3.0], [0.0, 1.0], None, "sigmoid"),
        (F.auc, [0.1, 0.2], [0.0, 2.0], None, "1 of 2 targets"),
        (F.normalized_entropy, [0.1, 0.2], [-1.0, 0.5], None, "2 of 2 targets"),
        (F.auc, [0.1, 0.2], [0.0, 1.0], [1.0, -1.0], "1 of 2 weights"),
        (F.log_loss, [0.1, 0.2], [0.0, 1.0], [1.0, NAN], "1 of 2 weights"),
    ],
)
def test_bad_rows_are_counted_in_the_error(metric, preds, target, weights, words):
    with pytest.raises(ValueError, match=words):
        metric(torch.tensor(preds), torch.tensor(target), None if weights is None else torch.tensor(weights))


def test_wrong_shapes_and_types_are_refused():
    with pytest.raises(ValueError, match=r"preds must be \(B,\)"):
        F.auc(torch.rand(3, 1), torch.zeros(3, 1))
    with pytest.raises(ValueError, match=r"target must be \(B,\) like preds \(3,\), got \(2,\)"):
        F.log_loss(torch.rand(3), torch.zeros(2))
    with pytest.raises(ValueError, match="integer ids"):
        grouped_auc(torch.rand(3), torch.zeros(3), torch.rand(3))
    with pytest.raises(ValueError, match="Did you mean 'equal_mass'"):
        F.calibration_error(torch.rand(3), torch.zeros(3), binning="equal_mas")


def test_metrics_without_a_definition_are_nan():
    p = torch.tensor([0.1, 0.2])
    assert F.auc(p, torch.ones(2)).isnan()
    assert F.normalized_entropy(p, torch.zeros(2)).isnan()
    assert F.pcoc(p, torch.zeros(2)).isnan()
    assert F.log_loss(p[:0], p[:0]).isnan()
    assert math.isnan(grouped_auc(p, torch.ones(2), torch.tensor([0, 1]))[1])


def test_a_relative_change_is_the_published_one():
    assert F.relative_auc(0.6489, 0.6478) == pytest.approx(0.0017, abs=5e-5)
