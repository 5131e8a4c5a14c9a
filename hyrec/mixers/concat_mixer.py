"""Tokens exchange information through one network that reads all of them at once."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.nn.feedforward import FeedForward, PerTokenFeedForward
from hyrec.slots import TokenMixer


class ConcatMixer(TokenMixer):
    """Put all tokens side by side, send them through one network and cut the result into tokens again.

    The row "All-Concat-MLP" of RankMixer's routing ablation: ``S = LN(X + cut(MLP(concat(X))))``, ``LN(S + FFN(S))``
    with a feed-forward network of each token's own.

    Args:
        mixing_expansion: Hidden width of the network over all tokens, in multiples of D.
        expansion: Hidden width of each token's network, in multiples of D.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    paper: ClassVar[str] = "arXiv 2507.15551 routing ablation (All-Concat-MLP)"
    tags: ClassVar[tuple[str, ...]] = ("rankmixer", "ablation")

    def __init__(
        self, ctx: BuildContext, *, mixing_expansion: int = 1, expansion: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        tokens, width = ctx.num_tokens, ctx.d_model
        # Deviation: the paper names the row without a formula. It compares how tokens reach their networks, so that
        # here only ``mix`` is replaced, and norms and residuals stay those of RankMixer. Pinned by
        # test_concat_mixer_equals_its_reference.
        self.mixing = FeedForward(tokens * width, mixing_expansion * width, dropout=dropout)
        self.norm_mix = nn.LayerNorm(width)
        self.feedforward = PerTokenFeedForward(tokens, width, expansion * width, dropout=dropout)
        self.norm_feedforward = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix, then refine each token."""
        s_BTD = self.norm_mix(tokens + self.mixing(tokens.flatten(1)).unflatten(1, tokens.shape[1:]))
        out: Tensor = self.norm_feedforward(s_BTD + self.feedforward(s_BTD))
        return out
