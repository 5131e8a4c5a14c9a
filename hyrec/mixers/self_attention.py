"""Tokens exchange information by self-attention."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.functional import attention, merge_heads, split_heads
from hyrec.nn.attention import check_heads
from hyrec.nn.feedforward import FeedForward
from hyrec.slots import TokenMixer


class SelfAttentionMixer(TokenMixer):
    """Mix tokens with one pre-norm transformer layer whose weights all tokens share.

    The "full transformer" rows of HyFormer's table 1: ``S = X + Attn(LN(X))``, ``S + FFN(LN(S))``.

    Args:
        num_heads: Attention heads; D must be divisible by it.
        expansion: Hidden width of the feed-forward network, in multiples of D.
        dropout: Dropout of attention weights and hidden units.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.

    Raises:
        ValueError: When D is not divisible by ``num_heads``.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 table 1 (full transformer)"
    tags: ClassVar[tuple[str, ...]] = ("attention", "ablation")

    def __init__(self, ctx: BuildContext, *, num_heads: int = 4, expansion: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        check_heads(type(self).__name__, ctx.d_model, num_heads)
        self.num_heads, self.dropout = num_heads, dropout
        self.norm_attention = nn.LayerNorm(ctx.d_model)
        self.query_key_value = nn.Linear(ctx.d_model, 3 * ctx.d_model)
        self.out = nn.Linear(ctx.d_model, ctx.d_model)
        self.norm_feedforward = nn.LayerNorm(ctx.d_model)
        self.feedforward = FeedForward(ctx.d_model, expansion * ctx.d_model, dropout=dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Attend, then refine each token."""
        qkv_BTE = self.query_key_value(self.norm_attention(tokens)).chunk(3, dim=-1)
        q_BHTd, k_BHTd, v_BHTd = (split_heads(x, self.num_heads) for x in qkv_BTE)
        read = attention(q_BHTd, k_BHTd, v_BHTd, dropout=self.dropout if self.training else 0.0)
        tokens = tokens + self.out(merge_heads(read))
        out: Tensor = tokens + self.feedforward(self.norm_feedforward(tokens))
        return out
