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
    norm,
    self_attention_block,
    swiglu,
)


def transformer(
    w: Weights,
    events: list[Vector],
    *,
    num_heads: int,
    causal: bool,
    position: str = "none",
    activation: str = "gelu",
) -> list[Vector]:
    """Pre-norm transformer layer: ``S' = S + Attn(LN(S))``, ``H = S' + FFN(LN(S'))``.

    With ``position: rope`` the place of an event is the number of newer ones.
    """
    normed = [norm(w.at("norm_attention"), event) for event in events]
    out = []
    for i, event in enumerate(events):
        x = event + read_events(w, normed, i, i + 1 if causal else len(events), num_heads, position)
        refined = norm(w.at("norm_feedforward"), x)
        at = w.at("feedforward")
        out.append(x + (swiglu(at, refined) if activation == "swiglu" else feed_forward(at, refined, activation)))
    return out


def read_events(w: Weights, normed: list[Vector], i: int, stop: int, num_heads: int, position: str) -> Vector:
    """What event i reads of the events before ``stop``."""
    places = [len(normed) - 1 - j for j in range(len(normed))] if position == "rope" else None
    return attention_block(
        w.at("attention"),
        normed[i],
        normed[:stop],
        num_heads,
        place=None if places is None else places[i],
        places=None if places is None else places[:stop],
    )


def swiglu_encoder(w: Weights, events: list[Vector]) -> list[Vector]:
    """``H = S + SwiGLU(LN(S))``, event by event."""
    return [event + swiglu(w.at("feedforward"), norm(w.at("norm"), event)) for event in events]


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
    position: str = "none",
) -> tuple[list[Vector], list[Vector]]:
    """One layer of LONGER: returns the encoded tokens and the merged input.

    Token i (of the merged sequence) sees tokens 0..i: nothing newer than itself. Learned tokens see all, and so do the
    tokens that they have become in later layers; with ``position: rope`` they stand at the newest token, and have no
    place later.
    """
    merged = merge(w, events, merge_ratio, inner_layers, num_heads)
    normed = [layer_norm(w.at("norm_attention"), token) for token in merged]
    if queries == "learnable":
        tokens = list(w["learned_KD"]) if "learned_KD" in w and merged else merged
        attending = [(token, layer_norm(w.at("norm_attention"), token), 0, len(merged)) for token in tokens]
        position = position if "learned_KD" in w else "none"
    else:
        places = kept_places(len(merged), num_recent, queries)
        newest = len(merged) - 1
        attending = [(merged[i], normed[i], newest - i, i + 1 if causal else newest + 1) for i in places]
    encoded = []
    ages = list(range(len(merged)))[::-1]
    for token, query, age, stop in attending:
        read = attention_block(
            w.at("attention"),
            query,
            normed[:stop],
            num_heads,
            place=age if position == "rope" else None,
            places=ages[:stop] if position == "rope" else None,
        )
        x = token + read
        encoded.append(x + feed_forward(w.at("feedforward"), layer_norm(w.at("norm_feedforward"), x)))
    return encoded, merged
