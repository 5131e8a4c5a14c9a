"""Whatever the data: every row once, over any number of processes and workers, as the file has it."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyrec.batch import Batch
from hyrec.data.parquet import reader
from hyrec.data.parquet.data import ParquetData
from hyrec.schema import Schema
from tests.references.parquet import read_samples, same, take_apart

SETTINGS = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEW = st.integers(0, 4)


def schema_of(layout: str, order: str) -> Schema:
    features = {
        "user": {"hash_size": 97},
        "age": {"kind": "dense"},
        "scores": {"kind": "dense", "width": 2},
        "item": {"vocab_size": 12, "offset": 3, "role": "item"},
        "price": {"kind": "dense", "role": "item"},
        "vector": {"kind": "dense", "width": 2, "role": "cross"},
        "tags": {"kind": "multi_id", "vocab_size": 12, "max_length": 3, "role": "item"},
        "topics": {
            "kind": "weighted_ids",
            "weight_column": "topic_weights",
            "vocab_size": 12,
            "role": "item",
        },
    }
    clicks = {"features": {"c_item": {"vocab_size": 12}, "c_word": {"hash_size": 31}, "c_len": {"kind": "dense"}}}
    clicks["features"] |= {
        "c_tags": {"kind": "multi_id", "vocab_size": 12, "max_length": 2},
        "c_words": {"kind": "multi_id", "hash_size": 31, "max_length": 3},
    }
    return Schema.from_dict(
        {
            "layout": layout,
            "features": features,
            "sequences": {"clicks": {**clicks, "time_column": "c_time", "order": order, "max_length": 3}},
            "tasks": {"click": {}, "stars": {"positive": [4, 5]}},
            "group_column": "group",
            "time_column": "time",
            "time_unit": "ms",
        }
    )


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


IDS = maybe(st.integers(-2, 12))
NUMBERS = maybe(st.floats(-1e6, 1e6, width=32))
WORDS = st.text(max_size=5)
ITEM: dict[str, tuple[st.SearchStrategy[Any], pa.DataType]] = {
    "item": (IDS, pa.int16()),
    "price": (NUMBERS, pa.float64()),
    "vector": (maybe(st.lists(NUMBERS, min_size=2, max_size=2)), pa.list_(pa.float32())),
    "tags": (maybe(st.lists(IDS, max_size=5)), pa.large_list(pa.int64())),
    "click": (maybe(st.booleans()), pa.bool_()),
    "stars": (maybe(st.integers(0, 5)), pa.int8()),
}


@st.composite
def rows(draw: st.DrawFn, layout: str) -> dict[str, Any]:
    """One stored row."""
    row: dict[str, Any] = {
        "user": draw(maybe(WORDS)),
        "age": draw(NUMBERS),
        "scores": draw(maybe(st.lists(NUMBERS, min_size=2, max_size=2))),
        "group": draw(WORDS),
        "time": draw(st.integers(0, 10**12)),
    }
    length = draw(FEW)
    fields = (
        ("c_item", IDS),
        ("c_tags", maybe(st.lists(IDS, max_size=3))),
        ("c_words", maybe(st.lists(maybe(WORDS), max_size=3))),
        ("c_word", maybe(WORDS)),
        ("c_len", NUMBERS),
        ("c_time", st.integers(0, 10**12)),
    )
    for name, values in fields:
        row[name] = draw(st.lists(values, min_size=length, max_size=length))
        if length == 0 and draw(st.booleans()):
            row[name] = None

    def topics() -> tuple[list[Any], list[Any]]:
        size = draw(FEW)
        return tuple(draw(st.lists(v, min_size=size, max_size=size)) for v in (IDS, NUMBERS))  # type: ignore[return-value]

    if layout == "flat":
        row["topics"], row["topic_weights"] = topics()
        return row | {name: draw(values) for name, (values, _) in ITEM.items()}
    count = draw(FEW)
    pairs = [topics() for _ in range(count)]
    row["topics"], row["topic_weights"] = [p[0] for p in pairs], [p[1] for p in pairs]
    for name, (values, _) in ITEM.items():
        full = st.lists(values, min_size=count, max_size=count)
        row[name] = draw(full if name == "click" or not count else st.none() | full)
    return row


def write(directory: Path, layout: str, files: list[list[dict[str, Any]]], group_size: int) -> list[str]:
    item = {name: kind for name, (_, kind) in ITEM.items()}
    item |= {"topics": pa.list_(pa.int32()), "topic_weights": pa.list_(pa.float32())}
    if layout == "requests":
        item = {name: pa.list_(kind) for name, kind in item.items()}
    fields = {
        "user": pa.dictionary(pa.int32(), pa.string()),
        "age": pa.float32(),
        "scores": pa.list_(pa.float32(), 2),
        "group": pa.string(),
        "time": pa.int64(),
        "c_item": pa.list_(pa.int8()),
        "c_tags": pa.list_(pa.large_list(pa.int16())),
        "c_words": pa.list_(pa.list_(pa.string())),
        "c_word": pa.list_(pa.string()),
        "c_len": pa.list_(pa.float64()),
        "c_time": pa.list_(pa.int64()),
        **item,
    }
    paths = []
    for number, content in enumerate(files):
        path = str(directory / f"part-{number}.parquet")
        arrays = {name: pa.array([row[name] for row in content], kind) for name, kind in fields.items()}
        pq.write_table(pa.table(arrays), path, row_group_size=group_size)
        paths.append(path)
    return paths


def batches(data: ParquetData, split: Any, world: int, workers: int, epoch: int = 0) -> Iterator[list[Batch]]:
    """Yield the batches of each process, with the plan of ``workers`` workers, in this process."""
    for rank in range(world):
        data.trainer = SimpleNamespace(global_rank=rank, world_size=world, overfit_batches=0)  # type: ignore[assignment]
        loader = data.loader(split)
        loader.consumed = None
        rows = loader.sampler.rows
        rows.layout = dataclasses.replace(rows.layout, streams=max(1, workers))
        loader.sampler.set_epoch(epoch)
        found = list(loader)
        assert len(found) == len(loader)
        yield found


@pytest.mark.parametrize("order", ["oldest_first", "newest_first"])
@pytest.mark.parametrize("layout", ["flat", "requests"])
@SETTINGS
@given(data=st.data())
def test_every_row_appears_once_with_the_values_of_the_file(layout: str, order: str, data: st.DataObject) -> None:
    schema = schema_of(layout, order)
    content = data.draw(st.lists(st.lists(rows(layout), max_size=6), min_size=1, max_size=3))
    world, workers = data.draw(st.integers(1, 3)), data.draw(st.integers(0, 2))
    usable = sum(1 for file in content for row in file if layout == "flat" or row["click"])
    if usable < world:
        return
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "READ_ROWS", data.draw(st.integers(1, 4)))
        paths = write(Path(directory), layout, content, data.draw(st.integers(1, 4)))
        expected = read_samples(paths, schema, tuple(ITEM) if layout == "requests" else ())
        options = {"batch_size": data.draw(st.integers(1, 4)), "shuffle_rows": data.draw(st.integers(1, 6))}
        parquet = ParquetData(schema, train=paths, validate=paths, **options)
        for split in ("train", "validate"):
            of_rank = list(batches(parquet, split, world, workers, epoch=data.draw(st.integers(0, 2))))
            assert len({len(found) for found in of_rank}) == 1, "processes differ in their number of batches"
            found: dict[int, Any] = {}
            for batch in (b for ranks in of_rank for b in ranks):
                samples = take_apart(batch, schema)
                assert not samples.keys() & found.keys(), "a row appears twice"
                found |= samples
            assert sorted(found) == list(range(len(expected)))
            for place, sample in enumerate(expected):
                assert same(found[place], sample), (found[place], sample)
            if split == "validate":
                assert list(found) == sorted(found), "evaluation must keep the order of the files"
