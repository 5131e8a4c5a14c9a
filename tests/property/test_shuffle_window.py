"""Whatever the data: what is shuffled together takes no more memory than it may, and the order stays exact."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyrec.data.parquet import ParquetData
from hyrec.data.parquet.chunk import Chunk
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.loader import BatchLoader
from hyrec.data.parquet.policy import DataError, Policies
from hyrec.data.parquet.reader import RowReader
from hyrec.data.parquet.window import GIB
from hyrec.schema import Schema

SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Rows, events, tags and candidates of a row group: a footer says nothing of single rows, so those of a group are alike.
GROUPS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 60), st.integers(0, 9), st.integers(1, 4)), min_size=1, max_size=5
)


def schema_of(layout: str) -> Schema:
    features = {
        "user.name": {"hash_size": 97},
        "vector": {"kind": "dense", "width": 3},
        "item": {"vocab_size": 12, "role": "item"},
        "tags": {"kind": "weighted_ids", "weight_column": "weights", "vocab_size": 12, "role": "item"},
    }
    event = {"features": {"e": {"vocab_size": 12}, "seen": {"kind": "dense"}}, "time_column": "times"}
    return Schema.from_dict(
        {
            "layout": layout,
            "features": features,
            "sequences": {"s": {**event, "max_length": 50}},
            "tasks": {"click": {}},
            "group_column": "item",
            "time_column": "time",
            "id_columns": ["item"],
        }
    )


def columns_of(layout: str, events: int, tags: int, candidates: int) -> dict[str, Any]:
    item = {"item": 3, "tags": [4] * tags, "weights": [0.5] * tags, "click": 1}
    if layout == "requests":
        item = {name: [value] * candidates for name, value in item.items()}
    row = {"user.name": "u", "vector": [0.0, 1.0, 2.0], "time": 10**6, **item}
    return row | {"e": [5] * events, "seen": [1.0] * events, "times": list(range(events)), "unread": {"a": 1, "b": 2}}


@contextmanager
def data_of(layout: str, groups: list[tuple[int, ...]], **options: Any) -> Iterator[Any]:
    """Yield a function that makes a data module of these row groups with these options, and others over them."""
    schema = schema_of(layout)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows.parquet"
        tables = [pa.Table.from_pylist([columns_of(layout, *sizes)] * rows) for rows, *sizes in groups]
        whole = pa.Table.from_pylist([columns_of(layout, 1, 1, 1)]).schema  # empty lists alone have no type
        with pq.ParquetWriter(path, whole) as writer:
            for table in tables:
                writer.write_table(table.cast(whole))
        yield lambda **changes: ParquetData(schema, train=str(path), **{**options, **changes})


def window_bytes(loader: BatchLoader) -> list[int]:
    """Return the bytes of the largest window of each stream, decoded, with the order of its rows."""
    rows = loader.sampler.rows
    order = rows.order(0, rows.layout.streams)
    reader = RowReader(rows.index, Decoder(rows.decoder.schema, Policies()), threads=False)
    largest: dict[int, int] = {}
    for batch in range(order.num_batches):
        window = order.window_of(batch)
        chunk = Chunk.concatenate([c for p in window.pieces for c in reader.read(p.group, p.start, p.stop)])
        packed = [*chunk.row_lists.values(), *chunk.sample_lists.values(), *chunk.sequences.values()]
        arrays = [*chunk.rows.values(), *chunk.samples.values(), *chunk.notes.values(), chunk.first_sample]
        arrays += [array for part in packed for array in (part.offsets, *part.arrays.values())]
        arrays += [array for array in (chunk.candidates, window.order) if array is not None]
        stream, _ = order.window_number(batch)
        largest[stream] = max(largest.get(stream, 0), sum(array.nbytes for array in arrays))
    return list(largest.values())


@pytest.mark.parametrize("layout", ["flat", "requests"])
@SETTINGS
@given(groups=GROUPS, batch_size=st.integers(1, 4), workers=st.integers(0, 2), limit=st.integers(2_000, 200_000))
def test_the_windows_of_all_workers_never_take_more_memory_than_they_may(
    layout: str, groups: list[tuple[int, ...]], batch_size: int, workers: int, limit: int
) -> None:
    options = {"batch_size": batch_size, "num_workers": workers, "shuffle_memory": limit / GIB}
    with data_of(layout, groups, **options) as make:
        loader = make().loader("train")
        if loader.sampler.rows.layout.batches_per_window > 1:
            assert sum(window_bytes(loader)) <= limit


@SETTINGS
@given(groups=GROUPS, workers=st.integers(0, 4), limit=st.integers(1_000, 50_000), data=st.data())
def test_an_epoch_in_bounded_windows_resumes_exactly_with_any_number_of_workers(
    groups: list[tuple[int, ...]], workers: int, limit: int, data: st.DataObject
) -> None:
    shuffle = data.draw(st.booleans())
    with data_of("flat", groups, batch_size=2, shuffle_memory=limit / GIB, shuffle=shuffle) as make:

        def loader(streams: int, state: dict[str, Any] | None = None) -> BatchLoader:
            made = make().loader("train")
            rows = made.sampler.rows
            rows.layout = dataclasses.replace(rows.layout, streams=max(1, streams))
            made.sampler.streams = max(1, streams)
            if state is not None:
                made.load_state_dict(state)
            return made

        straight = [batch.row.tolist() for batch in loader(workers)]
        stopped, seen = loader(workers), data.draw(st.integers(0, len(straight) - 1))
        batches = iter(stopped)
        assert [next(batches).row.tolist() for _ in range(seen)] == straight[:seen]
        resumed = loader(data.draw(st.integers(0, 4)) if seen else workers, stopped.state_dict())
        assert [batch.row.tolist() for batch in resumed] == straight[seen:]
        assert sorted(row for batch in straight for row in batch) == list(range(sum(rows for rows, *_ in groups)))


def test_an_epoch_cannot_be_continued_with_windows_of_another_size() -> None:
    with data_of("flat", [(40, 20, 3, 1)], batch_size=2) as make:
        loader = make(shuffle_memory=10_000 / GIB).loader("train")
        next(iter(loader))
        with pytest.raises(DataError, match=r"cannot be continued exactly: window was \d+ and is \d+"):
            make(shuffle_memory=5_000 / GIB).loader("train").load_state_dict(loader.state_dict())


def test_memory_that_holds_all_rows_leaves_windows_as_shuffle_rows_says() -> None:
    with data_of("flat", [(40, 20, 3, 1)], batch_size=2, shuffle_rows=12) as make:
        assert make().loader("train").state_dict()["window"] == 12


@pytest.mark.parametrize("layout", ["flat", "requests"])
def test_windows_of_even_row_groups_take_most_of_the_memory_that_they_may(layout: str) -> None:
    with data_of(layout, [(40, 30, 5, 2)] * 5, batch_size=1, shuffle_memory=50_000 / GIB) as make:
        assert 30_000 < max(window_bytes(make().loader("train"))) <= 50_000
