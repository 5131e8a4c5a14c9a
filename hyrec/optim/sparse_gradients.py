"""Sparse gradients: clipping together with dense ones, averaging over processes, and who accepts them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.optim import Optimizer

_SPARSE_READY = ("SGD", "SparseAdam", "Adagrad", "RowWiseAdagrad")


def coalesce_gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Sum duplicate rows of every sparse gradient in place; return the values of all gradients."""
    values = []
    for parameter in parameters:
        grad = parameter.grad
        if grad is None:
            continue
        if grad.is_sparse:
            grad = grad.coalesce()
            parameter.grad = grad
            values.append(grad.values())
        else:
            values.append(grad)
    return values


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], limit: float, algorithm: str) -> Tensor:
    """Clip dense and sparse gradients together, by their one global norm or by value; return the norm before."""
    values = coalesce_gradients(parameters)
    if not values:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(v.float()) for v in values]))
    if algorithm == "value":
        for value in values:
            value.clamp_(-limit, limit)
    elif algorithm == "norm":
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        for value in values:
            value.mul_(factor.to(value.dtype))
    else:
        raise ValueError(f"gradient_clip_algorithm is 'norm' or 'value', got {algorithm!r}.")
    return norm


@torch.no_grad()
def average_sparse_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Average the sparse gradients of all processes: three collectives, and only touched rows travel.

    Works with gloo and NCCL alike, neither of which reduces sparse tensors reliably. Every process ends with the
    same rows in the same order.
    """
    world = dist.get_world_size()
    if world == 1 or not parameters:
        return
    device = parameters[0].device
    coalesce_gradients(parameters)
    grads = [_rows_and_values(p) for p in parameters]
    counts = torch.tensor([len(rows) for rows, _ in grads], device=device)
    all_counts = [torch.empty_like(counts) for _ in range(world)]
    dist.all_gather(all_counts, counts)
    widths = [p.shape[1] for p in parameters]
    rows = _gather_padded(torch.cat([r for r, _ in grads]), [int(c.sum()) for c in all_counts])
    sizes = [sum(int(n) * w for n, w in zip(c.tolist(), widths, strict=True)) for c in all_counts]
    values = _gather_padded(torch.cat([v.flatten() for _, v in grads]), sizes)
    pieces: list[list[tuple[Tensor, Tensor]]] = [[] for _ in parameters]
    for rank in range(world):
        lengths = all_counts[rank].tolist()
        row_parts = rows[rank].split(lengths)
        value_parts = values[rank].split([n * w for n, w in zip(lengths, widths, strict=True)])
        for i, (r, v) in enumerate(zip(row_parts, value_parts, strict=True)):
            pieces[i].append((r, v.view(-1, widths[i])))
    for parameter, parts in zip(parameters, pieces, strict=True):
        index = torch.cat([r for r, _ in parts]).unsqueeze(0)
        total = torch.cat([v for _, v in parts]) / world
        parameter.grad = torch.sparse_coo_tensor(index, total, parameter.shape).coalesce()


def _rows_and_values(parameter: nn.Parameter) -> tuple[Tensor, Tensor]:
    grad = parameter.grad
    if grad is None:
        return (torch.zeros(0, dtype=torch.int64, device=parameter.device), parameter.new_zeros(0, parameter.shape[1]))
    if not grad.is_sparse:
        raise RuntimeError("average_sparse_gradients was given a parameter with a dense gradient.")
    return grad.indices().squeeze(0), grad.values()


def _gather_padded(flat: Tensor, sizes: list[int]) -> list[Tensor]:
    """Gather vectors of different lengths from all processes."""
    longest = max(1, *sizes)
    mine = flat.new_zeros(longest)
    mine[: len(flat)] = flat
    gathered = [torch.empty_like(mine) for _ in sizes]
    dist.all_gather(gathered, mine)
    return [part[:size] for part, size in zip(gathered, sizes, strict=True)]


def refuse_dense_only(optimizer: Optimizer) -> None:
    """Refuse an optimizer of torch that does not accept sparse gradients; those of others are trusted.

    Raises:
        ValueError: Naming some that do.
    """
    name = type(optimizer).__name__
    if type(optimizer).__module__.startswith("torch.optim") and name not in _SPARSE_READY:
        raise ValueError(
            f"sparse_optimizer {name} does not accept sparse gradients. Use one of {', '.join(_SPARSE_READY)}, or "
            "set embedding.sparse=false."
        )
