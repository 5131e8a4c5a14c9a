import pytest
import torch
from torch import nn

from hyrec.optim import RowWiseAdagrad


def reference_step(weight, sums, grad, lr, eps, decay):
    """One step, row by row, in plain Python."""
    for row in range(weight.shape[0]):
        if grad[row].any():
            grad[row] += decay * weight[row]
        squares = [float(g) ** 2 for g in grad[row]]
        sums[row] += sum(squares) / len(squares)
        for d in range(weight.shape[1]):
            if sums[row] > 0:
                weight[row, d] -= lr * grad[row, d] / (sums[row] ** 0.5 + eps)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("sparse", [True, False])
def test_steps_equal_the_row_by_row_reference(sparse, decay):
    torch.manual_seed(0)
    table = nn.Embedding(7, 3, sparse=sparse).double()
    weight, sums = table.weight.detach().clone(), [0.0] * 7
    optimizer = RowWiseAdagrad(table.parameters(), lr=0.1, weight_decay=decay)
    for step in range(4):
        ids = torch.tensor([1, 1, 5, step])
        optimizer.zero_grad()
        target = torch.randn(4, 3, dtype=torch.float64)
        (table(ids) * target).sum().backward()
        dense = torch.zeros(7, 3, dtype=torch.float64).index_add(0, ids, target)
        reference_step(weight, sums, dense, 0.1, 1e-8, decay)
        optimizer.step()
    # The accumulator is float32 on purpose, whatever the table's dtype.
    torch.testing.assert_close(table.weight.detach(), weight, atol=1e-6, rtol=1e-6)


def test_a_sparse_step_leaves_untouched_rows_bit_identical():
    table = nn.Embedding(100, 4, sparse=True)
    before = table.weight.detach().clone()
    optimizer = RowWiseAdagrad(table.parameters(), lr=0.5)
    table(torch.tensor([3, 3, 9])).square().sum().backward()
    optimizer.step()
    changed = (table.weight.detach() != before).any(dim=1).nonzero().flatten().tolist()
    assert changed == [3, 9]
    assert optimizer.state[table.weight]["sum"].nonzero().flatten().tolist() == [3, 9]


def test_negative_options_are_refused():
    with pytest.raises(ValueError, match="lr >= 0, got -1"):
        RowWiseAdagrad([nn.Parameter(torch.zeros(2, 2))], lr=-1)
