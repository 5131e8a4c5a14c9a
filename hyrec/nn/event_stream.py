"""From several sequences to the events of one stream."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from hyrec.batch import Sequence
from hyrec.functional import concatenate
from hyrec.nn.named import NamedModules


class EventStream(nn.Module):
    """The events of all sequences of a request behind one another, each with a learned vector of its sequence.

    Args:
        widths: Width of the events of each sequence.
        d_model: D. Events of another width are projected.

    Shape:
        sequences: by name, R requests. Returns one ``Sequence`` of width D over R requests.
    """

    def __init__(self, widths: Mapping[str, int], d_model: int) -> None:
        super().__init__()
        self.project = NamedModules(
            {n: nn.Identity() if own == d_model else nn.Linear(own, d_model) for n, own in widths.items()}
        )
        # Deviation: OneTrans puts a learned [SEP] between sequences that it does not merge by time, and an indicator of
        # the sequence on events that it does; the indicator serves both. Pinned by test_a_stream_equals_its_reference.
        self.source_SD = nn.Parameter(torch.empty(len(widths), d_model))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from content: the vectors of the sources are small, as those of the positions."""
        nn.init.normal_(self.source_SD, std=0.02)

    def forward(self, sequences: Mapping[str, Sequence]) -> Sequence:
        """Join the sequences."""
        return concatenate(
            {
                name: sequences[name].replace(self.project[name](sequences[name].values) + source_D)
                for name, source_D in zip(self.project, self.source_SD, strict=True)
            }
        )
