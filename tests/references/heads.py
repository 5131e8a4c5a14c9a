"""Logits of ONE sample."""

from __future__ import annotations

import torch

from tests.references.primitives import Vector, Weights, gelu, layer_norm, linear


def mlp_head(
    w: Weights,
    queries: list[Vector],
    ns: list[Vector],
    tasks: list[str],
    *,
    tokens: str,
    pool: str,
    num_hidden: int,
    features: list[Vector] | None = None,
) -> dict[str, float]:
    """LayerNorm over the chosen tokens, the features as they are, then hidden layers with GELU and one logit a task."""
    chosen = queries + ns if tokens == "all" else queries
    if pool == "concat":
        pooled = torch.cat(chosen)
    else:
        pooled = torch.zeros_like(chosen[0])
        for token in chosen:
            pooled = pooled + token / len(chosen)
    normed = layer_norm(w.at("norm"), pooled)
    logits = {}
    for task in tasks:
        x = torch.cat([normed, *(features or [])])
        for i in range(num_hidden):
            x = gelu(linear(w.at("towers", task, "hidden", 3 * i), x))
        logits[task] = float(linear(w.at("towers", task, "out"), x))
    return logits
