"""A tiny schema with everything in it, and batches that are changed in one respect."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils import _pytree as pytree

from hyrec.batch import Batch, Jagged, RequestMap, SequenceInput
from hyrec.sample_batch import draw_feature, select_rows
from hyrec.schema import Schema


def tiny_schema() -> Schema:
    """Return a schema with every feature kind, shared tables, three sequences (one untimed), two tasks."""
    item = {"vocab_size": 31, "table": "item"}
    return Schema.from_dict(
        {
            "features": {
                "user": {"vocab_size": 23, "group": "user"},
                "age": {"kind": "dense", "transform": "log1p", "group": "user"},
                "topics": {"kind": "multi_id", "vocab_size": 11, "group": "interests"},
                "tags": {
                    "kind": "weighted_ids",
                    "vocab_size": 13,
                    "weight_column": "tag_weights",
                    "group": "interests",
                },
                "item": {**item, "role": "item", "group": "item"},
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
                    "features": {"item": item, "dwell": {"kind": "dense", "transform": "log1p"}},
                    "time_column": "clicks_time",
                    "max_length": 12,
                },
                "searches": {"features": {"word": {"vocab_size": 17}}, "time_column": "searches_time", "max_length": 7},
                "likes": {
                    "features": {
                        "item": item,
                        "topics": {"kind": "multi_id", "vocab_size": 11, "table": "topics", "max_length": 3},
                    },
                    "max_length": 5,
                },
            },
            "tasks": {"click": {}, "like": {}},
            "group_column": "query",
            "time_column": "time",
        }
    )


def rows_of_requests(offsets: Tensor, requests: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows of the events of the chosen requests (the first row when there are none), and their offsets."""
    spans = [torch.arange(int(offsets[r]), int(offsets[r + 1]), device=offsets.device) for r in requests.tolist()]
    rows = torch.cat([offsets.new_zeros(0), *spans])
    sizes = offsets.new_tensor([0, *map(len, spans)], dtype=torch.int64)
    return rows if len(rows) else offsets.new_zeros(1), sizes.cumsum(0)


def select_samples(batch: Batch, index: Tensor) -> Batch:
    """Return a batch of the chosen samples, each a request of its own (R = B).

    Slow and obvious on purpose: tests compare the fast paths with it.
    """
    request = index if batch.request_of is None else batch.request_of.index[index]
    sequences = {}
    for name, events in batch.sequences.items():
        rows, offsets = rows_of_requests(events.offsets, request)
        sequences[name] = SequenceInput(
            {side: values[rows] for side, values in events.features.items()},
            offsets,
            max([1, *offsets.diff().tolist()]),
            None if events.time is None else events.time[rows],
        )
    time = None if batch.time is None else batch.time[request]
    return dataclasses.replace(
        batch, sequences=sequences, num_samples=len(index), request_of=None, time=time, **_by_sample(batch, index)
    )


def permute_samples(batch: Batch, order: Tensor) -> Batch:
    """Return the samples in another order; requests and their sequences stay where they are (R <= B)."""
    if batch.request_of is None:
        return select_samples(batch, order)
    request_of = RequestMap.from_index(batch.request_of.index[order], batch.num_requests)
    return dataclasses.replace(batch, request_of=request_of, **_by_sample(batch, order))


def _by_sample(batch: Batch, index: Tensor) -> dict[str, Any]:
    """Return the chosen rows of all that has one row a sample."""
    fields = {name: getattr(batch, name) for name in ("features", "labels", "group", "weights", "ids", "row")}
    whole = (Tensor, Jagged)
    chosen: dict[str, Any] = pytree.tree_map_only(
        whole, lambda value: select_rows(value, index), fields, is_leaf=lambda value: isinstance(value, whole)
    )
    return chosen


def pad_batch(batch: Batch, schema: Schema, *, spare: int = 3, longer: int = 1) -> Batch:
    """Return the batch with spare rows behind the events of every sequence and a longer ``max_length``.

    Spare rows hold the largest id of each table, large numbers and a time in the far future.
    """
    sequences = {}
    for name, events in batch.sequences.items():
        features = {}
        for side, values in events.features.items():
            feature = schema.sequences[name].features[side]
            fill = 1e6 if feature.kind == "dense" else feature.num_ids - 1
            features[side] = F.pad(values, (0, 0) * (values.dim() - 1) + (0, spare), value=fill)
        time = None if events.time is None else F.pad(events.time, (0, spare), value=9e9)
        sequences[name] = SequenceInput(features, events.offsets, events.max_length + longer, time)
    return dataclasses.replace(batch, sequences=sequences)


def change_candidates(batch: Batch, schema: Schema, *, seed: int = 1) -> Batch:
    """Return the batch with other values of the features that differ between candidates, nothing else new."""
    rng = torch.Generator().manual_seed(seed)
    features = {
        name: draw_feature(schema.features[name], batch.num_samples, 0.1, rng)
        if schema.is_per_candidate(name)
        else value
        for name, value in batch.features.items()
    }
    return dataclasses.replace(batch, features=features)
