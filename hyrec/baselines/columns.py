"""Rows of a split in memory as compact columns, for learners that need all rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hyrec.baselines.baseline import NotOfferedError, Report
from hyrec.batch import Batch, Jagged
from hyrec.data.base import RankingData, Split
from hyrec.sample_batch import select_rows
from hyrec.schema import Schema

_COMPACT = ((2**8, torch.uint8), (2**15, torch.int16), (2**31, torch.int32))


def collect(
    data: RankingData, split: Split, task: str, columns: Sequence[str], *, max_rows: int, report: Report
) -> Batch:
    """Return the rows of a split whose label is known, without sequences, as one batch with small integers.

    Over ``max_rows`` a uniform sample is taken, which ``report`` is told, as it is told the memory that is taken.

    Raises:
        NotOfferedError: When no label is known.
    """
    known = torch.cat([~batch.labels[task].isnan() for batch in data.scan(split, [])])
    if not known.any():
        raise NotOfferedError(f"no row of {split!r} has a known label of {task!r}.")
    chosen, of = known.nonzero().squeeze(1), ""
    if len(chosen) > max_rows:
        of = f", a uniform sample of {len(chosen):,} (--max_rows)"
        chosen = chosen[torch.from_numpy(np.random.default_rng(0).choice(len(chosen), max_rows, replace=False))]
    keep = torch.zeros_like(known).index_fill(0, chosen, True)
    parts, start = [], 0
    for batch in data.scan(split, columns):
        parts.append(_taken(batch, keep[start : start + batch.num_samples], task, data.schema, columns))
        start += batch.num_samples
    rows = _joined(parts)
    size = sum(value.element_size() * value.numel() for value in _tensors(rows))
    report(f"{split}: {rows.num_samples:,} rows{of}, {size / 2**20:,.1f} MiB as columns")
    return rows


def as_long(values: Tensor) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return small integers as those that index."""
    return values.long().numpy()


def _taken(batch: Batch, keep: Tensor, task: str, schema: Schema, columns: Sequence[str]) -> Batch:
    """Return the chosen samples of a batch, their ids in as few bytes as their tables need."""
    chosen = keep.nonzero().squeeze(1)
    features: dict[str, Any] = {}
    for name in columns:
        value, size = select_rows(batch.features[name], chosen), schema.features[name].num_ids
        if isinstance(value, Jagged):
            features[name] = replace(value, values=_compact(value.values, size))
        else:
            features[name] = value.float() if value.is_floating_point() else _compact(value, size)
    weights = None if batch.weights is None else batch.weights[chosen]
    return Batch(features, {}, {task: batch.labels[task][chosen]}, len(chosen), weights=weights)


def _compact(ids: Tensor, size: int) -> Tensor:
    return ids.to(next((dtype for limit, dtype in _COMPACT if size <= limit), torch.int64))


def _joined(parts: list[Batch]) -> Batch:
    first, features = parts[0], {}
    for name in first.features:
        values = [part.features[name] for part in parts]
        features[name] = _joined_lists(values) if isinstance(values[0], Jagged) else torch.cat(values)
    labels = {task: torch.cat([part.labels[task] for part in parts]) for task in first.labels}
    weights = [part.weights for part in parts if part.weights is not None]
    total = sum(part.num_samples for part in parts)
    return Batch(features, {}, labels, total, weights=torch.cat(weights) if weights else None)


def _joined_lists(parts: list[Jagged]) -> Jagged:
    lengths = torch.cat([part.offsets.diff() for part in parts])
    weights = [part.weights for part in parts if part.weights is not None]
    offsets = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
    return Jagged(torch.cat([part.values for part in parts]), offsets, torch.cat(weights) if weights else None)


def _tensors(rows: Batch) -> list[Tensor]:
    found = [*rows.labels.values()] + ([] if rows.weights is None else [rows.weights])
    for value in rows.features.values():
        if isinstance(value, Jagged):
            found += [value.values, value.offsets] + ([] if value.weights is None else [value.weights])
        else:
            found.append(value)
    return found
