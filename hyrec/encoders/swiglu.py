"""Attention-free refinement of each event."""

from __future__ import annotations

from typing import ClassVar, Literal

from hyrec.batch import Sequence, SequenceStates
from hyrec.context import BuildContext
from hyrec.nn.feedforward import SwiGLU
from hyrec.nn.norms import norm_of
from hyrec.slots import SequenceEncoder


class SwiGLUEncoder(SequenceEncoder):
    """Encode each event by itself: ``H = S + SwiGLU(LN(S))`` (HyFormer 3.3, decoder-style encoding).

    Costs O(L D^2); events do not see each other.

    Args:
        expansion: Hidden width in multiples of the sequence's width.
        bias: Whether the projections have biases.
        norm_type: LayerNorm or RMSNorm.
        dropout: Probability to drop a hidden unit.

    Shape:
        sequence: packed, width ``ctx.d_sequence``. Sequence and memory returned are the same, of that width.
    """

    paper: ClassVar[str] = "arXiv 2601.12681 3.3 (decoder style)"
    tags: ClassVar[tuple[str, ...]] = ("hyformer",)

    def __init__(
        self,
        ctx: BuildContext,
        *,
        expansion: int = 2,
        bias: bool = False,
        norm_type: Literal["layer", "rms"] = "layer",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.d_sequence = self.d_memory = ctx.d_sequence
        # Deviation: HyFormer prints neither norm nor residual. Pinned by test_swiglu_equals_its_reference.
        self.norm = norm_of(norm_type, ctx.d_sequence)
        self.feedforward = SwiGLU(ctx.d_sequence, expansion * ctx.d_sequence, bias=bias, dropout=dropout)

    def forward(self, sequence: Sequence) -> SequenceStates:
        """Refine each event."""
        encoded = sequence.replace(sequence.values + self.feedforward(self.norm(sequence.values)))
        return SequenceStates(sequence=encoded, memory=encoded)
