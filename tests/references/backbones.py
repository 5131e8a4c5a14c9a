"""The order of steps over the layers of ONE sample (HyFormer figures 1 and 2); steps are passed in."""

from __future__ import annotations

from collections.abc import Callable

from tests.references.primitives import Vector

Tokens = list[Vector]
Encode = Callable[[int, str, Tokens], tuple[Tokens, Tokens]]
"""(layer, sequence, events) to (what the next layer sees, memory of this layer)."""
Decode = Callable[[int, str, Tokens, Tokens], Tokens]
"""(layer, sequence, queries, memory) to queries."""
Mix = Callable[[int, Tokens], Tokens]
"""(layer, all tokens) to all tokens."""


def _boost(mix: Mix, layer: int, queries: dict[str, Tokens], ns: Tokens) -> tuple[dict[str, Tokens], Tokens]:
    flat = [q for name in queries for q in queries[name]] + ns
    return _parted(mix(layer, flat), queries)


def _parted(tokens: Tokens, queries: dict[str, Tokens]) -> tuple[dict[str, Tokens], Tokens]:
    own, start = {}, 0
    for name in queries:
        own[name] = tokens[start : start + len(queries[name])]
        start += len(queries[name])
    return own, tokens[start:]


def alternating(
    queries: dict[str, Tokens],
    ns: Tokens,
    sequences: dict[str, Tokens],
    *,
    num_layers: int,
    reinject_ns: bool,
    encode: Encode,
    decode: Decode,
    mix: Mix,
) -> tuple[dict[str, Tokens], Tokens]:
    """At each layer: encode each sequence, let its queries decode it, boost queries and NS tokens."""
    original = ns
    for layer in range(num_layers):
        memories = {}
        for name in sequences:
            sequences = dict(sequences)
            sequences[name], memories[name] = encode(layer, name, sequences[name])
        queries = {name: decode(layer, name, queries[name], memories[name]) for name in queries}
        queries, ns = _boost(mix, layer, queries, original if reinject_ns else ns)
    return queries, ns


def two_stage(
    queries: dict[str, Tokens],
    ns: Tokens,
    sequences: dict[str, Tokens],
    *,
    num_layers: int,
    num_mixer_layers: int,
    encode: Encode,
    decode: Decode,
    mix: Mix,
) -> tuple[dict[str, Tokens], Tokens]:
    """All layers of encoding and decoding, then all layers of mixing."""
    for layer in range(num_layers):
        for name in list(sequences):
            encoded, memory = encode(layer, name, sequences[name])
            queries = {**queries, name: decode(layer, name, queries[name], memory)}
            sequences = {**sequences, name: encoded}
    for layer in range(num_mixer_layers):
        queries, ns = _boost(mix, layer, queries, ns)
    return queries, ns


def unified(
    queries: dict[str, Tokens],
    ns: Tokens,
    sequences: dict[str, Tokens],
    *,
    num_layers: int,
    join: Callable[[dict[str, Tokens]], Tokens],
    block: Callable[[int, Tokens, Tokens], tuple[Tokens, Tokens]],
) -> tuple[dict[str, Tokens], Tokens]:
    """Join the sequences, then every block takes all tokens and all events."""
    events = join(sequences)
    for layer in range(num_layers):
        tokens = [q for name in queries for q in queries[name]] + ns
        tokens, events = block(layer, tokens, events)
        queries, ns = _parted(tokens, queries)
    return queries, ns
