"""What a Parquet file says, read the slow and obvious way: one Python value at a time."""

from __future__ import annotations

import math
from typing import Any

import pyarrow.parquet as pq

from hyrec.batch import Batch
from hyrec.schema import Feature, Schema

MASK = 2**64 - 1


def mix(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def hash_of(value: int | str) -> int:
    if isinstance(value, int):
        return mix(value & MASK)
    h = 0xCBF29CE484222325
    for byte in value.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return mix(h)


def final_id(value: int | str | None, feature: Feature) -> int:
    if value is None:
        return 1
    if feature.hash_size:
        return 3 + hash_of(value) % feature.hash_size
    assert isinstance(value, int)
    if value < 0:
        return 1
    return value + feature.offset if value + feature.offset < feature.vocab_size else 2


def number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _feature(row: dict[str, Any], name: str, feature: Feature, place: int | None) -> Any:
    def cell(column: str) -> Any:
        value = row[column]
        return value if place is None or value is None else value[place]

    value = cell(feature.column or name)
    if feature.kind == "id":
        return final_id(value, feature)
    if feature.kind == "dense":
        if feature.width == 1:
            return [number(value)]
        return [number(v) for v in (value if value is not None else [None] * feature.width)]
    keep = feature.max_length or None
    ids = [final_id(v, feature) for v in (value or [])[:keep]]
    if feature.kind == "multi_id":
        return ids
    return ids, [0.0 if w is None else w for w in (cell(feature.weight_column) or [])[:keep]]


def _padded(values: list[int | str | None] | None, feature: Feature) -> list[int]:
    """The first ids of a list, then zeros."""
    ids = [final_id(v, feature) for v in (values or [])[: feature.max_length]]
    return ids + [0] * (feature.max_length - len(ids))


def samples_of_row(row: dict[str, Any], schema: Schema, num_candidates: int | None) -> list[dict[str, Any]]:
    out = []
    for candidate in range(num_candidates or 1):
        place = None if num_candidates is None else candidate
        sample: dict[str, Any] = {}
        for name, feature in schema.features.items():
            own = place if schema.is_per_candidate(name) else None
            sample[name] = _feature(row, name, feature, own)
        for name, task in schema.tasks.items():
            labels = row[task.column or name]
            label = labels if place is None or labels is None else labels[place]
            positive = label in task.positive if task.positive else (label or 0) > task.threshold
            sample["label " + name] = math.nan if label is None else float(positive)
        for name, spec in schema.sequences.items():
            columns = {side: f.column or side for side, f in spec.features.items()}
            events = {side: row[column] or [] for side, column in columns.items()}
            if spec.time_column:
                events["@time"] = row[spec.time_column] or []
            if spec.order == "newest_first":
                events = {side: values[::-1] for side, values in events.items()}
            for side, values in events.items():
                kept = values[-spec.max_length :]
                if side == "@time":
                    kept = [v / 1000 for v in kept]
                elif spec.features[side].kind == "dense":
                    kept = [number(v) for v in kept]
                elif spec.features[side].kind == "multi_id":
                    kept = [_padded(v, spec.features[side]) for v in kept]
                else:
                    kept = [final_id(v, spec.features[side]) for v in kept]
                sample[f"{name}.{side}"] = kept
        if schema.time_column:
            sample["time"] = row[schema.time_column] / 1000
        if schema.group_column:
            group = row[schema.group_column]
            sample["group"] = group if isinstance(group, int) else hash_of(group) >> 1
        out.append(sample)
    return out


def read_samples(files: list[str], schema: Schema, candidate_columns: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Return every sample of the files, in file order. Times are in milliseconds."""
    out = []
    for file in files:
        for row in pq.read_table(file).to_pylist():
            if not candidate_columns:
                out += samples_of_row(row, schema, None)
            elif count := max(len(row[column] or []) for column in candidate_columns):
                out += samples_of_row(row, schema, count)
    return out


def take_apart(batch: Batch, schema: Schema) -> dict[int, dict[str, Any]]:
    """Return the samples of a batch by their place in the split, in the form of ``read_samples``."""
    assert batch.row is not None
    assert len(set(batch.row.tolist())) == batch.num_samples, "a batch holds a row twice"
    out = {}
    for b in range(batch.num_samples):
        request = b if batch.request_of is None else int(batch.request_of.index[b])
        sample: dict[str, Any] = {}
        for name, feature in schema.features.items():
            value = batch.features[name]
            if feature.kind in ("id", "dense"):
                sample[name] = value[b].tolist()
                continue
            span = slice(int(value.offsets[b]), int(value.offsets[b + 1]))
            ids = value.values[span].tolist()
            sample[name] = ids if value.weights is None else (ids, value.weights[span].tolist())
        for name, labels in batch.labels.items():
            sample["label " + name] = labels[b].item()
        for name, events in batch.sequences.items():
            span = slice(int(events.offsets[request]), int(events.offsets[request + 1]))
            for side, values in events.features.items():
                assert len(values) >= 1
                sample[f"{name}.{side}"] = values[span].tolist()
            if events.time is not None:
                sample[f"{name}.@time"] = events.time[span].tolist()
        if batch.time is not None:
            sample["time"] = batch.time[request].item()
        if batch.group is not None:
            sample["group"] = batch.group[b].item()
        out[int(batch.row[b])] = sample
    return out


def same(left: Any, right: Any) -> bool:
    """Whether two nested values agree; numbers to float32, NaN equal to NaN."""
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, float) or isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-30)
    return bool(left == right)
