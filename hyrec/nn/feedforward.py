"""Position-wise feed-forward networks: shared by all tokens, gated, or one for each token."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.nn.activations import Activation, activation_of


class FeedForward(nn.Sequential):
    """``W2 GELU(W1 x + b1) + b2``, the same weights at every position.

    Args:
        d_in: Width of the input.
        d_hidden: Width between the two projections.
        d_out: Width of the output. 0: ``d_in``.
        activation: What stands in the place of GELU.
        dropout: Probability to drop a hidden unit.

    Shape:
        ``(..., d_in)`` to ``(..., d_out)``.
    """

    def __init__(
        self, d_in: int, d_hidden: int, d_out: int = 0, *, activation: Activation = "gelu", dropout: float = 0.0
    ) -> None:
        super().__init__(
            nn.Linear(d_in, d_hidden),
            activation_of(activation),
            nn.Dropout(dropout),
            nn.Linear(d_hidden, d_out or d_in),
        )


class SwiGLU(nn.Module):
    """``W_down (SiLU(W_gate x) * (W_up x))``, the same weights at every position.

    Args:
        d_model: Width of input and output.
        d_hidden: Width of gate and value.
        bias: Whether the projections have biases.
        dropout: Probability to drop a hidden unit.

    Shape:
        ``(..., D)`` to ``(..., D)``.
    """

    def __init__(self, d_model: int, d_hidden: int, *, bias: bool = False, dropout: float = 0.0) -> None:
        super().__init__()
        self.gate_up = nn.Linear(d_model, 2 * d_hidden, bias=bias)
        self.down = nn.Linear(d_hidden, d_model, bias=bias)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the gated network."""
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        out: Tensor = self.down(self.dropout(F.silu(gate) * up))
        return out


class PerTokenLinear(nn.Module):
    """A linear layer of its own for each token, computed as one batched matrix product.

    Args:
        num_tokens: T.
        d_in: Width of the input.
        d_out: Width of the output.

    Shape:
        tokens: ``(B, T, d_in)``; returns ``(B, T, d_out)``.
    """

    def __init__(self, num_tokens: int, d_in: int, d_out: int) -> None:
        super().__init__()
        self.w_TDK = nn.Parameter(torch.empty(num_tokens, d_in, d_out))
        self.b_TK = nn.Parameter(torch.empty(num_tokens, d_out))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise each token's layer as ``nn.Linear`` does."""
        bound = 1 / math.sqrt(self.w_TDK.shape[1])
        nn.init.uniform_(self.w_TDK, -bound, bound)
        nn.init.uniform_(self.b_TK, -bound, bound)

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply each token's own layer."""
        return torch.baddbmm(self.b_TK.unsqueeze(1), tokens.transpose(0, 1), self.w_TDK).transpose(0, 1)


class PerTokenFeedForward(nn.Module):
    """A feed-forward network of its own for each token (RankMixer 3.2: ``v_t = W2_t GELU(W1_t s_t + b1_t) + b2_t``).

    Computed as two batched matrix products, one slice a token.

    Args:
        num_tokens: T.
        d_model: D.
        d_hidden: Width between the two projections, kD in the paper.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    def __init__(self, num_tokens: int, d_model: int, d_hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.w1_TDK = nn.Parameter(torch.empty(num_tokens, d_model, d_hidden))
        self.b1_TK = nn.Parameter(torch.empty(num_tokens, d_hidden))
        self.w2_TKD = nn.Parameter(torch.empty(num_tokens, d_hidden, d_model))
        self.b2_TD = nn.Parameter(torch.empty(num_tokens, d_model))
        self.dropout = nn.Dropout(dropout)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise each token's two layers as ``nn.Linear`` does."""
        for weight, bias in ((self.w1_TDK, self.b1_TK), (self.w2_TKD, self.b2_TD)):
            bound = 1 / math.sqrt(weight.shape[1])
            nn.init.uniform_(weight, -bound, bound)
            nn.init.uniform_(bias, -bound, bound)

    def forward(self, tokens: Tensor) -> Tensor:
        """Apply each token's own network."""
        x_TBD = tokens.transpose(0, 1)
        hidden_TBK = F.gelu(torch.baddbmm(self.b1_TK.unsqueeze(1), x_TBD, self.w1_TDK))
        out_TBD = torch.baddbmm(self.b2_TD.unsqueeze(1), self.dropout(hidden_TBK), self.w2_TKD)
        return out_TBD.transpose(0, 1)
