"""The usual design: compress the sequences first, mix features later."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from hyrec.batch import RequestMap, Sequence, Tokens
from hyrec.context import BuildContext
from hyrec.nn.layers import EncodedLayers, MixerStack, Sequences, SequenceStack
from hyrec.slots import Backbone


class TwoStageBackbone(Backbone):
    """Decode all sequence layers first, then run all mixing layers (HyFormer's base architecture, figure 1).

    With ``LongerEncoder`` and ``RankMixer`` this is LONGER + RankMixer; the same parts in ``AlternatingBackbone``
    are HyFormer.

    Args:
        num_layers: Sequence layers.
        num_mixer_layers: Mixing layers. 0: as many as sequence layers.

    Shape:
        queries: ``{sequence: (B, Q, D)}``; ns: ``(B, M, D)``; sequences: R requests. Returns ``Tokens``.

    Raises:
        ValueError: When ``num_layers`` is below one.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 figure 1 (base architecture)"
    tags: ClassVar[tuple[str, ...]] = ("longer", "rankmixer")

    def __init__(self, ctx: BuildContext, *, num_layers: int = 2, num_mixer_layers: int = 0) -> None:
        super().__init__()
        self.sequence_layers = SequenceStack(ctx, num_layers)
        self.mixers = MixerStack(ctx, num_mixer_layers or num_layers)

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
        """Run the sequence layers, then the mixing layers."""
        for sequence_layer in self.sequence_layers:
            sequences, memories = sequence_layer.encode(sequences)
            queries = sequence_layer.decode(queries, memories, request_of)
        tokens = Tokens(queries, ns)
        for mix in self.mixers:
            tokens = mix(tokens)
        return tokens
