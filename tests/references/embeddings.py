"""From one raw value to one vector, feature by feature and event by event."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from hyrec.batch import Batch, Jagged
from hyrec.schema import Feature, Schema
from tests.references.primitives import ACTIVATIONS, Vector, Weights, layer_norm, linear

THREE_YEARS = 3 * 365 * 86400.0


def dense_values(feature: Feature, raw: list[float]) -> Vector:
    """The transformed numbers, 0 where one is missing; then, for each, 1 when it was missing."""
    values, missing = [], []
    for x in raw:
        if math.isnan(x):
            value = 0.0
        elif feature.transform == "log1p":
            value = math.copysign(math.log(1.0 + abs(x)), x)
        elif feature.transform == "standardize":
            value = (x - feature.mean) / feature.std
        else:
            value = x
        values.append(value)
        missing.append(1.0 if math.isnan(x) else 0.0)
    return torch.tensor(values + missing, dtype=torch.float64)


def bucket(feature: Feature, x: float) -> int:
    """1 when missing; else 3 plus the number of limits that the value has reached."""
    return 1 if math.isnan(x) else 3 + sum(1 for limit in feature.boundaries if x >= limit)


def pool(table: Tensor, ids: list[int], weights: list[float] | None) -> Vector:
    """Average of the rows, or their weighted sum; id 0 fills a slot that holds nothing."""
    total = torch.zeros(table.shape[1], dtype=torch.float64)
    count = 0
    for i, row in enumerate(ids):
        if row == 0:
            continue
        count += 1
        total = total + table[row] * (1.0 if weights is None else weights[i])
    return total / count if weights is None and count else total


def embed_value(feature: Feature, table: Tensor | None, raw: Any) -> Vector:
    """Embed one value (a number, a list of numbers, or ids with weights) of one feature."""
    if feature.kind == "dense" and feature.transform != "bucketize":
        return dense_values(feature, raw)
    assert table is not None
    if feature.kind == "dense":
        return table[bucket(feature, raw[0])]
    if feature.kind == "id":
        return table[raw]
    ids, weights = raw
    return pool(table, ids, weights)


def raw_value(feature: Feature, column: Tensor | Jagged, sample: int) -> Any:
    """Take one sample's value out of a column."""
    if isinstance(column, Jagged):
        start, stop = int(column.offsets[sample]), int(column.offsets[sample + 1])
        weights = None if column.weights is None else column.weights[start:stop].double().tolist()
        return column.values[start:stop].tolist(), weights
    return int(column[sample]) if feature.kind == "id" else column[sample].double().tolist()


def embed_features(tables: Weights, schema: Schema, batch: Batch, sample: int) -> dict[str, Vector]:
    """Embed every non-sequential feature of one sample."""
    out = {}
    for name, feature in schema.features.items():
        table = tables.at(schema.table_of(name))["weight"] if feature.is_embedded else None
        out[name] = embed_value(feature, table, raw_value(feature, batch.features[name], sample))
    return out


def time_bucket(seconds: float, num_buckets: int) -> int:
    """0 unknown, 1 below one second, then equal pieces of log(1 s) .. log(3 years), the last one open."""
    if math.isnan(seconds):
        return 0
    if seconds < 1.0:
        return 1
    piece = math.log(THREE_YEARS) / (num_buckets - 2)
    for i in range(num_buckets - 3):
        if math.log(seconds) < (i + 1) * piece:
            return 2 + i
    return num_buckets - 1


def embed_events(
    w: Weights,
    tables: Weights,
    schema: Schema,
    sequence: str,
    batch: Batch,
    request: int,
    num_buckets: int,
    *,
    time: str = "buckets",
    activation: str = "none",
) -> list[Vector]:
    """Embed the events of one request: ``LN(W [side information; age] + b) + position by recency``.

    With ``time: added`` the age is no side information but added behind norm and activation.
    """
    events, spec = batch.sequences[sequence], schema.sequences[sequence]
    start, stop = int(events.offsets[request]), int(events.offsets[request + 1])
    out = []
    for i in range(start, stop):
        parts = []
        for name in sorted(spec.features):
            feature, column = spec.features[name], events.features[name]
            raw: Any = int(column[i]) if feature.kind == "id" else column[i].double().reshape(-1).tolist()
            if feature.kind == "multi_id":
                raw = column[i].tolist(), None
            table = tables.at(schema.table_of(name, sequence))["weight"] if feature.is_embedded else None
            parts.append(embed_value(feature, table, raw))
        if "age.weight" in w:
            assert batch.time is not None
            assert events.time is not None
            parts.append(w["age.weight"][time_bucket(float(batch.time[request] - events.time[i]), num_buckets)])
        age = parts.pop() if time == "added" else None
        vector = ACTIVATIONS[activation](layer_norm(w.at("norm"), linear(w.at("project"), torch.cat(parts))))
        if age is not None:
            vector = vector + age
        if "position.weight" in w:
            vector = vector + w["position.weight"][stop - 1 - i]
        out.append(vector)
    return out
