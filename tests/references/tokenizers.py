"""NS tokens of ONE sample (RankMixer 3.1)."""

from __future__ import annotations

import torch

from tests.references.primitives import Vector, Weights, layer_norm, linear


def grouped(
    w: Weights,
    features: dict[str, Vector],
    groups: dict[str, list[str]],
    counts: dict[str, int],
    d_model: int,
    norm: bool = True,
) -> list[Vector]:
    """``F_g = LN(W_g concat(group g) + b_g)``; a group with c tokens makes c times D numbers."""
    tokens = []
    for group, names in groups.items():
        made = linear(w.at("project", group), torch.cat([features[name] for name in names]))
        parts = [made[i * d_model : (i + 1) * d_model] for i in range(counts.get(group, 1))]
        tokens += [layer_norm(w.at("norm"), part) if norm else part for part in parts]
    return tokens


def auto_split(w: Weights, features: dict[str, Vector], num_tokens: int) -> list[Vector]:
    """``x_i = LN(W_i e[(i - 1) w : i w] + b_i)``: a projection for every piece, zeros behind the last."""
    numbers = [value for vector in features.values() for value in vector.tolist()]
    piece = -(-len(numbers) // num_tokens)
    numbers += [0.0] * (piece * num_tokens - len(numbers))
    tokens = []
    for i in range(num_tokens):
        cut = torch.tensor(numbers[i * piece : (i + 1) * piece], dtype=torch.float64)
        tokens.append(layer_norm(w.at("norm"), w["weight_MWD"][i].T @ cut + w["bias_MD"][i]))
    return tokens
