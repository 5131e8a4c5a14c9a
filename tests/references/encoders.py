"""Sequence encoders over the events of ONE request, oldest first (HyFormer 3.3, LONGER 3.3-3.4)."""

from __future__ import annotations

import math
from fractions import Fraction

import torch

from tests.references.primitives import (
    Vector,
    Weights,
    attention_block,
    feed_forward,
    layer_norm,
    self_attention_block,
    swiglu,
)


def transformer(w: Weights, events: list[Vector], *, num_heads: int, causal: bool) -> list[Vector]:
    """Pre-norm transformer layer: ``S' = S + Attn(LN(S))``, ``H = S' + FFN(LN(S'))``."""
    normed = [layer_norm(w.at("norm_attention"), event) for event in events]
    out = []
    for i, event in enumerate(events):
        seen = normed[: i + 1] if causal else normed
        x = event + attention_block(w.at("attention"), normed[i], seen, num_heads)
        out.append(x + feed_forward(w.at("feedforward"), layer_norm(w.at("norm_feedforward"), x)))
    return out


def swiglu_encoder(w: Weights, events: list[Vector]) -> list[Vector]:
    """``H = S + SwiGLU(LN(S))``, event by event."""
    return [event + swiglu(w.at("feedforward"), layer_norm(w.at("norm"), event)) for event in events]


def merge(w: Weights, events: list[Vector], ratio: int, inner_layers: int, num_heads: int) -> list[Vector]:
    """TokenMerge: lay adjacent events side by side, counted from the newest; zeros fill a short oldest group.

    InnerTrans runs inside each group before it is laid out, on the events that exist.
    """
    if ratio == 1:
        return list(events)
    tokens = []
    stop = len(events)
    while stop > 0:
        group = events[max(0, stop - ratio) : stop]
        for layer in range(inner_layers):
            group = inner_transformer(w.at("inner", layer), group, num_heads)
        fill = [torch.zeros_like(events[0])] * (ratio - len(group))
        tokens.insert(0, torch.cat([*fill, *group]))
        stop -= ratio
    return tokens


def inner_transformer(w: Weights, group: list[Vector], num_heads: int) -> list[Vector]:
    """One pre-norm transformer layer inside a group."""
    read = self_attention_block(w, [layer_norm(w.at("norm_attention"), x) for x in group], num_heads)
    out = []
    for x, r in zip(group, read, strict=True):
        attended = x + r
        out.append(attended + feed_forward(w.at("feedforward"), layer_norm(w.at("norm_feedforward"), attended)))
    return out


def kept_places(length: int, num_tokens: int, queries: str) -> list[int]:
    """Places of the tokens that attend: the most recent, evenly spaced ones, or half of each."""
    if queries == "recent" or length <= num_tokens:
        return list(range(max(0, length - num_tokens), length))
    if queries == "half":
        older = length - math.ceil(num_tokens / 2)
        return kept_places(older, num_tokens // 2, "uniform") + list(range(older, length))
    steps = [Fraction(i * length, num_tokens) for i in range(num_tokens)]  # even steps back from the newest
    return [place for place in range(length) if any(length - 1 - place <= step < length - place for step in steps)]


def longer(
    w: Weights,
    events: list[Vector],
    *,
    num_recent: int,
    merge_ratio: int,
    inner_layers: int,
    num_heads: int,
    queries: str = "recent",
    causal: bool = True,
) -> tuple[list[Vector], list[Vector]]:
    """One layer of LONGER: returns the encoded tokens and the merged input.

    Token i (of the merged sequence) sees tokens 0..i: nothing newer than itself. Learned tokens see all, and so do the
    tokens that they have become in later layers.
    """
    merged = merge(w, events, merge_ratio, inner_layers, num_heads)
    normed = [layer_norm(w.at("norm_attention"), token) for token in merged]
    if queries == "learnable":
        tokens = list(w["learned_KD"]) if "learned_KD" in w and merged else merged
        attending = [(token, layer_norm(w.at("norm_attention"), token), len(merged)) for token in tokens]
    else:
        places = kept_places(len(merged), num_recent, queries)
        attending = [(merged[i], normed[i], i + 1 if causal else len(merged)) for i in places]
    encoded = []
    for token, query, stop in attending:
        x = token + attention_block(w.at("attention"), query, normed[:stop], num_heads)
        encoded.append(x + feed_forward(w.at("feedforward"), layer_norm(w.at("norm_feedforward"), x)))
    return encoded, merged
