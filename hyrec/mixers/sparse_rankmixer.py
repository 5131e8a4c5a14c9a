"""RankMixer whose per-token networks are experts, of which few compute."""

from __future__ import annotations

from typing import ClassVar, Literal

from hyrec.context import BuildContext
from hyrec.mixers.rankmixer import RankMixer
from hyrec.nn.sparse_experts import FIGURES, SparseExperts


class SparseRankMixer(RankMixer):
    """RankMixer in which every token's network is cut into experts that a ReLU router turns on and off.

    ``v_i = sum_j ReLU(h(s_i))_j e_ij(s_i)`` in place of the per-token network. An L1 term on the gates, whose weight is
    adapted during training, brings the share of experts that are active to ``activation``; inference computes no
    others. Logged as ``experts/...``: the share that is ``active``, the ``load`` of the busiest expert of a token and
    the ``balance`` between experts (1: even), the share of ``idle`` experts, L_reg (``penalty``) and its weight.

    Args:
        expansion: Hidden width of all experts of a token together, in multiples of D.
        num_experts: Experts of each token.
        activation: Share of the experts that are to be active.
        training: ``dense`` trains two routers, of which inference uses the one that the L1 term holds
            (dense-training-sparse-inference). ``sparse`` has one router for both.
        residual: As in ``RankMixer``.
        norm: As in ``RankMixer``.
        dropout: Probability to drop a hidden unit.

    Shape:
        tokens: ``(B, T, D)`` with D divisible by T; returns the same shape.

    Raises:
        ValueError: When D is not divisible by T, the hidden width not by ``num_experts``, or ``activation`` is not in
            (0, 1].
    """

    paper: ClassVar[str] = "arXiv 2507.15551 3.3"
    tags: ClassVar[tuple[str, ...]] = ("rankmixer", "mixture of experts")
    figures: ClassVar[tuple[str, ...]] = FIGURES

    def __init__(
        self,
        ctx: BuildContext,
        *,
        expansion: int = 4,
        num_experts: int = 4,
        activation: float = 0.25,
        training: Literal["dense", "sparse"] = "dense",
        residual: Literal["single", "double"] = "double",
        norm: Literal["pre", "post", "both", "none"] = "post",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(ctx, expansion=expansion, residual=residual, norm=norm, dropout=dropout)
        self.feedforward: SparseExperts = SparseExperts(
            ctx.num_tokens,
            ctx.d_model,
            expansion * ctx.d_model,
            num_experts=num_experts,
            activation=activation,
            training=training,
            dropout=dropout,
        )

    def adapt(self) -> None:
        """Adapt the weight of the L1 term."""
        self.feedforward.adapt()

    def idle_flops(self) -> float:
        """Return what inactive experts cost in training, and the router that only training has."""
        return self.feedforward.idle_flops()
