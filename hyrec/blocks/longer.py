"""Tokens and the most recent events read all events."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from hyrec.batch import RequestMap, Sequence
from hyrec.context import BuildContext
from hyrec.nn.stream import StreamLayer
from hyrec.slots import UnifiedBlock


class LongerBlock(StreamLayer, UnifiedBlock):
    """Let tokens and the most recent events attend, as LONGER does: ``Z = X + Attn(LN(X))``, ``Z + FFN(LN(Z))``.

    The "LONGER-style" row of HyFormer's table 1, where only NS tokens query: the events stay as they are, and every
    layer has keys and values of its own. With ``num_recent`` the most recent events of the stream attend to events that
    are not newer, and only they stay, as in OneTrans' pyramid: tokens and recent events are LONGER's ``O = [G; H_S]``.

    LONGER's global tokens "influence all other sequence tokens", which must not see the candidate. With
    ``events_see: user_tokens`` the recent events see the tokens that no candidate has a part in: those that the
    tokenizer makes of user features alone, and learned ones (``pad_tokens``). Below the last layer these in turn see
    events and each other only; all other tokens see everything. Candidates of a request share its events all the same.

    Args:
        num_recent: Most recent events that attend and stay. 0: none attends and all stay, as in the table.
        events_see: What recent events attend to: ``events``, or also ``user_tokens``.
        num_heads: Attention heads; D must be divisible by it.
        expansion: Hidden width of the feed-forward network, in multiples of D.
        weights: Whether tokens share the weights of the events, or each has its ``own`` projections and network.
        dropout: Dropout of attention weights and hidden units.

    Shape:
        tokens: ``(B, T, D)``; events: packed, R requests, width D. Returns tokens of the same shape, and the events, at
        most ``num_recent`` a request unless that is 0.

    Raises:
        ValueError: When D is not divisible by ``num_heads``, ``num_recent`` is negative, it is asked of several
            sequences, whose stream is not in order of time, or events are to see user tokens and there is no such token
            or no event that attends.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 table 1 (MTGR/OneTrans, LONGER-style); arXiv 2505.04421 3.4"
    tags: ClassVar[tuple[str, ...]] = ("longer", "onetrans", "attention")

    def __init__(
        self,
        ctx: BuildContext,
        *,
        num_recent: int = 0,
        events_see: Literal["events", "user_tokens"] = "events",
        num_heads: int = 4,
        expansion: int = 4,
        weights: Literal["shared", "own"] = "shared",
        dropout: float = 0.0,
    ) -> None:
        if num_recent < 0:
            raise ValueError(f"LongerBlock needs num_recent >= 0, got num_recent={num_recent}.")
        if num_recent and len(ctx.sequence_names) > 1:
            raise ValueError(
                f"LongerBlock keeps the last num_recent={num_recent} events of the stream, in which the sequences "
                f"{', '.join(ctx.sequence_names)} follow one another. Use num_recent=0, or merge_sequences=true, which "
                "puts events in order of time."
            )
        encodes = num_recent > 0 and not ctx.is_last_layer
        if sees_tokens := events_see == "user_tokens":
            _check_user_tokens(ctx, num_recent)
        # Deviation: LONGER lets global tokens see everything and sequence tokens see global tokens; both together would
        # carry the candidate into the sequence. Pinned by test_what_events_see_depends_on_no_candidate.
        super().__init__(
            ctx.num_tokens,
            ctx.d_model,
            num_heads,
            expansion,
            own_weights=weights == "own",
            events_query=encodes,
            causal_events=True,
            causal_tokens=False,
            candidate_dependent=ctx.candidate_dependent if sees_tokens and encodes else None,
            dropout=dropout,
        )
        self.num_recent, self.encodes = num_recent, encodes

    def forward(
        self, tokens: Tensor, events: Sequence, request_of: RequestMap | None = None
    ) -> tuple[Tensor, Sequence]:
        """Attend, then refine tokens and recent events."""
        recent = events.recent(self.num_recent) if self.encodes else None
        tokens, encoded = self.transform(tokens, recent, events, request_of)
        return tokens, events if encoded is None else encoded


def _check_user_tokens(ctx: BuildContext, num_recent: int) -> None:
    if not num_recent:
        raise ValueError(
            "LongerBlock with events_see='user_tokens' needs events that attend, got num_recent=0. Use num_recent=1 or "
            "more, or events_see='events'."
        )
    if all(ctx.candidate_dependent):
        raise ValueError(
            "LongerBlock with events_see='user_tokens' needs tokens made of user features alone, and this tokenizer "
            "has none. Use GroupedTokens with user features in groups of their own, or events_see='events'."
        )
