"""What metrics take in memory, and that looking at some rows at a time changes no figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torchmetrics import MetricCollection

from hyrec.metrics import AUC, CalibrationError, default_metrics
from hyrec.metrics.functional import auc
from hyrec.metrics.functional import rows as blocks

STATUS = Path("/proc/self/status")
NUM_ROWS = 2_000_000


def random_rows(num: int, distinct: int) -> tuple[torch.Tensor, ...]:
    rng = torch.Generator().manual_seed(0)
    preds = torch.randint(0, distinct, (num,), generator=rng).double() / distinct
    target = (torch.rand(num, generator=rng) < preds).float()
    target[::7] = float("nan")
    group = torch.randint(0, max(2, num // 20), (num,), generator=rng)
    return preds, target, group, torch.randint(0, 5, (num,), generator=rng).double() / 4


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("name", list(default_metrics()))
def test_rows_in_blocks_give_the_metric_of_all_rows(name, size, weighted, monkeypatch):
    preds, target, group, weights = random_rows(300, distinct=20)
    whole, parts = default_metrics()[name], default_metrics()[name]
    batch = preds, target, group, weights if weighted else None
    whole.update(*batch)
    expected = whole.compute().item()
    monkeypatch.setattr(blocks, "BLOCK", size)
    parts.update(*batch)
    assert parts.compute().item() == pytest.approx(expected, rel=1e-12)
    assert parts.details() == whole.details()


def test_small_batches_are_stored_as_few_tensors():
    metric = AUC()
    for start in range(1000):
        metric.update(torch.full((3,), start / 1000), torch.tensor([0.0, 1.0, 1.0]), torch.tensor([1, 2, 3]))
    assert len(metric.preds) <= 10
    assert torch.cat(metric.preds).tolist() == torch.arange(1000).div(1000).repeat_interleave(3).double().tolist()


@pytest.mark.parametrize("binning", ["equal_mass", "equal_width"])
def test_a_prediction_of_all_rows_has_one_bin(binning):
    metric = CalibrationError(binning=binning)
    metric.update(torch.full((1000,), 0.25), (torch.arange(1000) % 2).float())
    assert metric.compute().item() == 0.25


@pytest.mark.skipif(not STATUS.exists(), reason="needs the peak memory that Linux tells")
def test_all_default_metrics_take_at_most_sixty_bytes_a_row_at_their_peak():
    def memory(name: str) -> int:
        return int(re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text())[1]) * 1024

    columns = random_rows(NUM_ROWS, distinct=10**6)[:3]
    metrics = MetricCollection(default_metrics())
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = memory("VmRSS")
    for batch in zip(*(column.split(4096) for column in columns), strict=True):
        metrics.update(*(part.clone() for part in batch))
    metrics.compute()
    assert (memory("VmHWM") - before) / NUM_ROWS < 60


def test_scores_that_have_gradients_are_measured() -> None:
    preds = torch.tensor([0.1, 0.9, 0.4], requires_grad=True)
    assert float(auc(preds, torch.tensor([0.0, 1.0, 0.0]))) == 1.0
