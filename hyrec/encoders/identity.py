"""The switched-off encoder."""

from __future__ import annotations

from typing import ClassVar

from hyrec.batch import Sequence, SequenceStates
from hyrec.context import BuildContext
from hyrec.slots import SequenceEncoder


class IdentityEncoder(SequenceEncoder):
    """Leave the sequence as it is: decoders attend to the embedded events.

    Shape:
        sequence: packed, any width. Returned unchanged as sequence and memory.
    """

    tags: ClassVar[tuple[str, ...]] = ("ablation",)

    def __init__(self, ctx: BuildContext) -> None:
        super().__init__()
        self.d_sequence = self.d_memory = ctx.d_sequence

    def forward(self, sequence: Sequence) -> SequenceStates:
        """Return the sequence."""
        return SequenceStates(sequence=sequence, memory=sequence)
