"""NS tokens of ONE sample (RankMixer 3.1)."""

from __future__ import annotations

import itertools

import torch

from tests.references.primitives import ACTIVATIONS, Vector, Weights, linear, token_norm


def grouped(
    w: Weights,
    features: dict[str, Vector],
    groups: dict[str, list[str]],
    counts: dict[str, int],
    d_model: int,
    norm: bool = True,
    activation: str = "none",
) -> list[Vector]:
    """``F_g = LN(W_g concat(group g) + b_g)``; a group with c tokens makes c times D numbers."""
    tokens = []
    for group, names in groups.items():
        made = linear(w.at("project", group), torch.cat([features[name] for name in names]))
        parts = [made[i * d_model : (i + 1) * d_model] for i in range(counts.get(group, 1))]
        for part in parts:
            normed = token_norm(w.at("norm"), len(tokens), part) if norm else part
            tokens.append(ACTIVATIONS[activation](normed))
    return tokens


def auto_split(w: Weights, pieces: list[list[float]], activation: str = "none") -> list[Vector]:
    """``x_i = LN(W_i e_i + b_i)``: a projection for every piece, whose rows of weights lie one after another."""
    tokens, first = [], 0
    for i, numbers in enumerate(pieces):
        weight = w["weight_WD"][first : first + len(numbers)]
        cut = torch.tensor(numbers, dtype=torch.float64)
        tokens.append(ACTIVATIONS[activation](token_norm(w.at("norm"), i, weight.T @ cut + w["bias_MD"][i])))
        first += len(numbers)
    return tokens


def equal_pieces(features: dict[str, Vector], num_tokens: int) -> list[list[float]]:
    """All numbers, number by number: piece i ends where ``(i + 1) / num_tokens`` of them have been passed."""
    numbers = [value for vector in features.values() for value in vector.tolist()]
    pieces: list[list[float]] = [[] for _ in range(num_tokens)]
    for place, number in enumerate(numbers, 1):
        passed = [len(numbers) * (i + 1) // num_tokens for i in range(num_tokens)]
        pieces[next(i for i, end in enumerate(passed) if place <= end)].append(number)
    return pieces


def best_cut(widths: list[int], num_pieces: int) -> tuple[int, int]:
    """Widest piece and sum of squared widths, of the best of all ways to cut between features."""
    places = itertools.combinations(range(1, len(widths)), num_pieces - 1)
    bounds = [[0, *cut, len(widths)] for cut in places]
    pieces = [[sum(widths[a:b]) for a, b in itertools.pairwise(cut)] for cut in bounds]
    return min((max(piece), sum(width**2 for width in piece)) for piece in pieces)
