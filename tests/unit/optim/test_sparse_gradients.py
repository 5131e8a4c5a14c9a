import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing as mp
from torch import nn

from hyrec.optim.sparse_gradients import average_sparse_gradients, clip_gradients


def gradients(sparse):
    torch.manual_seed(0)
    table, layer = nn.Embedding(6, 3, sparse=sparse), nn.Linear(3, 1)
    layer(table(torch.tensor([1, 1, 4]))).square().sum().mul(50).backward()
    return table, layer


def as_dense(grad):
    return grad.to_dense() if grad.is_sparse else grad


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_clipping_sparse_gradients_equals_clipping_dense_ones(algorithm):
    clipped = []
    for sparse in (True, False):
        table, layer = gradients(sparse)
        clip_gradients([*table.parameters(), *layer.parameters()], 0.7, algorithm)
        clipped.append([as_dense(p.grad) for p in (table.weight, layer.weight, layer.bias)])
    for ours, dense in zip(*clipped, strict=True):
        torch.testing.assert_close(ours, dense)


def test_clipping_by_norm_leaves_the_global_norm_at_the_limit():
    table, layer = gradients(sparse=True)
    before = clip_gradients([*table.parameters(), *layer.parameters()], 0.7, "norm")
    after = torch.cat([as_dense(p.grad).flatten() for p in (table.weight, layer.weight, layer.bias)]).norm()
    assert before > 0.7
    assert float(after) == pytest.approx(0.7, abs=1e-4)


def test_an_unknown_algorithm_is_refused():
    table, _ = gradients(sparse=True)
    with pytest.raises(ValueError, match="'norm' or 'value', got 'norms'"):
        clip_gradients(table.parameters(), 1.0, "norms")


def _average(rank, path):
    dist.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    tables = [nn.Embedding(5, 2, sparse=True), nn.Embedding(4, 3, sparse=True), nn.Embedding(3, 2, sparse=True)]
    for table in tables:
        nn.init.ones_(table.weight)
    # The second table is touched by one process only, the third by none.
    loss = tables[0](torch.tensor([0, 2 + rank])).sum() * (rank + 1)
    if rank == 1:
        loss = loss + tables[1](torch.tensor([3, 3])).sum()
    loss.backward()
    average_sparse_gradients([table.weight for table in tables])
    first, second, third = (table.weight.grad.to_dense() for table in tables)
    expected = torch.zeros(5, 2)
    expected[0], expected[2], expected[3] = 1.5, 0.5, 1.0
    torch.testing.assert_close(first, expected)
    expected = torch.zeros(4, 3)
    expected[3] = 1.0
    torch.testing.assert_close(second, expected)
    assert third.abs().sum() == 0
    dist.destroy_process_group()


def test_two_processes_average_rows_that_either_touched(tmp_path):
    mp.spawn(_average, args=(str(tmp_path / "store"),), nprocs=2)
