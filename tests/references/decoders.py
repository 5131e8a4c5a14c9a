"""Query decoding of ONE sample (HyFormer 3.4)."""

from __future__ import annotations

from tests.references.primitives import Vector, Weights, attention_block, layer_norm


def cross_attention(w: Weights, queries: list[Vector], memory: list[Vector], *, num_heads: int) -> list[Vector]:
    """``Q + MultiHead(LN(Q) W_Q, LN(H) W_K, LN(H) W_V) W_O``, query by query."""
    normed = [layer_norm(w.at("norm_memory"), event) for event in memory]
    return [
        q + attention_block(w.at("attention"), layer_norm(w.at("norm_queries"), q), normed, num_heads) for q in queries
    ]
