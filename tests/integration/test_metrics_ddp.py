"""Metrics of two real processes equal those of one process that sees all rows."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torchmetrics import MetricCollection

from hyrec.metrics import default_metrics

NUM_ROWS = 101
SPLITS = {
    "unequal": [[(0, 30), (30, 37)], [(37, NUM_ROWS)]],
    "one process has no batch": [[(0, NUM_ROWS)], []],
    "one process has an empty batch": [[(0, 0)], [(0, 50), (50, NUM_ROWS)]],
}
NAMES = list(default_metrics())


def rows():
    rng = torch.Generator().manual_seed(0)
    target = torch.randint(-1, 2, (NUM_ROWS,), generator=rng).float()
    return (
        torch.randint(0, 40, (NUM_ROWS,), generator=rng) / 40,
        target.masked_fill(target < 0, float("nan")),
        torch.randint(0, 9, (NUM_ROWS,), generator=rng) + 2**40,
    )


def compute(batches):
    """Return values and counts: alone, again after an update without rows, and in a collection."""
    alone, together = default_metrics(), MetricCollection(default_metrics())
    for start, stop in batches:
        batch = [column[start:stop] for column in rows()]
        together.update(*batch)
        for metric in alone.values():
            metric.update(*batch)
    first = {name: metric.compute().item() for name, metric in alone.items()}
    details = {name: metric.details() for name, metric in alone.items()}
    for metric in alone.values():
        metric.update(*[column[:0] for column in rows()])
    again = {name: metric.compute().item() for name, metric in alone.items()}
    return {
        "alone": first,
        "again": again,
        "together": {name: value.item() for name, value in together.compute().items()},
        "details": details,
    }


def nan_error():
    metric = default_metrics()["auc"]
    value = float("nan") if dist.get_rank() == 0 else 0.5
    metric.update(torch.tensor([value]), torch.tensor([1.0]))
    try:
        metric.compute()
    except ValueError as error:
        return str(error)
    return "no error"


def process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/store"
    limit = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=2, timeout=limit)
    results = {name: compute(batches[rank]) for name, batches in SPLITS.items()}
    results["nan error"] = nan_error()
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ddp")
    torch.multiprocessing.spawn(process, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def one_process():
    return compute([(0, NUM_ROWS)])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["alone", "again", "together"])
def test_two_processes_give_the_metric_of_all_rows(two_processes, one_process, how, name, split):
    for rank in range(2):
        assert two_processes[rank][split][how][name] == pytest.approx(one_process[how][name], rel=1e-12)


@pytest.mark.parametrize("split", SPLITS)
def test_counts_cover_all_processes(two_processes, one_process, split):
    for rank in range(2):
        assert two_processes[rank][split]["details"] == one_process["details"]


def test_every_process_raises_what_one_process_broke(two_processes):
    for rank in range(2):
        assert "1 of 2 predictions are NaN" in two_processes[rank]["nan error"]
