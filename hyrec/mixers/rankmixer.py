"""Token mixing without attention."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.functional import check_divisible_width, mix_tokens
from hyrec.nn.feedforward import PerTokenFeedForward
from hyrec.slots import TokenMixer


class RankMixer(TokenMixer):
    """Mix tokens without attention, then refine each token with a feed-forward network of its own.

    Every token is cut into T parts; the parts with the same place form a new token (``mix``, RankMixer 3.2).

    ====================  =====================================================================
    residual, norm        computes
    ====================  =====================================================================
    ``double``, ``post``  ``S = LN(X + mix(X))``, ``LN(S + FFN(S))``: RankMixer as printed
    ``double``, ``pre``   ``S = X + mix(LN(X))``, ``S + FFN(LN(S))``
    ``double``, ``none``  ``S = X + mix(X)``, ``S + FFN(S)``
    ``single``, ``none``  ``X + FFN(mix(X))``: HyFormer 3.5 as printed
    ``single``, ``pre``   ``X + FFN(LN(mix(X)))``
    ``single``, ``post``  ``LN(X + FFN(mix(X)))``
    ====================  =====================================================================

    Args:
        expansion: Hidden width of each token's network, in multiples of D; k in the paper.
        residual: One residual around mixing and network together, or one around each.
        norm: Where LayerNorm stands.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)`` with D divisible by T; returns the same shape.

    Raises:
        ValueError: When D is not divisible by T, with values that work.
    """

    paper: ClassVar[str] = "arXiv 2507.15551 3.2; arXiv 2601.12681 3.5"
    tags: ClassVar[tuple[str, ...]] = ("rankmixer", "hyformer")
    needs_divisible_width: ClassVar[bool] = True

    def __init__(
        self,
        ctx: BuildContext,
        *,
        expansion: int = 4,
        residual: Literal["single", "double"] = "double",
        norm: Literal["pre", "post", "none"] = "post",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_divisible_width(type(self).__name__, ctx.d_model, dict(ctx.num_queries), ctx.num_ns_tokens)
        self.residual, self.norm = residual, norm
        self.feedforward = PerTokenFeedForward(ctx.num_tokens, ctx.d_model, expansion * ctx.d_model, dropout=dropout)
        double = residual == "double"
        self.norm_mix = nn.LayerNorm(ctx.d_model) if double and norm != "none" else nn.Identity()
        self.norm_feedforward = nn.LayerNorm(ctx.d_model) if norm != "none" else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix, then refine each token."""
        x_BTD = tokens
        if self.residual == "single":
            mixed_BTD = mix_tokens(x_BTD)
            if self.norm == "post":
                return self.norm_feedforward(x_BTD + self.feedforward(mixed_BTD))  # type: ignore[no-any-return]
            return x_BTD + self.feedforward(self.norm_feedforward(mixed_BTD))  # type: ignore[no-any-return]
        if self.norm == "post":
            s_BTD = self.norm_mix(x_BTD + mix_tokens(x_BTD))
            return self.norm_feedforward(s_BTD + self.feedforward(s_BTD))  # type: ignore[no-any-return]
        s_BTD = x_BTD + mix_tokens(self.norm_mix(x_BTD))
        return s_BTD + self.feedforward(self.norm_feedforward(s_BTD))  # type: ignore[no-any-return]
