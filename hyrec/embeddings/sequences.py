"""From the raw events of a sequence to packed vectors."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from hyrec.batch import Batch, Sequence, SequenceInput
from hyrec.embeddings.features import buckets_of, pool_lists, table_of, transform_dense
from hyrec.functional import time_buckets
from hyrec.nn.activations import activation_of
from hyrec.nn.named import NamedModules
from hyrec.schema import Schema


@dataclass(frozen=True)
class SequenceOptions:
    """How events become vectors.

    Args:
        width: Width of an event's vector. 0: the model width.
        widths: Other widths by sequence name.
        time: ``buckets`` embeds the logarithm of (impression time - event time) and concatenates it to the side
            information (LONGER 2.1); ``added`` adds such an embedding to the event's vector; ``none`` ignores times.
        time_buckets: Number of age buckets (see ``hyrec.functional.time_buckets``).
        time_dim: Width of the age embedding that is concatenated; one that is added is as wide as the event's vector.
        position: ``learned`` adds a vector by recency (0 = newest), ``none`` adds nothing.
        activation: Activation behind the norm, before age and position are added.
    """

    width: int = 0
    widths: dict[str, int] = field(default_factory=dict)
    time: Literal["buckets", "added", "none"] = "buckets"
    time_buckets: int = 64
    time_dim: int = 16
    position: Literal["learned", "none"] = "learned"
    activation: Literal["none", "gelu", "silu", "relu"] = "none"

    def width_of(self, sequence: str, d_model: int) -> int:
        """Return the width of one sequence's events."""
        return self.widths.get(sequence, self.width) or d_model


class SequenceEmbedding(nn.Module):
    """Embeds one sequence: side information and age, concatenated, projected, normalised, plus a position.

    Positions count from the newest event, so neither padding nor a longer past moves them.

    Args:
        schema: The data.
        sequence: Name of the sequence.
        tables: Embedding tables by name, shared with the features; passed again to ``forward``.
        width: Width of an event's vector.
        options: Time and position encoding.

    Shape:
        Returns a ``Sequence`` of width ``width`` over R requests.
    """

    def __init__(
        self, schema: Schema, sequence: str, tables: NamedModules, width: int, options: SequenceOptions
    ) -> None:
        super().__init__()
        spec = schema.sequences[sequence]
        self.sequence, self.features = sequence, spec.features
        self.table_names = {name: schema.table_of(name, sequence) for name in spec.features}
        self.num_buckets = options.time_buckets
        self.buckets = buckets_of(spec.features)
        timed = options.time if spec.time_column else "none"
        self.time, d_age = timed, {"buckets": options.time_dim, "added": width, "none": 0}[timed]
        self.age = nn.Embedding(options.time_buckets, d_age) if d_age else None
        self.position = nn.Embedding(spec.max_length, width) if options.position == "learned" else None
        widths = [
            table_of(tables, self.table_names[n]).embedding_dim if f.is_embedded else 2
            for n, f in spec.features.items()
        ]
        self.project = nn.Linear(sum(widths) + (d_age if timed == "buckets" else 0), width)
        self.norm = nn.LayerNorm(width)
        self.activation = activation_of(options.activation)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from content: no bias before the norm, positions small, ages as any table of their size."""
        nn.init.zeros_(self.project.bias)
        if self.age is not None:
            bound = 1 / math.sqrt(self.age.num_embeddings)
            nn.init.uniform_(self.age.weight, -bound, bound)
        if self.position is not None:
            nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, batch: Batch, tables: NamedModules) -> Sequence:
        """Embed the events."""
        events = batch.sequences[self.sequence]
        parts = [self._embed(name, events.features[name], tables) for name in self.features]
        shell = Sequence(parts[0], events.offsets, events.max_length, events.time)
        row = shell.row_index().clamp(max=shell.num_requests - 1)
        ages = [] if self.age is None else [self.age(self._age_buckets(events, batch.time, row))]
        joined = [*parts, *ages] if self.time == "buckets" else parts
        values = self.activation(self.norm(self.project(torch.cat(joined, dim=-1))))
        if self.time == "added":
            values = values + ages[0]
        # Deviation: LONGER adds the position before an MLP; here it comes behind one projection and a norm, counts from
        # the newest event, and ages are bucketed. Pinned by test_events_equal_their_reference.
        if self.position is not None:
            values = values + self.position(shell.recency().clamp(0, self.position.num_embeddings - 1))
        return shell.replace(values)

    def _embed(self, name: str, values: Tensor, tables: NamedModules) -> Tensor:
        feature = self.features[name]
        if feature.kind == "dense" and not feature.is_embedded:
            return transform_dense(feature, values.to(self.project.weight.dtype).unsqueeze(-1))
        table = table_of(tables, self.table_names[name])
        if feature.kind == "multi_id":
            return pool_lists(table, values)
        out: Tensor = table(self.buckets[name](values) if feature.kind == "dense" else values)
        return out

    def _age_buckets(self, events: SequenceInput, now: Tensor | None, row: Tensor) -> Tensor:
        if events.time is None or now is None:
            raise ValueError(
                f"The sequence {self.sequence!r} has a time column in the schema, but this batch carries "
                f"{'no event times' if events.time is None else 'no impression time'}."
            )
        return time_buckets(now.index_select(0, row) - events.time, self.num_buckets)
