"""A tiny schema with everything in it, and batches that are changed in one respect."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from hyrec.batch import Batch, Jagged, RequestMap, SequenceInput
from hyrec.sample_batch import draw_feature, select_jagged
from hyrec.schema import Schema


def tiny_schema() -> Schema:
    """Return a schema with every feature kind, a shared table, three sequences (one untimed), two tasks."""
    return Schema.from_dict(
        {
            "features": {
                "user": {"vocab_size": 23, "role": "user", "group": "user"},
                "age": {"kind": "dense", "transform": "log1p", "role": "user", "group": "user"},
                "topics": {"kind": "multi_id", "vocab_size": 11, "role": "user", "group": "interests"},
                "tags": {
                    "kind": "weighted_ids",
                    "vocab_size": 13,
                    "weight_column": "tag_weights",
                    "role": "user",
                    "group": "interests",
                },
                "item": {"vocab_size": 31, "table": "item", "role": "item", "group": "item"},
                "price": {"kind": "dense", "width": 2, "role": "item", "group": "item"},
                "hour": {"vocab_size": 27, "role": "context", "group": "context"},
                "delay": {
                    "kind": "dense",
                    "transform": "bucketize",
                    "boundaries": [0.0, 1.0],
                    "role": "context",
                    "group": "context",
                },
            },
            "sequences": {
                "clicks": {
                    "features": {
                        "item": {"vocab_size": 31, "table": "item"},
                        "dwell": {"kind": "dense", "transform": "log1p"},
                    },
                    "time_column": "clicks_time",
                    "max_length": 12,
                },
                "searches": {
                    "features": {"word": {"vocab_size": 17}},
                    "time_column": "searches_time",
                    "max_length": 7,
                },
                "likes": {"features": {"item": {"vocab_size": 31, "table": "item"}}, "max_length": 5},
            },
            "tasks": {"click": {}, "like": {}},
            "group_column": "query",
            "time_column": "time",
        }
    )


def select_samples(batch: Batch, index: Tensor) -> Batch:
    """Return a batch of the chosen samples, each a request of its own (R = B).

    Slow and obvious on purpose: tests compare the fast paths with it.
    """
    request = index if batch.request_of is None else batch.request_of.index[index]
    features = {
        name: select_jagged(value, index) if isinstance(value, Jagged) else value[index]
        for name, value in batch.features.items()
    }
    sequences = {}
    for name, events in batch.sequences.items():
        rows = [torch.arange(int(events.offsets[r]), int(events.offsets[r + 1])) for r in request.tolist()]
        lens = torch.tensor([len(r) for r in rows], dtype=torch.int64)
        flat = torch.cat(rows) if rows else torch.zeros(0, dtype=torch.int64)
        flat = flat if len(flat) else torch.zeros(1, dtype=torch.int64)
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), lens.cumsum(0)])
        sequences[name] = SequenceInput(
            {n: v[flat] for n, v in events.features.items()},
            offsets,
            max(1, int(lens.max())) if len(lens) else 1,
            None if events.time is None else events.time[flat],
        )
    return Batch(
        features=features,
        sequences=sequences,
        labels={task: label[index] for task, label in batch.labels.items()},
        num_samples=len(index),
        time=None if batch.time is None else batch.time[request],
        group=None if batch.group is None else batch.group[index],
        weights=None if batch.weights is None else batch.weights[index],
        ids={name: value[index] for name, value in batch.ids.items()},
        row=None if batch.row is None else batch.row[index],
    )


def permute_samples(batch: Batch, order: Tensor) -> Batch:
    """Return the samples in another order; requests and their sequences stay where they are (R <= B)."""
    if batch.request_of is None:
        return select_samples(batch, order)

    def pick(value: Any) -> Any:
        return select_jagged(value, order) if isinstance(value, Jagged) else value[order]

    return dataclasses.replace(
        batch,
        features={name: pick(value) for name, value in batch.features.items()},
        labels={task: pick(label) for task, label in batch.labels.items()},
        request_of=RequestMap.from_index(batch.request_of.index[order], batch.num_requests),
        group=None if batch.group is None else batch.group[order],
        weights=None if batch.weights is None else batch.weights[order],
        ids={name: pick(value) for name, value in batch.ids.items()},
        row=None if batch.row is None else batch.row[order],
    )


def pad_batch(batch: Batch, schema: Schema, *, spare: int = 3, longer: int = 1) -> Batch:
    """Return the batch with spare rows behind the events of every sequence and a longer ``max_length``.

    Spare rows hold the largest id of each table, large numbers and a time in the far future.

    Args:
        batch: Any batch.
        schema: Its schema.
        spare: Spare rows to add.
        longer: Added to ``max_length``.
    """
    sequences = {}
    for name, events in batch.sequences.items():
        features = {}
        for side, values in events.features.items():
            feature = schema.sequences[name].features[side]
            fill = feature.num_ids - 1 if feature.kind == "id" else 1e6
            features[side] = torch.cat([values, values.new_full((spare,), fill)])
        time = None if events.time is None else torch.cat([events.time, events.time.new_full((spare,), 9e9)])
        sequences[name] = SequenceInput(features, events.offsets, events.max_length + longer, time)
    return dataclasses.replace(batch, sequences=sequences)


def change_candidates(batch: Batch, schema: Schema, *, seed: int = 1) -> Batch:
    """Return the batch with other values of the features that differ between candidates, nothing else new.

    Args:
        batch: Any batch.
        schema: Its schema.
        seed: Seed of the new values.
    """
    rng = torch.Generator().manual_seed(seed)
    features = {
        name: draw_feature(schema.features[name], batch.num_samples, 0.1, rng)
        if schema.is_per_candidate(name)
        else value
        for name, value in batch.features.items()
    }
    return dataclasses.replace(batch, features=features)
