"""Tokens exchange information by self-attention."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from hyrec.context import BuildContext
from hyrec.nn.feedforward import PerTokenFeedForward
from hyrec.nn.transformer import TransformerLayer
from hyrec.slots import TokenMixer


class SelfAttentionMixer(TransformerLayer, TokenMixer):
    """Mix tokens with one pre-norm transformer layer: ``S = X + Attn(LN(X))``, ``S + FFN(LN(S))``.

    The "full transformer" rows of HyFormer's table 1. With a network of each token's own it is the row "self-attention"
    of RankMixer's routing ablation.

    Args:
        num_heads: Attention heads; D must be divisible by it.
        expansion: Hidden width of the feed-forward network, in multiples of D.
        feedforward: One network that all tokens share (``shared``), or one of each token's ``own``.
        dropout: Dropout of attention weights and hidden units.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.

    Raises:
        ValueError: When D is not divisible by ``num_heads``.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 table 1 (full transformer)"
    tags: ClassVar[tuple[str, ...]] = ("attention", "ablation")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        num_heads: int = 4,
        expansion: int = 4,
        feedforward: Literal["shared", "own"] = "shared",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(ctx.d_model, num_heads, expansion, dropout)
        if feedforward == "own":
            width = ctx.d_model
            self.feedforward = PerTokenFeedForward(ctx.num_tokens, width, expansion * width, dropout=dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend, then refine each token."""
        return self.transform(tokens)
