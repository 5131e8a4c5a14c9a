"""Logits of ONE sample."""

from __future__ import annotations

import torch

from tests.references.primitives import ACTIVATIONS, Vector, Weights, layer_norm, linear


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
    activation: str = "gelu",
    norm: str = "pre",
) -> dict[str, float]:
    """LayerNorm over the chosen tokens, the features as they are, then hidden layers and one logit a task.

    Pooled tokens are projected first where there is a projection. With ``norm: both`` every hidden layer is
    normalised before its activation, so that a layer has four entries instead of three.
    """
    chosen = queries + ns if tokens == "all" else queries
    if pool == "concat":
        pooled = torch.cat(chosen)
    else:
        pooled = torch.zeros_like(chosen[0])
        for token in chosen:
            pooled = pooled + token / len(chosen)
    if "project.weight" in w:
        pooled = linear(w.at("project"), pooled)
    normed = pooled if norm == "none" else layer_norm(w.at("norm"), pooled)
    logits = {}
    for task in tasks:
        x = torch.cat([normed, *(features or [])])
        for i in range(num_hidden):
            entries = 4 if norm == "both" else 3
            x = linear(w.at("towers", task, "hidden", entries * i), x)
            if norm == "both":
                x = layer_norm(w.at("towers", task, "hidden", entries * i + 1), x)
            x = ACTIVATIONS[activation](x)
        logits[task] = float(linear(w.at("towers", task, "out"), x))
    return logits
