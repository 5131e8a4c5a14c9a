"""From several embedded sequences to one, in order of time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from hyrec.batch import Sequence
from hyrec.context import MERGED
from hyrec.functional import interleave_by_time
from hyrec.nn.named import NamedModules
from hyrec.schema import Schema


class SequenceMerging(nn.Module):
    """Merge the sequences of every request into one, in order of time (HyFormer table 2, "merge sequences into one").

    Every event keeps what its own sequence embedded (side information, age, recency within that sequence), is
    projected where its width is another, and gets a learned vector of the sequence that it comes from.

    Args:
        schema: The data.
        widths: Width of the embedded events of each sequence.
        width: Width of the merged events.

    Shape:
        sequences: by name, R requests. Returns one ``Sequence`` of width ``width`` over R requests.

    Raises:
        ValueError: When the schema has fewer than two sequences, one without a time column, or one that has the name
            of the merged sequence.
    """

    def __init__(self, schema: Schema, widths: Mapping[str, int], width: int) -> None:
        super().__init__()
        _check_mergeable(schema)
        self.project = NamedModules(
            {n: nn.Identity() if own == width else nn.Linear(own, width, bias=False) for n, own in widths.items()}
        )
        # Deviation: HyFormer says only that sequences are merged into one; it prints neither projection nor source.
        # Pinned by test_merged_sequences_equal_their_reference.
        self.source_SE = nn.Parameter(torch.empty(len(widths), width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from content: the vectors of the sources are small, as those of the positions."""
        nn.init.normal_(self.source_SE, std=0.02)

    def forward(self, sequences: Mapping[str, Sequence]) -> Sequence:
        """Merge the sequences."""
        return interleave_by_time(
            {
                name: sequences[name].replace(self.project[name](sequences[name].values) + source_E)
                for name, source_E in zip(self.project, self.source_SE, strict=True)
            }
        )


def _check_mergeable(schema: Schema) -> None:
    names = list(schema.sequences)
    if len(names) < 2:
        raise ValueError(
            f"merge_sequences=true needs two sequences or more, and the schema has {names[0] if names else 'none'}. "
            "Use merge_sequences=false."
        )
    if MERGED in names:
        raise ValueError(
            f"The schema has a sequence named {MERGED!r}, which is what merge_sequences=true calls the stream of all "
            "sequences. Give the sequence another name."
        )
    if untimed := [name for name in names if not schema.sequences[name].time_column]:
        raise ValueError(
            f"merge_sequences=true merges events in order of time, and these sequences have no time_column in the "
            f"schema: {', '.join(untimed)}. Name one for each, or use merge_sequences=false."
        )
