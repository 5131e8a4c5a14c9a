"""Which norm: the choices that components offer, and the one place that builds them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def norm_of(norm_type: Literal["layer", "rms"], width: int) -> nn.Module:
    """Return LayerNorm, or RMSNorm ``x / sqrt(mean(x^2) + 1e-6) * w`` (arXiv 1910.07467), over the last dimension."""
    return RMSNorm(width, eps=1e-6) if norm_type == "rms" else nn.LayerNorm(width)


def token_norm_of(norm_weights: Literal["shared", "own"], num_tokens: int, width: int) -> nn.Module:
    """Return LayerNorm over each token whose scale and shift all tokens share, or each has of its own."""
    return PerTokenNorm(num_tokens, width) if norm_weights == "own" else nn.LayerNorm(width)


class RMSNorm(nn.RMSNorm):
    """PyTorch's RMSNorm in the precision of its weights, as LayerNorm is under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        assert self.weight is not None
        return super().forward(x.to(self.weight.dtype))


class PerTokenNorm(nn.Module):
    """LayerNorm over each token, with a scale and a shift of each token's own.

    Args:
        num_tokens: T.
        width: D.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    def __init__(self, num_tokens: int, width: int) -> None:
        super().__init__()
        self.weight_TD = nn.Parameter(torch.empty(num_tokens, width))
        self.bias_TD = nn.Parameter(torch.empty(num_tokens, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as a norm that changes nothing more."""
        nn.init.ones_(self.weight_TD)
        nn.init.zeros_(self.bias_TD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Normalise each token."""
        return F.layer_norm(tokens, tokens.shape[-1:]) * self.weight_TD + self.bias_TD
