"""NDCG@k against slow, obvious loops, over two processes, and through a real Trainer."""

from __future__ import annotations

import datetime
import itertools
import math
from functools import partial
from pathlib import Path

import lightning as L
import pytest
import torch
import torch.distributed as dist
from hyrec_ndcg import NDCG
from torch import Tensor
from torch.utils.data import DataLoader

from hyrec.backbones import AlternatingBackbone
from hyrec.decoders import CrossAttentionDecoder
from hyrec.encoders import IdentityEncoder
from hyrec.heads import MLPHead
from hyrec.losses import BCELoss
from hyrec.mixers import IdentityMixer
from hyrec.queries import GlobalQueries
from hyrec.ranker import Ranker
from hyrec.testing import check_metric, random_batch, tiny_schema
from hyrec.tokenizers import GroupedTokens


def rows(num_rows: int = 60, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    preds = torch.randint(0, 6, (num_rows,), generator=rng) / 6
    target = torch.randint(-1, 2, (num_rows,), generator=rng).float()
    group = torch.randint(0, 14, (num_rows,), generator=rng) + 2**40
    return preds, target.masked_fill(target < 0, float("nan")), group


def dcg(labels: list[float], k: int) -> float:
    return sum(label / math.log2(place + 2) for place, label in enumerate(labels[:k]))


def of_one_group(scores: list[float], labels: list[float], k: int) -> float:
    """Average over all orders that agree with the scores."""
    orders = [
        dcg([labels[i] for i in order], k)
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    return sum(orders) / len(orders) / dcg(sorted(labels, reverse=True), k)


def slow_ndcg(preds: Tensor, target: Tensor, group: Tensor, k: int) -> float:
    """Mean over the groups that hold a positive."""
    found = []
    for g in group.unique():
        of_group = (group == g) & ~target.isnan()
        if target[of_group].sum():
            found.append(of_one_group(preds[of_group].tolist(), target[of_group].tolist(), k))
    return sum(found) / len(found)


@pytest.mark.parametrize("k", [1, 2, 3, 10])
def test_it_is_the_mean_over_all_orders_of_equal_scores(k: int) -> None:
    preds, target, group = rows()
    metric, known = NDCG(k), ~target.isnan()
    metric.update(preds, target, group)
    assert metric.compute().item() == pytest.approx(slow_ndcg(preds, target, group, k), abs=1e-12)
    assert metric.details() == {
        "num_groups": len(group[target == 1].unique()),
        "num_rows": int(torch.isin(group[known], group[target == 1]).sum()),
        "num_all_groups": len(group[known].unique()),
        "num_unknown": int((~known).sum()),
    }


def test_a_perfect_ranking_is_one_and_a_reversed_one_is_less() -> None:
    target, group = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 0.0]), torch.tensor([1, 1, 1, 2, 2, 2])
    right, wrong = NDCG(2), NDCG(2)
    right.update(target, target, group)
    wrong.update(1 - target, target, group)
    assert wrong.compute().item() < right.compute().item() == 1.0


def test_without_a_positive_it_is_nan_and_says_so() -> None:
    metric = NDCG()
    metric.update(torch.tensor([0.5]), torch.tensor([0.0]), torch.tensor([1]))
    with pytest.warns(UserWarning, match="no group holds a positive"):
        assert metric.compute().isnan()


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    limit = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2, timeout=limit)
    metric, part = NDCG(k=3), slice(0, 37) if rank == 0 else slice(37, None)
    metric.update(*[column[part] for column in rows()])
    torch.save(metric.compute(), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_figure_of_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_process, args=(str(tmp_path),), nprocs=2)
    metric = NDCG(k=3)
    metric.update(*rows())
    for rank in range(2):
        assert torch.load(tmp_path / f"{rank}.pt").item() == metric.compute().item()


def test_it_obeys_the_contract_of_metrics() -> None:
    check_metric(NDCG, k=3)


def test_a_run_logs_it_for_every_task_and_k() -> None:
    """Three validation batches whose groups span batches; the reference scores them again, outside the trainer."""
    torch.manual_seed(0)
    schema = tiny_schema()
    ranker = Ranker(
        schema,
        tokenizer=GroupedTokens,
        queries=GlobalQueries,
        encoder=IdentityEncoder,
        decoder=partial(CrossAttentionDecoder, num_heads=2),
        mixer=IdentityMixer,
        backbone=partial(AlternatingBackbone, num_layers=1),
        head=MLPHead,
        loss=BCELoss,
        metrics=[partial(NDCG, k=1), partial(NDCG, k=3)],
        d_model=8,
    )
    batches = [random_batch(schema, num_requests=5, candidates=3, seed=seed) for seed in range(3)]
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False)
    (found,) = trainer.validate(ranker, DataLoader(batches, batch_size=None), verbose=False)
    with torch.no_grad():
        logits = [ranker.eval()(batch) for batch in batches]
    group = torch.cat([batch.group for batch in batches])
    for task, name in {"click": "val/ndcg@", "like": "val/like/ndcg@"}.items():
        preds = torch.cat([out[task] for out in logits]).sigmoid()
        target = torch.cat([batch.labels[task] for batch in batches])
        for k in (1, 3):
            assert found[f"{name}{k}"] == pytest.approx(slow_ndcg(preds, target, group, k), abs=1e-6)


def test_a_k_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="k of at least 1, got 0"):
        NDCG(k=0)
