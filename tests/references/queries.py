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
    activation: str = "gelu",
    norm: str = "pre",
) -> dict[str, list[Vector]]:
    """``GlobalInfo = LN(concat(F_1 .. F_M, MeanPool ..))``; ``q_i = FFN_i(GlobalInfo)`` for each sequence.

    ``norm`` says where LayerNorm stands; behind a network it is that network's own, its fifth entry.
    """
    queries = {}
    for name in sequences:
        info = [ns[i] for i in ns_tokens]
        pooled = {"all": sorted(sequences), "own": [name], "none": []}[pooling]
        info += [mean_pool(sequences[other], widths[other]) for other in pooled]
        joined = torch.cat(info)
        if norm in ("pre", "both"):
            joined = layer_norm(w.at("norms", name), joined)
        queries[name] = []
        for i in range(num_queries[name]):
            network = w.at("networks", name, i)
            query = feed_forward(network, joined, activation)
            queries[name].append(layer_norm(network.at(4), query) if norm in ("post", "both") else query)
    return queries
