import copy

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from hyrec.optim import CombinedOptimizer, RowWiseAdagrad


def build():
    torch.manual_seed(0)
    table, layer = nn.Embedding(10, 4, sparse=True), nn.Linear(4, 1)
    optimizer = CombinedOptimizer(
        {
            "dense": torch.optim.AdamW(layer.parameters(), lr=0.1),
            "sparse": RowWiseAdagrad(table.parameters(), lr=0.2),
        }
    )
    return table, layer, optimizer


def train(table, layer, optimizer, scheduler, steps):
    for step in steps:
        optimizer.zero_grad()
        layer(table(torch.tensor([step % 10, 3]))).square().sum().backward()
        optimizer.step()
        scheduler.step()


def test_both_parts_step_and_both_rates_follow_the_schedule():
    table, layer, optimizer = build()
    before = [p.detach().clone() for p in (table.weight, layer.weight)]
    scheduler = LambdaLR(optimizer, lambda step: 0.5**step)
    train(table, layer, optimizer, scheduler, range(2))
    assert all((p != q).any() for p, q in zip((table.weight, layer.weight), before, strict=True))
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.025, 0.05])


def test_a_restored_optimizer_continues_bit_identically():
    table, layer, optimizer = build()
    scheduler = LambdaLR(optimizer, lambda step: 1 / (1 + step))
    train(table, layer, optimizer, scheduler, range(3))
    saved = copy.deepcopy((table.state_dict(), layer.state_dict(), optimizer.state_dict(), scheduler.state_dict()))
    train(table, layer, optimizer, scheduler, range(3, 6))
    other_table, other_layer, other = build()
    other_scheduler = LambdaLR(other, lambda step: 1 / (1 + step))
    other_table.load_state_dict(saved[0])
    other_layer.load_state_dict(saved[1])
    other.load_state_dict(saved[2])
    other_scheduler.load_state_dict(saved[3])
    train(other_table, other_layer, other, other_scheduler, range(3, 6))
    assert torch.equal(table.weight, other_table.weight)
    assert torch.equal(layer.weight, other_layer.weight)


def test_a_state_of_other_optimizers_is_refused():
    _, _, optimizer = build()
    with pytest.raises(ValueError, match=r"holds the optimizers \['dense'\].*now has \['dense', 'sparse'\]"):
        optimizer.load_state_dict({"dense": {}})
