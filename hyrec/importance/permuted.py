"""Batches with one input taken from other samples: what a permutation test does to a feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from hyrec.batch import Batch, Jagged, SequenceInput
from hyrec.sample_batch import select_rows


def permuted_features(batches: Sequence[Batch], names: Sequence[str], generator: torch.Generator) -> list[Batch]:
    """Give every sample the values that another sample of any batch has, those of ``names`` from the same one."""
    order = torch.randperm(sum(batch.num_samples for batch in batches), generator=generator)
    sizes = [batch.num_samples for batch in batches]
    moved = {name: _permuted([batch.features[name] for batch in batches], order, sizes) for name in names}
    return [
        replace(batch, features={**batch.features, **{name: values[i] for name, values in moved.items()}})
        for i, batch in enumerate(batches)
    ]


def permuted_sequence(batches: Sequence[Batch], name: str, generator: torch.Generator) -> list[Batch]:
    """Give every request the events that another request of any batch has. Events keep their ages."""
    sizes = [batch.num_requests for batch in batches]
    order = torch.randperm(sum(sizes), generator=generator)
    events = [batch.sequences[name] for batch in batches]
    columns = {f"feature {key}": [e.features[key][: int(e.offsets[-1])] for e in events] for key in events[0].features}
    times = [e.time[: int(e.offsets[-1])] for e in events if e.time is not None]
    if times:
        columns["time"] = times
    moved, offsets = _permuted_lists(columns, [e.offsets for e in events], order, sizes)
    if times and all(batch.time is not None for batch in batches):
        now = torch.cat([batch.time for batch in batches if batch.time is not None])
        later = (now - now[order]).split(sizes)
        moved["time"] = [
            time + later[i].repeat_interleave(offsets[i].diff()) for i, time in enumerate(moved.pop("time"))
        ]
    out = []
    for i, batch in enumerate(batches):
        features = {key: moved[f"feature {key}"][i] for key in events[0].features}
        length = max(1, int(offsets[i].diff().max())) if sizes[i] else 1
        sequence = SequenceInput(features, offsets[i], length, moved["time"][i] if times else None)
        out.append(replace(batch, sequences={**batch.sequences, name: sequence}))
    return out


def _permuted(values: Sequence[Any], order: Tensor, sizes: Sequence[int]) -> list[Any]:
    """Put the values of one feature in another order over all batches."""
    if not isinstance(values[0], Jagged):
        return list(torch.cat(list(values))[order].split(list(sizes)))
    columns = {"values": [v.values for v in values]}
    if values[0].weights is not None:
        columns["weights"] = [v.weights for v in values]
    moved, offsets = _permuted_lists(columns, [v.offsets for v in values], order, sizes)
    weights = moved.get("weights", [None] * len(sizes))
    return [Jagged(v, o, w) for v, o, w in zip(moved["values"], offsets, weights, strict=True)]


def _permuted_lists(
    columns: Mapping[str, Sequence[Tensor]], offsets: Sequence[Tensor], order: Tensor, sizes: Sequence[int]
) -> tuple[dict[str, list[Tensor]], list[Tensor]]:
    """Put packed lists in another order over all batches; return their columns and offsets by batch."""
    lengths = torch.cat([o.diff() for o in offsets])
    places = Jagged(torch.arange(int(lengths.sum())), torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))
    taken = select_rows(places, order)
    by_batch = taken.offsets.diff().split(list(sizes))
    entries = [int(part.sum()) for part in by_batch]
    moved = {name: list(torch.cat(list(parts))[taken.values].split(entries)) for name, parts in columns.items()}
    return moved, [torch.cat([part.new_zeros(1), part.cumsum(0)]) for part in by_batch]
