"""Full self-attention over events and tokens."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext
from hyrec.nn.stream import StreamLayer
from hyrec.slots import UnifiedBlock


class SelfAttentionBlock(StreamLayer, UnifiedBlock):
    """Let every event and every token attend: ``Z = X + Attn(LN(X))``, ``Z + FFN(LN(Z))`` (OneTrans 3.3).

    The "full self-attention" row of HyFormer's table 1. Events attend to events, tokens to the events of their request
    and to the tokens of their sample. The last layer of a backbone refines tokens only, since nothing reads its events.

    ====================  ==================================================================
    causal, weights       computes
    ====================  ==================================================================
    ``false``, ``shared`` full attention with the weights of one transformer
    ``true``, ``own``     OneTrans: causal, with projections and a network of each token's own
    ====================  ==================================================================

    Args:
        num_heads: Attention heads; D must be divisible by it.
        expansion: Hidden width of the feed-forward network, in multiples of D.
        causal: Whether an event sees only events before it in the stream, and a token only tokens before it.
        weights: Whether tokens share the weights of the events, or each has its ``own`` projections and network.
        dropout: Dropout of attention weights and hidden units.

    Shape:
        tokens: ``(B, T, D)``; events: packed, R requests, width D. Returns both in the same shapes.

    Raises:
        ValueError: When D is not divisible by ``num_heads``.
    """

    paper: ClassVar[str] = "arXiv 2510.26104 3.3; arXiv 2601.12681 table 1 (MTGR/OneTrans, full self-attention)"
    tags: ClassVar[tuple[str, ...]] = ("onetrans", "mtgr", "attention")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        num_heads: int = 4,
        expansion: int = 4,
        causal: bool = False,
        weights: Literal["shared", "own"] = "shared",
        dropout: float = 0.0,
    ) -> None:
        # Deviation: OneTrans prints RMSNorm, and MTGR a gate in place of softmax; HyFormer does not say what it took of
        # them. Pinned by test_blocks_equal_their_reference.
        super().__init__(
            ctx.num_tokens,
            ctx.d_model,
            num_heads,
            expansion,
            own_weights=weights == "own",
            events_query=not ctx.is_last_layer,
            causal_events=causal,
            causal_tokens=causal,
            dropout=dropout,
        )
        self.encodes = not ctx.is_last_layer

    def forward(
        self, tokens: Tensor, events: Sequence, request_of: RequestMap | None = None
    ) -> tuple[Tensor, Sequence]:
        """Attend, then refine tokens and events."""
        tokens, encoded = self.transform(tokens, events if self.encodes else None, events, request_of)
        return tokens, events if encoded is None else encoded
