"""HyFormer: decode and boost in turn."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from hyrec.batch import RequestMap, Sequence, Tokens
from hyrec.context import BuildContext
from hyrec.nn.layers import EncodedLayers, MixerStack, Sequences, SequenceStack
from hyrec.slots import Backbone


class AlternatingBackbone(Backbone):
    """Alternate query decoding and query boosting, layer after layer (HyFormer 3.3-3.6, figure 2).

    At each layer every sequence is encoded, its queries decode it, and then all queries and NS tokens are mixed.
    What one sequence said reaches the queries of the others before they decode again.

    Args:
        num_layers: Number of layers.
        reinject_ns: Whether every layer mixes the original NS tokens instead of those of the layer below; the
            paper can be read either way.

    Shape:
        queries: ``{sequence: (B, Q, D)}``; ns: ``(B, M, D)``; sequences: R requests. Returns ``Tokens``.

    Raises:
        ValueError: When ``num_layers`` is below one.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.3-3.6"
    tags: ClassVar[tuple[str, ...]] = ("hyformer",)

    def __init__(self, ctx: BuildContext, *, num_layers: int = 2, reinject_ns: bool = False) -> None:
        super().__init__()
        self.reinject_ns = reinject_ns
        self.sequence_layers = SequenceStack(ctx, num_layers)
        self.mixers = MixerStack(ctx, num_layers)

    def encode(self, sequences: dict[str, Sequence]) -> EncodedLayers:
        """Encode all layers; they depend on the request alone."""
        return self.sequence_layers.encode(sequences)

    def forward(
        self,
        queries: dict[str, Tensor],
        ns: Tensor,
        sequences: Sequences,
        request_of: RequestMap | None = None,
    ) -> Tokens:
        """Run all layers."""
        tokens = Tokens(queries, ns)
        for sequence_layer, mix in zip(self.sequence_layers, self.mixers, strict=True):
            sequences, memories = sequence_layer.encode(sequences)
            decoded = sequence_layer.decode(tokens.queries, memories, request_of)
            # Deviation: HyFormer prints F_1 .. F_M at every layer, which ``reinject_ns`` follows to the letter; the
            # default mixes those of the layer below. Pinned by test_backbones_equal_their_reference.
            tokens = mix(Tokens(decoded, ns if self.reinject_ns else tokens.ns))
        return tokens
