"""Parquet that nobody would write: read whole or refused in five lines, and it never ends or hangs the process.

``make fuzz`` tries 2,000 of them (``HYREC_MUTATIONS``), the suite 240.
"""

import copy
import faulthandler
import multiprocessing
import os
import random
import resource
import signal
import struct
import traceback
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.data.parquet.data import ParquetData
from hyrec.schema import Schema

COUNT = int(os.environ.get("HYREC_MUTATIONS", "240"))
SECONDS = 60
"""After which reading counts as hanging."""
MEMORY = 16 << 30
"""Bytes of address space for reading."""
NOW = 1_700_006_400
DAY = 86_400
ID = {"vocab_size": 60, "offset": 3}
SCHEMA = {
    "features": {
        "user": {"hash_size": 50, "role": "user"},
        "item": {**ID, "role": "item", "table": "item"},
        "price": {"kind": "dense", "role": "item"},
        "vector": {"kind": "dense", "width": 2, "role": "user"},
        "tags": {"kind": "multi_id", "hash_size": 30, "role": "user", "separator": "|"},
        "topics": {"kind": "weighted_ids", "vocab_size": 40, "weight_column": "strengths", "role": "user"},
    },
    "sequences": {"past": {"time_column": "past_time", "max_length": 4, "features": {"seen": {**ID, "table": "item"}}}},
    "tasks": {"click": {}, "like": {"column": "stars", "threshold": 3}},
    "group_column": "user",
    "weight_column": "weight",
    "time_column": "time",
    "id_columns": ["user", "key"],
}
PER_CANDIDATE = ("item", "price", "click", "stars")
ODD = [
    None, -1, 0, 2**63 - 1, -(2**63), 2**64 - 1, float("nan"), float("inf"), -float("inf"), 1e39, "", "a", "1|2",
    b"\xff", True, Decimal("1.5"), [], [None], [[1]], {"a": 1},
]  # fmt: skip
KINDS = [
    pa.null(), pa.int8(), pa.int64(), pa.uint64(), pa.float16(), pa.float64(), pa.bool_(), pa.string(),
    pa.string_view(), pa.large_string(), pa.binary(), pa.decimal128(25, 0), pa.decimal128(30, 2), pa.timestamp("ns"),
    pa.timestamp("s", "UTC"), pa.date32(), pa.time64("us"), pa.duration("s"), pa.dictionary(pa.int32(), pa.string()),
    pa.uuid(),
]  # fmt: skip
WRAPS = [
    pa.list_, pa.large_list, pa.list_view, lambda kind: pa.list_(kind, 2), lambda kind: pa.struct({"item": kind}),
    lambda kind: pa.map_(pa.string(), kind), lambda kind: pa.list_(pa.struct({"a": kind, "b": pa.int8()})),
]  # fmt: skip


def columns(rng, layout, num):
    """Return the columns of one file as Python values."""

    def some(make):
        return [make() for _ in range(rng.randrange(4))]

    rows = []
    for _ in range(num):
        candidates, events = rng.randrange(1, 4), rng.randrange(7)
        row = {
            "user": f"u{rng.randrange(9)}", "item": rng.randrange(50), "price": rng.random(), "vector": [0.5, 2.0],
            "tags": some(lambda: rng.choice("abc")), "topics": [5, 6], "strengths": [0.5, 1.0],
            "seen": [rng.randrange(50) for _ in range(events)], "past_time": [NOW - DAY] * events,
            "click": rng.randrange(2), "stars": rng.randrange(6), "weight": 1.0, "key": rng.randrange(10**6),
            "time": NOW + rng.randrange(4 * DAY),
        }  # fmt: skip
        if layout == "requests":
            row |= {name: [row[name]] * candidates for name in PER_CANDIDATE}
        rows.append(row)
    return {name: pa.array([row[name] for row in rows]) for name in rows[0]}


def of_another_type(array, rng):
    """Return the values in another type, or other values where it holds none of them."""
    kind = rng.choice(KINDS)
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        kind = rng.choice(WRAPS)(kind)
    if pa.types.is_list(array.type) and rng.random() < 0.5:
        kind = rng.choice(WRAPS[:3])(rng.choice(KINDS))
    try:
        return array.cast(kind)
    except pa.ArrowException:
        return pa.nulls(len(array), kind)


def with_odd_values(array, rng):
    """Return the values with an odd one among them, or repeated in lists that then are of other lengths."""
    values = array.to_pylist()
    at, odd = rng.randrange(len(values)), rng.choice(ODD)
    if isinstance(values[at], list) and rng.random() < 0.7:
        values[at] = values[at] + [odd] * rng.choice([0, 1, 40]) if rng.random() < 0.7 else None
    else:
        values[at] = odd
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError, TypeError):
        return pa.nulls(len(values), array.type)


def change(names, arrays, rng):
    """Change one column."""
    at = rng.randrange(len(names))
    kind = rng.choice(["type", "type", "value", "value", "null", "drop", "double", "rename", "struct", "join"])
    if kind == "type":
        arrays[at] = of_another_type(arrays[at], rng)
    elif kind == "value":
        arrays[at] = with_odd_values(arrays[at], rng)
    elif kind == "null":
        arrays[at] = pa.nulls(len(arrays[at]), rng.choice([pa.null(), arrays[at].type, pa.list_(pa.null())]))
    elif kind == "drop" and len(names) > 1:
        del names[at], arrays[at]
    elif kind == "double":
        names.append(names[at])
        arrays.append(arrays[at])
    elif kind == "rename":
        names[at] = rng.choice([f"{names[at]}.x", names[at].upper(), "", "é☃", "\0", "a.b.c", names[0]])
    elif kind == "struct":
        arrays[at] = pa.StructArray.from_arrays([arrays[at]], [rng.choice(["item", names[at]])])
    else:
        arrays[at] = pa.array(["|".join(map(str, v)) if isinstance(v, list) else v for v in arrays[at].to_pylist()])


def write(path, names, arrays, rng):
    """Write a file in one of the ways of Parquet."""
    options = {
        "row_group_size": rng.choice([3, 7, 100]), "compression": rng.choice(["none", "snappy", "zstd", "gzip"]),
        "use_dictionary": rng.random() < 0.5, "write_statistics": rng.random() < 0.7,
        "data_page_version": rng.choice(["1.0", "2.0"]), "store_schema": rng.random() < 0.7,
        "write_page_checksum": rng.random() < 0.5, "version": rng.choice(["1.0", "2.6"]),
        "use_deprecated_int96_timestamps": rng.random() < 0.2,
    }  # fmt: skip
    pq.write_table(pa.Table.from_arrays(arrays, names=names), path, **options)


def damage(path, rng):
    """Change some bytes of a file."""
    content = bytearray(path.read_bytes())
    footer = len(content) - 8 - struct.unpack("<I", content[-8:-4])[0]
    kind = rng.choice(["footer", "footer", "footer", "page", "page", "end", "cut", "zeros", "more"])
    if kind == "cut":
        content = content[: rng.randrange(len(content))]
    elif kind == "zeros":
        at = rng.randrange(len(content))
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    elif kind == "more":
        content += bytes(rng.randrange(1, 9))
    else:
        span = {"footer": (footer, len(content) - 8), "page": (4, footer), "end": (len(content) - 8, len(content))}[
            kind
        ]
        for _ in range(rng.choice([1, 1, 2, 5])):
            at = rng.randrange(*span)
            content[at] = rng.choice([rng.randrange(256), content[at] ^ (1 << rng.randrange(8)), 0, 255])
    path.write_bytes(bytes(content))


def mutated(folder, seed):
    """Write the files of one data set; return how to read them, and how many rows were written."""
    rng = random.Random(seed)
    described = copy.deepcopy(SCHEMA)
    described["layout"] = layout = rng.choice(["flat", "flat", "requests"])
    split = rng.random() < 0.3
    if split:
        described["split"] = {"validate_from": "20231116", "test_from": "2023-11-17"}
    total = 0
    for number in range(rng.choice([1, 1, 2])):
        num = rng.randrange(1, 30)
        held = columns(rng, layout, num)
        names, arrays = list(held), list(held.values())
        for _ in range(rng.choice([0, 0, 1, 1, 1, 2])):
            change(names, arrays, rng)
        path = folder / f"part-{number}.parquet"
        try:
            write(path, names, arrays, rng)
        except (pa.ArrowException, ValueError):  # a type that Parquet does not have
            write(path, list(held), list(held.values()), rng)
        total += num
        if rng.random() < 0.3:
            damage(path, rng)
    return described, split, total


def read(described, folder, split):
    """Return the rows that are read, those included that are skipped as the policies say."""
    paths = {"path": str(folder)} if split else {"validate": str(folder)}
    data = ParquetData(Schema.from_dict(described), batch_size=5, shuffle_rows=9, **paths)
    total = 0
    for name in ("train", "validate", "test") if split else ("validate",):
        try:
            index = data.index(name)
        except ValueError as error:
            if "no rows between the split's limits" in str(error):
                continue
            raise
        samples = [row for batch in data.loader(name) for row in batch.row.tolist()]
        assert sorted(samples) == list(range(index.num_samples)), "a sample is lost or doubled"
        data.id_columns(name, np.arange(index.num_samples))
        total += index.num_rows + sum(n for (_, why), n in index.skipped.items() if why == "empty_request")
    return total


def child(sending, described, folder, split):
    """Send what reading comes to, and end."""
    try:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        try:
            sending.send(("read", read(described, folder, split)))
        except ValueError as error:
            frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
            told = "told" if frames[-1].startswith("hyrec.") else "traceback"
            sending.send((told, str(error) if told == "told" else traceback.format_exc()))
        except BaseException:
            sending.send(("traceback", traceback.format_exc()))
    finally:
        os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="what ends a process is tried in a child")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", range(COUNT))
def test_a_file_is_read_whole_or_refused_in_five_lines(tmp_path, seed):
    described, split, written = mutated(tmp_path, seed)
    receiving, sending = multiprocessing.Pipe(duplex=False)
    process = os.fork()
    if not process:
        child(sending, described, tmp_path, split)
    sending.close()
    try:
        outcome, found = receiving.recv()
    except EOFError:
        outcome, found = "died", ""
    _, status = os.waitpid(process, 0)
    assert outcome != "died", f"reading ended the process (status {status}: {signal.Signals(status).name})"
    assert outcome in ("read", "told"), found
    if outcome == "read":
        assert found == written, "rows are lost"
    else:
        assert 0 < len(found.strip().splitlines()) <= 5, found
        assert len(found) < 1500, found
