"""Query decoding of ONE sample (HyFormer 3.4)."""

from __future__ import annotations

from tests.references.primitives import Vector, Weights, attention_block, norm


def cross_attention(
    w: Weights, queries: list[Vector], memory: list[Vector], *, num_heads: int, position: str = "none"
) -> list[Vector]:
    """``Q + MultiHead(LN(Q) W_Q, LN(H) W_K, LN(H) W_V) W_O``, query by query.

    With ``position: rope`` the place of an event is the number of newer ones; queries have none.
    """
    normed = [norm(w.at("norm_memory"), event) for event in memory]
    places = [len(memory) - 1 - i for i in range(len(memory))] if position == "rope" else None
    return [
        q + attention_block(w.at("attention"), norm(w.at("norm_queries"), q), normed, num_heads, places=places)
        for q in queries
    ]
