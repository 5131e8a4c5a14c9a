"""Files that are damaged: told in a few lines, never read as something else, and never the end of the process."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hyrec.data.parquet.data import ParquetData
from hyrec.data.parquet.file import Facts
from hyrec.data.parquet.footers import check_memory
from hyrec.data.parquet.policy import DataError
from hyrec.data.tables import table_data
from hyrec.feature import Feature
from hyrec.parquet import parquet_writer, write_parquet
from hyrec.schema import Schema, SchemaError

ROOT = Path(__file__).parents[4]
NOW = 1_700_006_400
TABLE = pa.table(
    {"x": [3 + i % 90 for i in range(300)], "click": [i % 2 for i in range(300)], "now": [NOW + i for i in range(300)]}
)


def schema(**changed: Any) -> Schema:
    base = {"features": {"x": {"vocab_size": 100}}, "tasks": {"click": {}}, "time_column": "now"}
    return Schema.from_dict({**base, **changed})


def footer(content: bytes) -> int:
    """Return where the footer begins."""
    return len(content) - 8 - int(struct.unpack("<I", content[-8:-4])[0])


def flip_a_page(path: Path) -> None:
    """Flip one bit of the last page of data."""
    content = bytearray(path.read_bytes())
    content[footer(content) - 3] ^= 1
    path.write_bytes(bytes(content))


def write_at_once(path: Path) -> None:
    write_parquet(TABLE, path)


def write_in_parts(path: Path) -> None:
    with parquet_writer(path, TABLE.schema) as writer:
        writer.write_table(TABLE)


@pytest.mark.parametrize("write", [write_at_once, write_in_parts])
def test_a_bit_that_flips_in_a_page_is_told_by_its_checksum(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "a.parquet"
    write(path)
    flip_a_page(path)
    with pytest.raises(DataError, match=r"a.parquet, row group 0 cannot be read as Parquet .*CRC") as error:
        list(ParquetData(schema(), validate=str(path)).loader("validate"))
    assert len(str(error.value).splitlines()) <= 5


def test_tables_in_memory_are_written_with_checksums() -> None:
    data = table_data(schema(), validate=TABLE)
    flip_a_page(Path(str(data.paths["validate"])))
    with pytest.raises(DataError, match="CRC"):
        list(data.loader("validate"))


def test_nothing_else_writes_parquet() -> None:
    """Columns that wait during a build are read by that build alone, and CSV that is profiled by that profile."""
    writes = re.compile(r"pq\.(write_table|ParquetWriter)\(|\.(write|sink)_parquet")
    files = [*(ROOT / "hyrec").rglob("*.py"), *(ROOT / "plugins").glob("*/hyrec_*/**/*.py")]
    found = {str(file.relative_to(ROOT)) for file in files if writes.search(file.read_text())}
    assert found == {"hyrec/parquet.py", "hyrec/data/logs/files.py", "hyrec/data/profiling/sources.py"}


@pytest.mark.parametrize("layout", ["flat", "requests"])
def test_a_footer_that_ends_arrow_s_process_ends_no_run(tmp_path: Path, layout: str) -> None:
    """A type of a column chunk that contradicts the schema: asked for its metadata, Arrow calls ``terminate``."""
    path = tmp_path / "a.parquet"
    lists = TABLE.set_column(0, "x", pa.array([[x, 3] for x in TABLE["x"].to_pylist()]))
    lists = lists.set_column(1, "click", pa.array([[0, 1]] * 300))
    pq.write_table(TABLE if layout == "flat" else lists, path)
    content = path.read_bytes()
    start = footer(content)
    described = content[start:].replace(b"\x15\x04\x19", b"\x15\x0c\x19")  # INT64 becomes BYTE_ARRAY
    assert described != content[start:]
    path.write_bytes(content[:start] + described)
    features = {"x": {"vocab_size": 100, "role": "item"}}
    split = {"test_from": str(NOW + 50)}
    data = ParquetData(schema(layout=layout, features=features, split=split), path=str(path))
    with pytest.raises(DataError, match=r"a.parquet, row group 0 cannot be read as Parquet"):
        data.loader("test")


def test_a_footer_whose_rows_do_not_add_up_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, row_group_size=100)
    content = path.read_bytes()
    start = footer(content)
    rows = b"\x16" + bytes([0xD8, 0x04])  # 300 as a zigzag varint
    assert content[start:].count(rows) == 1
    path.write_bytes(content[:start] + content[start:].replace(rows, b"\x16" + bytes([0xD8, 0x7D])))
    with pytest.raises(DataError, match=r"its footer says 8,044 rows in row groups of \[100, 100, 100\]"):
        ParquetData(schema(), validate=str(path)).loader("validate")


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(TABLE, path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"click", b"cl\xffck"))
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        ParquetData(schema(), validate=str(path)).loader("validate")


@pytest.mark.parametrize("key", ["vocab_size", "hash_size", "max_length", "offset"])
def test_a_size_that_no_memory_holds_is_refused(key: str) -> None:
    sizes = {"vocab_size": 10, key: 10**15} if key != "hash_size" else {"hash_size": 10**15}
    with pytest.raises(SchemaError, match=rf"features.x.{key} must be below 2\^40"):
        schema(features={"x": {"kind": "multi_id", **sizes}})


@pytest.mark.parametrize("values", [10**15, -1])
def test_lists_that_no_memory_holds_are_refused_before_they_are_read(values: int) -> None:
    facts = {"past": Facts(values, 0, None)}
    with pytest.raises(DataError, match=rf"a.parquet, column 'past': its footer says {values:,} values in 5 rows"):
        check_memory("a.parquet", 5, facts)


def test_lists_that_fit_a_read_at_a_time_are_not_refused() -> None:
    check_memory("a.parquet", 10**9, {"past": Facts(10**10, 0, None)}, memory=2**20)


def test_an_offset_may_be_negative() -> None:
    assert Feature(vocab_size=9, offset=-5) == schema(features={"x": {"vocab_size": 9, "offset": -5}}).features["x"]


@pytest.mark.parametrize("place", [{"typo": None}, {"tasks": {"click": {"typo": None}}}, {"split": {"typo": ""}}])
def test_an_unknown_key_is_refused_even_if_it_says_nothing(place: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match="has no key 'typo'"):
        schema(**place)
