"""Random batches of any schema: what a model can be counted, tried and timed on without data."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Rows
from typing import Any

import torch
from torch import Tensor

from hyrec.batch import Batch, Jagged, RequestMap, SequenceInput
from hyrec.schema import MISSING_ID, PADDING_ID, Feature, Schema


def random_batch(
    schema: Schema,
    *,
    num_requests: int = 4,
    candidates: int | Rows[int] = 1,
    lengths: Mapping[str, Rows[int]] | None = None,
    spare: int = 0,
    missing: float = 0.1,
    seed: int = 0,
) -> Batch:
    """Draw a batch that fits a schema.

    Args:
        schema: The data.
        num_requests: R.
        candidates: Samples of each request, one number or one a request. All 1: ``request_of`` is None.
        lengths: Events of each request by sequence name. Default: random between 0 and the longest allowed.
        spare: Spare rows behind the events of every sequence.
        missing: Share of ids and numbers that are missing.
        seed: Seed of the draw.

    Returns:
        A batch with B = sum of the candidates.
    """
    rng = torch.Generator().manual_seed(seed)
    counts = [candidates] * num_requests if isinstance(candidates, int) else list(candidates)
    if len(counts) != num_requests:
        raise ValueError(f"candidates names {len(counts)} requests, but num_requests={num_requests}.")
    index = torch.repeat_interleave(torch.arange(num_requests), torch.tensor(counts))
    num_samples = int(index.numel())
    grouped = any(count != 1 for count in counts)
    now = 1.6e9 + torch.rand(num_requests, generator=rng, dtype=torch.float64) * 1e6
    features: dict[str, Any] = {}
    for name, feature in schema.features.items():
        per_candidate = schema.is_per_candidate(name)
        value = draw_feature(feature, num_samples if per_candidate else num_requests, missing, rng)
        features[name] = value if per_candidate else select_rows(value, index)
    sequences = {}
    for name, spec in schema.sequences.items():
        size = (num_requests,)
        own = (lengths or {}).get(name)
        lens = torch.randint(0, spec.max_length + 1, size, generator=rng) if own is None else torch.tensor(own)
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lens.cumsum(0)])
        total = int(offsets[-1])
        rows = max(1, total + spare)
        row = torch.repeat_interleave(torch.arange(num_requests), lens)
        age = torch.rand(total, generator=rng, dtype=torch.float64) * 1e6 + 1.0
        time = torch.zeros(rows, dtype=torch.float64)
        time[:total] = _sorted_within(now[row] - age, row)
        sequences[name] = SequenceInput(
            {n: _draw_events(f, rows, missing, rng) for n, f in spec.features.items()},
            offsets,
            max(1, int(lens.max())) if num_requests else 1,
            time if spec.time_column else None,
        )
    labels = {t: torch.randint(0, 2, (num_samples,), generator=rng).float() for t in schema.tasks}
    return Batch(
        features=features,
        sequences=sequences,
        labels=labels,
        num_samples=num_samples,
        request_of=RequestMap.from_index(index, num_requests) if grouped else None,
        time=now if schema.time_column else None,
        group=index.clone() if schema.group_column else None,
        row=torch.arange(num_samples),
    )


def draw_feature(feature: Feature, rows: int, missing: float, rng: torch.Generator) -> Any:
    """Draw one feature for some rows; as in ``Batch.features``."""
    if feature.kind == "dense":
        values = torch.randn(rows, feature.width, generator=rng)
        return values.masked_fill(torch.rand(rows, feature.width, generator=rng) < missing, float("nan"))
    if feature.kind == "id":
        ids = torch.randint(2, feature.num_ids, (rows,), generator=rng)
        return ids.masked_fill(torch.rand(rows, generator=rng) < missing, MISSING_ID)
    lens = torch.randint(0, (feature.max_length or 4) + 1, (rows,), generator=rng)
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lens.cumsum(0)])
    total = int(offsets[-1])
    weights = torch.rand(total, generator=rng) if feature.kind == "weighted_ids" else None
    return Jagged(torch.randint(2, feature.num_ids, (total,), generator=rng), offsets, weights)


def _draw_events(feature: Feature, rows: int, missing: float, rng: torch.Generator) -> Tensor:
    """Draw side information for some events; as in ``SequenceInput.features``."""
    if feature.kind != "multi_id":
        drawn: Tensor = draw_feature(feature, rows, missing, rng).reshape(rows)
        return drawn
    ids = torch.randint(2, feature.num_ids, (rows, feature.max_length), generator=rng)
    lengths = torch.randint(0, feature.max_length + 1, (rows, 1), generator=rng)
    return ids.masked_fill(torch.arange(feature.max_length) >= lengths, PADDING_ID)


def select_rows(value: Tensor | Jagged, index: Tensor) -> Any:
    """Return some rows of a feature, or lists of a jagged one."""
    if not isinstance(value, Jagged):
        return value[index]
    lens = value.offsets.diff()[index]
    offsets = torch.cat([lens.new_zeros(1), lens.cumsum(0)])
    start = torch.repeat_interleave(value.offsets[:-1][index] - offsets[:-1], lens)
    flat = start + torch.arange(int(offsets[-1]), device=start.device)
    return Jagged(value.values[flat], offsets, None if value.weights is None else value.weights[flat])


def _sorted_within(time: Tensor, row: Tensor) -> Tensor:
    order = torch.argsort(time, stable=True)
    return time[order[torch.argsort(row[order], stable=True)]]
