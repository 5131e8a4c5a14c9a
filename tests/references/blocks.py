"""One layer over the stream of ONE sample: its request's events, then its tokens (OneTrans 3.3, LONGER 3.4)."""

from __future__ import annotations

from tests.references.mixers import per_token_feed_forward
from tests.references.primitives import Vector, Weights, feed_forward, layer_norm, linear, multi_head


def project(w: Weights, x: Vector, token: int | None, *, own: bool) -> list[Vector]:
    """Query, key and value of an event (``token`` is None), or of a token, whose weights may be its own."""
    if own and token is not None:
        return list((w["own.w_TDK"][token].T @ x + w["own.b_TK"][token]).chunk(3))
    return [linear(w.at("query"), x), *linear(w.at("key_value"), x).chunk(2)]


def block(
    w: Weights,
    tokens: list[Vector],
    events: list[Vector],
    *,
    num_heads: int,
    num_recent: int | None = None,
    causal_events: bool = False,
    causal_tokens: bool = False,
    own: bool = False,
    encodes: bool = True,
    dependent: list[bool] | None = None,
) -> tuple[list[Vector], list[Vector]]:
    """``Z = X + Attn(LN(X))``, ``Z + FFN(LN(Z))``: what event i and token t see is written out below.

    ``num_recent`` are the last events that attend and stay (None: all); unless it ``encodes``, events stay as they are.
    ``dependent`` says which tokens depend on the candidate: events see the others, which see none of them.
    """
    at = w.at("attention")
    keys, values = [], []
    for event in events:
        key, value = linear(at.at("key_value"), layer_norm(w.at("norm_attention"), event)).chunk(2)
        keys.append(key)
        values.append(value)

    thirds = [project(at, layer_norm(w.at("norm_attention"), x), t, own=own) for t, x in enumerate(tokens)]
    free = [] if dependent is None else [third for third, d in zip(thirds, dependent, strict=True) if not d]

    encoded = []
    for i in range(max(0, len(events) - num_recent) if num_recent else 0, len(events) if encodes else 0):
        query = linear(at.at("query"), layer_norm(w.at("norm_attention"), events[i]))
        stop = i + 1 if causal_events else len(events)
        seen_keys, seen_values = keys[:stop] + [s[1] for s in free], values[:stop] + [s[2] for s in free]
        z = events[i] + linear(at.at("out"), multi_head(query, seen_keys, seen_values, num_heads))
        encoded.append(z + feed_forward(w.at("feedforward"), layer_norm(w.at("norm_feedforward"), z)))

    attended = []
    for t, token in enumerate(tokens):
        seen = thirds[: t + 1] if causal_tokens else thirds
        seen = free if dependent is not None and not dependent[t] else seen
        read = multi_head(thirds[t][0], keys + [s[1] for s in seen], values + [s[2] for s in seen], num_heads)
        attended.append(token + linear(at.at("out"), read))
    normed = [layer_norm(w.at("norm_feedforward"), z) for z in attended]
    if own:
        refined = per_token_feed_forward(w.at("own_feedforward"), normed)
    else:
        refined = [feed_forward(w.at("feedforward"), x) for x in normed]
    return [z + r for z, r in zip(attended, refined, strict=True)], encoded if encodes else events


def stream(w: Weights, sequences: dict[str, list[Vector]]) -> list[Vector]:
    """The events of one sequence after those of the other, in the order of names, each with its sequence's vector."""
    out = []
    for place, name in enumerate(sequences):
        for event in sequences[name]:
            vector = linear(w.at("project", name), event) if "weight" in w.at("project", name) else event
            out.append(vector + w["source_SD"][place])
    return out
