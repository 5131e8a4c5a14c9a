"""The arithmetic that the papers take for granted: one vector at a time, nothing batched, nothing fused.

Every function takes and returns vectors (1-D tensors in float64). Weights are looked up by the names they
have in hyrec's modules; what is computed with them follows the papers.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

Vector = Tensor


class Weights:
    """Parameters of a module by name. ``at`` steps into a sub-module."""

    def __init__(self, module: nn.Module | dict[str, Tensor], prefix: str = "") -> None:
        self.state = module.state_dict() if isinstance(module, nn.Module) else module
        self.prefix = prefix

    def at(self, *path: str | int) -> Weights:
        """Step into a sub-module, one name after the other. Dots inside a name are stored as slashes."""
        steps = [str(step).replace(".", "/") for step in path]
        return Weights(self.state, self.prefix + "".join(f"{step}." for step in steps))

    def __getitem__(self, name: str) -> Tensor:
        return self.state[self.prefix + name]

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.state


def linear(w: Weights, x: Vector) -> Vector:
    """``W x + b``, or ``W x`` when there is no bias."""
    out = w["weight"] @ x
    return out + w["bias"] if "bias" in w else out


def layer_norm(w: Weights, x: Vector) -> Vector:
    """Subtract the mean, divide by the root of the variance plus 1e-5, scale and shift."""
    mean = sum(x.tolist()) / len(x)
    variance = sum((v - mean) ** 2 for v in x.tolist()) / len(x)
    return (x - mean) / math.sqrt(variance + 1e-5) * w["weight"] + w["bias"]


def rms_norm(w: Weights, x: Vector) -> Vector:
    """Divide by the root of the mean square plus 1e-6, and scale."""
    square = sum(v**2 for v in x.tolist()) / len(x)
    return x / math.sqrt(square + 1e-6) * w["weight"]


def norm(w: Weights, x: Vector) -> Vector:
    """LayerNorm, or RMSNorm where there is nothing to shift by."""
    return layer_norm(w, x) if "bias" in w else rms_norm(w, x)


def token_norm(w: Weights, token: int, x: Vector) -> Vector:
    """LayerNorm whose scale and shift all tokens share, or those of one token."""
    if "weight_TD" not in w:
        return layer_norm(w, x)
    return layer_norm(Weights({"weight": w["weight_TD"][token], "bias": w["bias_TD"][token]}), x)


def gelu(x: Vector) -> Vector:
    """``x * Phi(x)`` with the exact normal distribution function."""
    return torch.tensor([v * 0.5 * (1.0 + math.erf(v / math.sqrt(2.0))) for v in x.tolist()], dtype=x.dtype)


def silu(x: Vector) -> Vector:
    """``x / (1 + exp(-x))``."""
    return torch.tensor([v / (1.0 + math.exp(-v)) for v in x.tolist()], dtype=x.dtype)


def sigmoid(x: Vector) -> Vector:
    """``1 / (1 + exp(-x))``."""
    return torch.tensor([1.0 / (1.0 + math.exp(-v)) for v in x.tolist()], dtype=x.dtype)


def relu(x: Vector) -> Vector:
    """``max(x, 0)``."""
    return torch.tensor([max(v, 0.0) for v in x.tolist()], dtype=x.dtype)


ACTIVATIONS: dict[str, Callable[[Vector], Vector]] = {"none": lambda x: x, "gelu": gelu, "silu": silu, "relu": relu}


def feed_forward(w: Weights, x: Vector, activation: str = "gelu") -> Vector:
    """``W2 GELU(W1 x + b1) + b2``; the two projections are the first and the fourth entry of the module."""
    return linear(w.at(3), ACTIVATIONS[activation](linear(w.at(0), x)))


def swiglu(w: Weights, x: Vector) -> Vector:
    """``W_down (SiLU(W_gate x) * W_up x)``; gate and value are the halves of one matrix."""
    both = linear(w.at("gate_up"), x)
    half = len(both) // 2
    return linear(w.at("down"), silu(both[:half]) * both[half:])


def softmax(scores: list[float]) -> list[float]:
    """``exp(s_i) / sum_j exp(s_j)``."""
    largest = max(scores)
    powers = [math.exp(score - largest) for score in scores]
    return [power / sum(powers) for power in powers]


def attend(q: Vector, keys: list[Vector], values: list[Vector]) -> Vector:
    """``sum_j softmax_j(q k_j / sqrt(d)) v_j``; zeros when there is no key."""
    if not keys:
        return torch.zeros_like(q)
    scores = [float(q @ k) / math.sqrt(len(q)) for k in keys]
    out = torch.zeros_like(q)
    for weight, value in zip(softmax(scores), values, strict=True):
        out = out + weight * value
    return out


def multi_head(q: Vector, keys: list[Vector], values: list[Vector], num_heads: int) -> Vector:
    """Cut every vector into heads, attend in each head alone, put the heads side by side."""
    d = len(q) // num_heads
    heads = []
    for h in range(num_heads):
        cut = slice(h * d, (h + 1) * d)
        heads.append(attend(q[cut], [k[cut] for k in keys], [v[cut] for v in values]))
    return torch.cat(heads)


def rotate(x: Vector, position: int, num_heads: int) -> Vector:
    """Turn the pairs (i, i + d/2) of every head, as complex numbers, by ``position / 10000^(2i / d)``."""
    turned = []
    for head in x.chunk(num_heads):
        d = len(head)
        pairs = [
            complex(head[i], head[i + d // 2]) * cmath.exp(1j * position / 10_000 ** (2 * i / d)) for i in range(d // 2)
        ]
        turned += [pair.real for pair in pairs] + [pair.imag for pair in pairs]
    return torch.tensor(turned, dtype=x.dtype)


def attention_block(
    w: Weights,
    x: Vector,
    seen: list[Vector],
    num_heads: int,
    *,
    place: int | None = None,
    places: list[int] | None = None,
) -> Vector:
    """``MultiHead(x W_Q, seen W_K, seen W_V) W_O``; keys and values are the halves of one matrix.

    Query and keys are rotated by their places where they have one; a module with a gate multiplies what was read by
    ``sigmoid(x W_g + b_g)``.
    """
    q = linear(w.at("query"), x)
    keys, values = [], []
    for event in seen:
        both = linear(w.at("key_value"), event)
        keys.append(both[: len(q)])
        values.append(both[len(q) :])
    if place is not None:
        q = rotate(q, place, num_heads)
    if places is not None:
        keys = [rotate(key, own, num_heads) for key, own in zip(keys, places, strict=True)]
    read = multi_head(q, keys, values, num_heads)
    if "gate.linear.weight" in w:
        read = read * sigmoid(linear(w.at("gate", "linear"), x))
    return linear(w.at("out"), read)


def self_attention_block(w: Weights, tokens: list[Vector], num_heads: int) -> list[Vector]:
    """Every token attends to every token; the three projections are the thirds of one matrix."""
    thirds = [linear(w.at("query_key_value"), token).chunk(3) for token in tokens]
    keys, values = [third[1] for third in thirds], [third[2] for third in thirds]
    return [linear(w.at("out"), multi_head(third[0], keys, values, num_heads)) for third in thirds]
