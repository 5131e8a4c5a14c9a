"""Every token's network reads all tokens."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from hyrec.context import BuildContext
from hyrec.nn.feedforward import PerTokenLinear
from hyrec.slots import TokenMixer


class SharedMixer(TokenMixer):
    """Feed all tokens, side by side, to the network of each token.

    The row "All-Share" of RankMixer's routing ablation: ``LN(X_t + W2_t GELU(W1_t concat(X) + b1_t) + b2_t)``. The
    networks share their input, as the experts of a multi-gate mixture do; T times as wide, it costs T times as much.

    Args:
        expansion: Hidden width of each token's network, in multiples of D.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    paper: ClassVar[str] = "arXiv 2507.15551 routing ablation (All-Share)"
    tags: ClassVar[tuple[str, ...]] = ("rankmixer", "ablation")

    def __init__(self, ctx: BuildContext, *, expansion: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        tokens, width = ctx.num_tokens, ctx.d_model
        # Deviation: the paper names the row without a formula. No token is cut, and each network reads the whole input;
        # a mixing step of its own would only repeat that. Pinned by test_shared_mixer_equals_its_reference.
        self.first = nn.Linear(tokens * width, tokens * expansion * width)  # W1 of all tokens, which have one input
        self.second = PerTokenLinear(tokens, expansion * width, width)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Read all tokens, once for each."""
        hidden_BTE = F.gelu(self.first(tokens.flatten(1))).unflatten(1, (tokens.shape[1], -1))
        out: Tensor = self.norm(tokens + self.second(self.dropout(hidden_BTE)))
        return out
