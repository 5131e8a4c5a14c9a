"""Token mixing without attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias

from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.functional import check_divisible_width, mix_tokens
from hyrec.nn.feedforward import PerTokenFeedForward
from hyrec.slots import TokenMixer

Step: TypeAlias = Callable[[Tensor], Tensor]


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
        self.residual = _single if residual == "single" else _double
        # Deviation: ``pre`` stands in neither paper. RankMixer prints post-norm, HyFormer no norm; the configs of
        # HyFormer use ``single``, ``pre``. Pinned by test_rankmixer_equals_its_reference.
        self.add = _post_norm if norm == "post" else _pre_norm
        self.feedforward: nn.Module = PerTokenFeedForward(
            ctx.num_tokens, ctx.d_model, expansion * ctx.d_model, dropout=dropout
        )
        double = residual == "double"
        self.norm_mix = nn.LayerNorm(ctx.d_model) if double and norm != "none" else nn.Identity()
        self.norm_feedforward = nn.LayerNorm(ctx.d_model) if norm != "none" else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Mix, then refine each token."""
        return self.residual(self, tokens)


def _double(layer: RankMixer, x_BTD: Tensor) -> Tensor:
    """``S = X + mix(X)``, ``S + FFN(S)``, with a norm in each step."""
    s_BTD = layer.add(x_BTD, x_BTD, mix_tokens, layer.norm_mix)
    return layer.add(s_BTD, s_BTD, layer.feedforward, layer.norm_feedforward)


def _single(layer: RankMixer, x_BTD: Tensor) -> Tensor:
    """``X + FFN(mix(X))``, with one norm."""
    return layer.add(x_BTD, mix_tokens(x_BTD), layer.feedforward, layer.norm_feedforward)


def _pre_norm(x: Tensor, y: Tensor, step: Step, norm: Step) -> Tensor:
    """``X + step(LN(Y))``."""
    return x + step(norm(y))


def _post_norm(x: Tensor, y: Tensor, step: Step, norm: Step) -> Tensor:
    """``LN(X + step(Y))``."""
    return norm(x + step(y))
