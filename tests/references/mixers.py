"""Token mixing of ONE sample (RankMixer 3.2, HyFormer 3.5, Wukong 3.2-3.6)."""

from __future__ import annotations

import torch

from tests.references.primitives import (
    Vector,
    Weights,
    feed_forward,
    gelu,
    layer_norm,
    self_attention_block,
)


def mix(tokens: list[Vector]) -> list[Vector]:
    """Cut each of the T tokens into T parts; new token h is the h-th part of token 1, of token 2, ..."""
    num_tokens = len(tokens)
    width = len(tokens[0]) // num_tokens
    mixed = []
    for h in range(num_tokens):
        parts = [tokens[t][h * width : (h + 1) * width] for t in range(num_tokens)]
        mixed.append(torch.cat(parts))
    return mixed


def per_token_feed_forward(w: Weights, tokens: list[Vector]) -> list[Vector]:
    """``v_t = W2_t GELU(W1_t s_t + b1_t) + b2_t``: token t has weights of its own."""
    out = []
    for t, token in enumerate(tokens):
        hidden = gelu(w["w1_TDK"][t].T @ token + w["b1_TK"][t])
        out.append(w["w2_TKD"][t].T @ hidden + w["b2_TD"][t])
    return out


def rankmixer(
    w: Weights,
    tokens: list[Vector],
    *,
    residual: str,
    norm: str,
    mixing: str = "slices",
    weights: str = "own",
) -> list[Vector]:
    """The eight forms. ``double, post`` is printed in RankMixer, ``single, none`` in HyFormer.

    ``mixing: none`` leaves the step out, ``weights: shared`` gives every token the network of the others.
    """

    def ffn(xs: list[Vector]) -> list[Vector]:
        if weights == "shared":
            return [feed_forward(w.at("feedforward"), x) for x in xs]
        return per_token_feed_forward(w.at("feedforward"), xs)

    def normed(xs: list[Vector], *path: str) -> list[Vector]:
        return [layer_norm(w.at(*path), x) for x in xs]

    def norm_mix(xs: list[Vector]) -> list[Vector]:
        return normed(xs, "norm_mix")

    def norm_ffn(xs: list[Vector]) -> list[Vector]:
        return normed(xs, "norm_feedforward")

    def add(xs: list[Vector], ys: list[Vector]) -> list[Vector]:
        return [x + y for x, y in zip(xs, ys, strict=True)]

    mixed = mix if mixing == "slices" else list
    form = (residual if mixing == "slices" else "single", norm)
    if form == ("single", "none"):
        return add(tokens, ffn(mixed(tokens)))
    if form == ("single", "pre"):
        return add(tokens, ffn(norm_ffn(mixed(tokens))))
    if form == ("single", "post"):
        return norm_ffn(add(tokens, ffn(mixed(tokens))))
    if form == ("single", "both"):
        refined = ffn(normed(mixed(tokens), "norm_feedforward", "before"))
        return normed(add(tokens, refined), "norm_feedforward", "after")
    if form == ("double", "none"):
        s = add(mix(tokens), tokens)
        return add(ffn(s), s)
    if form == ("double", "pre"):
        s = add(mix(norm_mix(tokens)), tokens)
        return add(ffn(norm_ffn(s)), s)
    if form == ("double", "post"):
        s = norm_mix(add(mix(tokens), tokens))
        return norm_ffn(add(ffn(s), s))
    if form == ("double", "both"):
        s = normed(add(mix(normed(tokens, "norm_mix", "before")), tokens), "norm_mix", "after")
        refined = ffn(normed(s, "norm_feedforward", "before"))
        return normed(add(refined, s), "norm_feedforward", "after")
    raise AssertionError(f"no such form: {form}")


def self_attention(w: Weights, tokens: list[Vector], *, num_heads: int) -> list[Vector]:
    """One pre-norm transformer layer over the tokens: ``S = X + Attn(LN(X))``, ``S + FFN(LN(S))``."""
    read = self_attention_block(w, [layer_norm(w.at("norm_attention"), x) for x in tokens], num_heads)
    out = []
    for x, r in zip(tokens, read, strict=True):
        s = x + r
        out.append(s + feed_forward(w.at("feedforward"), layer_norm(w.at("norm_feedforward"), s)))
    return out


def factorization_machine(w: Weights, tokens: list[Vector]) -> list[float]:
    """Flattened FM: of every pair of tokens the dot product (``X X^T``), then each row of them times Y."""
    y = w["y.weight"].T
    rank = y.shape[1]
    flat = []
    for token in tokens:
        dots = [float(token @ other) for other in tokens]
        flat += [sum(dot * float(y[j, c]) for j, dot in enumerate(dots)) for c in range(rank)]
    return flat


def wukong(w: Weights, tokens: list[Vector], *, num_linear: int) -> list[Vector]:
    """``LN(concat(FMB(X), LCB(X)) + X)``, token by token."""
    width, num_products = len(tokens[0]), len(tokens) - num_linear
    products = torch.tensor(factorization_machine(w.at("fmb"), tokens), dtype=tokens[0].dtype)
    made = feed_forward(w.at("fmb", "feedforward"), layer_norm(w.at("fmb", "norm"), products))
    new = [made[i * width : (i + 1) * width] for i in range(num_products)]
    for weights in w["lcb.weight"].tolist():
        total = torch.zeros_like(tokens[0])
        for weight, token in zip(weights, tokens, strict=True):
            total = total + weight * token
        new.append(total)
    return [layer_norm(w.at("norm"), n + x) for n, x in zip(new, tokens, strict=True)]
