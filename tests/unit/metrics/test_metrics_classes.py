"""Metric classes equal their functions over any batching, share what they store, say what they counted."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torchmetrics import MetricCollection

from hyrec.metrics import AUC, GAUC, PCOC, CalibrationError, LogLoss, QueryAUC, RankingMetric, default_metrics
from hyrec.metrics import functional as F
from tests.references import metrics as slow

NAN = float("nan")


def grouped(place):
    """Return the slow reference of the mean over groups that has this place among its figures."""

    def of(p, y, g, w):
        known = ~y.isnan()
        columns = (None if x is None else x[known].tolist() for x in (p, y, g, w))
        return torch.tensor(slow.grouped_auc(*columns)[place], dtype=torch.float64)

    return of


NAMES = list(default_metrics())
EXPECTED = {
    "auc": lambda p, y, g, w: F.auc(p, y, w),
    "query_auc": grouped(0),
    "gauc": grouped(1),
    "logloss": lambda p, y, g, w: F.log_loss(p, y, w),
    "ne": lambda p, y, g, w: F.normalized_entropy(p, y, w),
    "pcoc": lambda p, y, g, w: F.pcoc(p, y, w),
    "ece": lambda p, y, g, w: F.calibration_error(p, y, w),
}


def rows(num=60, seed=0):
    rng = torch.Generator().manual_seed(seed)
    target = torch.randint(-1, 2, (num,), generator=rng).float()
    return (
        torch.randint(0, 20, (num,), generator=rng) / 20,
        target.masked_fill(target < 0, NAN),
        torch.randint(0, 7, (num,), generator=rng),
        torch.rand(num, generator=rng),
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", [[60], [1, 0, 29, 30], [0, 60]])
@pytest.mark.parametrize("name", NAMES)
def test_any_batching_gives_the_function_of_all_rows(name, sizes, weighted):
    p, y, g, w = rows()
    metric = default_metrics()[name]
    for batch in torch.arange(60).split(sizes):
        metric.update(p[batch], y[batch], g[batch], w[batch] if weighted else None)
    expected = EXPECTED[name](p, y, g, w if weighted else None)
    assert metric.compute().item() == pytest.approx(expected.item(), rel=1e-9)
    assert metric.compute().dtype == torch.float64


@pytest.mark.parametrize("name", NAMES)
def test_reset_forgets_everything(name):
    metric = default_metrics()[name]
    metric.update(*rows(seed=1))
    metric.compute()
    metric.reset()
    assert metric.details() == {}
    metric.update(*rows(seed=2))
    assert metric.compute().item() == pytest.approx(EXPECTED[name](*rows(seed=2)).item(), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_metric_can_be_pickled_and_copied(name):
    metric = default_metrics()[name]
    metric.update(*rows())
    for twin in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric), metric.clone()):
        twin.update(*rows(seed=3))
        assert twin.compute() != metric.compute()


def test_a_collection_stores_scores_once():
    metrics = MetricCollection(default_metrics(), prefix="val/")
    for seed in range(3):
        metrics.update(*rows(seed=seed))
    groups = sorted(sorted(names) for names in metrics.compute_groups.values())
    assert groups == [["auc", "ece", "gauc", "query_auc"], ["logloss", "ne", "pcoc"]]
    states = {
        id(metric.preds): sum(part.numel() for part in metric.preds)
        for metric in metrics.values(copy_state=False)
        if hasattr(metric, "preds")
    }
    assert list(states.values()) == [180]


def test_a_collection_computes_what_its_members_compute_alone():
    metrics, alone = MetricCollection(default_metrics(), prefix="val/"), default_metrics()
    for seed in range(3):
        metrics.update(*rows(seed=seed))
        metrics.compute()
        for metric in alone.values():
            metric.update(*rows(seed=seed))
    together = metrics.compute()
    assert together == {f"val/{name}": metric.compute() for name, metric in alone.items()}


def test_forward_gives_the_batch_and_keeps_the_total():
    p, y, g, _ = rows()
    metrics = MetricCollection(default_metrics())
    metrics.update(p[:20], y[:20], g[:20])
    batch = metrics(p[20:40], y[20:40], g[20:40])
    metrics.update(p[40:], y[40:], g[40:])
    assert batch["auc"].item() == F.auc(p[20:40], y[20:40]).item()
    for name, value in metrics.compute().items():
        assert value.item() == pytest.approx(EXPECTED[name](p, y, g, None).item(), rel=1e-12)


def test_an_empty_first_batch_does_not_confuse_metrics_that_share_states():
    metrics = MetricCollection(default_metrics())
    empty = [column[:0] for column in rows()]
    metrics.update(*empty)
    metrics.update(*rows())
    for name, value in metrics.compute().items():
        assert value.item() == pytest.approx(EXPECTED[name](*rows()).item(), rel=1e-12)


def test_details_say_what_counted():
    preds = torch.tensor([0.1, 0.9, 0.3, 0.4, 0.5])
    target, group = torch.tensor([0, 1, 0, 0, NAN]), torch.tensor([1, 1, 2, 2, 3])
    metric = QueryAUC()
    metric.update(preds, target, group)
    metric.compute()
    assert metric.details() == {"num_groups": 1, "num_rows": 2, "num_all_groups": 2, "num_unknown": 1}
    metric = LogLoss()
    metric.update(preds, target)
    metric.compute()
    assert metric.details() == {"num_rows": 4, "num_unknown": 1}


def test_half_precision_predictions_are_compared_as_they_are():
    p, y, g, _ = rows()
    for name, metric in default_metrics().items():
        metric.update(p.bfloat16(), y, g)
        assert metric.compute().item() == EXPECTED[name](p.bfloat16(), y, g, None).item()


@pytest.mark.parametrize("metric", [AUC(), QueryAUC(), PCOC()])
def test_an_undefined_metric_is_nan_and_warns_once(metric):
    for attempt in range(2):
        metric.reset()
        metric.update(torch.tensor([0.1, 0.2]), torch.tensor([0.0, 0.0]), torch.tensor([0, 0]))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert metric.compute().isnan()
        undefined = [w for w in caught if f"{type(metric).__name__} is undefined" in str(w.message)]
        assert len(undefined) == (1 if attempt == 0 else 0)


@pytest.mark.parametrize("name", NAMES)
def test_nan_predictions_are_an_error(name):
    metric = default_metrics()[name]
    metric.update(torch.tensor([0.5, NAN]), torch.tensor([1.0, 0.0]), torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="1 of 2 predictions are NaN"):
        metric.compute()


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_are_no_labels_are_an_error(name):
    metric = default_metrics()[name]
    metric.update(torch.tensor([0.5, 0.2]), torch.tensor([1.0, 0.3]), torch.tensor([0, 0]))
    with pytest.raises(ValueError, match="1 of 2 targets"):
        metric.compute()


def test_query_metrics_without_groups_say_what_to_set():
    for metric in (QueryAUC(), GAUC()):
        metric.update(torch.tensor([0.5]), torch.tensor([1.0]))
        with pytest.raises(ValueError, match="set group_column in the schema"):
            metric.compute()


def test_groups_in_some_updates_only_are_an_error():
    metric = AUC()
    metric.update(torch.tensor([0.5]), torch.tensor([1.0]), torch.tensor([3]))
    metric.update(torch.tensor([0.4]), torch.tensor([0.0]))
    with pytest.raises(ValueError, match="group for 1 of 2 rows"):
        metric.compute()


def test_options_are_checked():
    with pytest.raises(ValueError, match="num_bins must be at least 1, got 0"):
        CalibrationError(num_bins=0)
    with pytest.raises(ValueError, match="Allowed: equal_mass, equal_width"):
        CalibrationError(binning="quantile")


def test_every_default_metric_fills_the_metric_slot():
    assert all(isinstance(m, RankingMetric) and m.slot == "metric" for m in default_metrics().values())
    assert LogLoss.higher_is_better is False
    assert AUC.higher_is_better is True
