"""Sparse experts of ONE sample (RankMixer 3.3), one expert after the other."""

from __future__ import annotations

import torch

from tests.references.primitives import Vector, Weights, gelu


def gates(w: Weights, t: int, token: Vector) -> list[float]:
    """``G_j = ReLU(h(s))_j``, with a router of token t's own."""
    return [max(0.0, float(score)) for score in w["w_TDK"][t].T @ token + w["b_TK"][t]]


def expert(w: Weights, t: int, j: int, token: Vector) -> Vector:
    """``e_tj(s) = W2 GELU(W1 s + b1) + b2``."""
    hidden = gelu(w["w1_TXKD"][t, j] @ token + w["b1_TXK"][t, j])
    return w["w2_TXKD"][t, j].T @ hidden + w["b2_TXD"][t, j]


def sparse_experts(w: Weights, tokens: list[Vector], *, router: str = "router") -> list[Vector]:
    """``v_t = sum_j G_tj e_tj(s_t)`` over the experts whose gate is above zero."""
    out = []
    for t, token in enumerate(tokens):
        total = torch.zeros_like(token)
        for j, gate in enumerate(gates(w.at(router), t, token)):
            if gate > 0.0:
                total = total + gate * expert(w, t, j, token)
        out.append(total)
    return out


def penalty(w: Weights, samples: list[list[Vector]]) -> float:
    """``L_reg = sum_i sum_j G_ij``, averaged over samples."""
    return sum(sum(sum(gates(w.at("router"), t, s)) for t, s in enumerate(tokens)) for tokens in samples) / len(samples)
