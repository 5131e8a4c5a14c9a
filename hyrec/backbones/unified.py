"""One stream: events and tokens in the same layers."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from hyrec.batch import RequestMap, Sequence, Tokens
from hyrec.context import BuildContext
from hyrec.nn.event_stream import EventStream
from hyrec.nn.layers import BlockStack
from hyrec.slots import Backbone


class UnifiedBackbone(Backbone):
    """Run joint blocks over one stream of all events and all tokens (OneTrans, MTGR; HyFormer's table 1).

    The stream of a request is the events of its sequences, one sequence after the other, then queries and NS tokens of
    each sample. What sees what is the matter of ``block``; events never see a candidate. ``merge_sequences`` puts the
    events in order of time. Encoder, decoder and mixer have no part in it.

    Args:
        num_layers: Number of blocks.

    Shape:
        queries: ``{sequence: (B, Q, D)}``; ns: ``(B, M, D)``; sequences: R requests. Returns ``Tokens``.

    Raises:
        ValueError: When ``num_layers`` is below one, the model names no block, or the schema has no sequence.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 table 1 (MTGR/OneTrans); arXiv 2510.26104 3; arXiv 2505.18654"
    tags: ClassVar[tuple[str, ...]] = ("onetrans", "mtgr")

    def __init__(self, ctx: BuildContext, *, num_layers: int = 2) -> None:
        super().__init__()
        if not ctx.sequence_names:
            raise ValueError(
                "UnifiedBackbone joins events and tokens, and the schema has no sequence. Use TwoStageBackbone."
            )
        self.stream = EventStream({name: ctx.sequence_widths[name] for name in ctx.sequence_names}, ctx.d_model)
        self.blocks = BlockStack(ctx, num_layers)

    def forward(
        self,
        queries: dict[str, Tensor],
        ns: Tensor,
        sequences: dict[str, Sequence],
        request_of: RequestMap | None = None,
    ) -> Tokens:
        """Run all blocks."""
        events, tokens = self.stream(sequences), Tokens(queries, ns)
        for block in self.blocks:
            tokens, events = block(tokens, events, request_of)
        return tokens
