"""How Parquet is written and opened: every page has a checksum, which is verified when the page is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def parquet_writer(path: str | Path, fields: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of tables that have these fields."""
    return pq.ParquetWriter(path, fields, compression="zstd", write_page_checksum=True)


def write_parquet(table: pa.Table, path: str | Path, **options: Any) -> None:
    """Write a table; options are those of ``pyarrow.parquet.write_table``."""
    pq.write_table(table, path, compression="zstd", write_page_checksum=True, **options)


def open_parquet(path: str | Path) -> pq.ParquetFile:
    """Open a file whose checksums, where it has any, are verified on reading."""
    return pq.ParquetFile(path, page_checksum_verification=True)


def read_parquet(path: str | Path, columns: list[str]) -> pa.Table:
    """Read columns of a file, verified like those of ``open_parquet``."""
    return pq.read_table(path, columns=columns, page_checksum_verification=True)
