"""Which activation: the choices that components offer, and the one place that builds them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import nn

Activation: TypeAlias = Literal["none", "gelu", "silu", "relu"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"none": nn.Identity, "gelu": nn.GELU, "silu": nn.SiLU, "relu": nn.ReLU}


def activation_of(activation: Activation) -> nn.Module:
    """Return the activation of that name."""
    return _ACTIVATIONS[activation]()
