"""What parity tests need: components with generic weights, ragged sequences, and rows as plain lists."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext, Layers
from hyrec.embeddings.tables import EmbeddingTable
from hyrec.schema import Schema
from hyrec.testing.batches import tiny_schema

ATOL = 1e-9


def generic(module: Any, seed: int = 0) -> Any:
    """Give every parameter (norms and biases too) a value of its own, in float64; eval mode."""
    rng = torch.Generator().manual_seed(seed)
    module.double().eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng, dtype=torch.float64) * 0.3)
        for part in module.modules():
            if isinstance(part, EmbeddingTable):
                part.weight[0] = 0.0
    return module


def context(schema: Schema | None = None, *, d_model: int = 8, **known: Any) -> BuildContext:
    """Return a context as a component would see it."""
    return BuildContext(schema or tiny_schema(), d_model, **known)


def tokens_context(num_tokens: int, d_model: int, **known: Any) -> BuildContext:
    """Return a context with ``num_tokens`` mixed tokens, two of them queries when there is room."""
    queries = {"clicks": 1, "searches": 1} if num_tokens > 2 else {"clicks": 1}
    return context(d_model=d_model, num_queries=queries, num_ns_tokens=num_tokens - sum(queries.values()), **known)


def factory(cls: type, **options: Any) -> Callable[[BuildContext], Any]:
    """Return what YAML makes of a class and its options."""
    return lambda ctx: cls(ctx, **options)


def layers(encoder: Any, decoder: Any, mixer: Any, block: Any = None) -> Layers:
    """Return per-layer factories."""
    return Layers(encoder=encoder, decoder=decoder, mixer=mixer, block=block)


def ragged(
    lengths: list[int], width: int, *, spare: int = 0, longer_by: int = 0, seed: int = 1, garbage: float = 1e3
) -> Sequence:
    """Return random packed events; spare rows of garbage lie behind them, L may exceed the longest."""
    rng = torch.Generator().manual_seed(seed)
    total = sum(lengths)
    values = torch.randn(total, width, generator=rng, dtype=torch.float64)
    spares = torch.full((max(spare, 0 if total else 1), width), garbage, dtype=torch.float64)
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return Sequence(torch.cat([values, spares]), offsets, max(1, max(lengths)) + longer_by)


def rows(sequence: Sequence) -> list[list[Tensor]]:
    """Return the events of every request as lists of vectors."""
    bounds = sequence.offsets.tolist()
    return [list(sequence.values[a:b]) for a, b in pairwise(bounds)]


def random_tokens(*shape: int, seed: int = 2) -> Tensor:
    """Return standard normal numbers in float64."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def requests(index: list[int], num_requests: int) -> RequestMap:
    """Return the map of samples to requests; they need not be sorted, and a request may have none."""
    return RequestMap.from_index(torch.tensor(index), num_requests)


def assert_rows(sequence: Sequence, expected: list[list[Tensor]]) -> None:
    """Compare every event of every request."""
    actual = rows(sequence)
    assert [len(events) for events in actual] == [len(events) for events in expected]
    for request, (got, want) in enumerate(zip(actual, expected, strict=True)):
        for event, (a, b) in enumerate(zip(got, want, strict=True)):
            torch.testing.assert_close(a, b, atol=ATOL, rtol=0.0, msg=f"request {request}, event {event}")


def assert_tokens(actual: Tensor, expected: list[list[Tensor]]) -> None:
    """Compare every token of every sample."""
    want = torch.stack([torch.stack(tokens) for tokens in expected])
    torch.testing.assert_close(actual, want, atol=ATOL, rtol=0.0)


def parameters_of(module: nn.Module) -> int:
    """Count the numbers in a module's parameters."""
    return sum(p.numel() for p in module.parameters())
