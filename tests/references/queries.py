"""Query generation of ONE sample (HyFormer 3.2)."""

from __future__ import annotations

import torch

from tests.references.primitives import Vector, Weights, feed_forward, layer_norm


def mean_pool(events: list[Vector], width: int) -> Vector:
    """The average event; zeros when there is none."""
    total = torch.zeros(width, dtype=torch.float64)
    for event in events:
        total = total + event
    return total / len(events) if events else total


def global_queries(
    w: Weights,
    ns: list[Vector],
    sequences: dict[str, list[Vector]],
    widths: dict[str, int],
    *,
    num_queries: dict[str, int],
    pooling: str,
    ns_tokens: list[int],
) -> dict[str, list[Vector]]:
    """``GlobalInfo = LN(concat(F_1 .. F_M, MeanPool ..))``; ``q_i = FFN_i(GlobalInfo)`` for each sequence."""
    queries = {}
    for name in sequences:
        info = [ns[i] for i in ns_tokens]
        pooled = {"all": sorted(sequences), "own": [name], "none": []}[pooling]
        info += [mean_pool(sequences[other], widths[other]) for other in pooled]
        normed = layer_norm(w.at("norms", name), torch.cat(info))
        queries[name] = [feed_forward(w.at("networks", name, i), normed) for i in range(num_queries[name])]
    return queries
