"""Columns that wait on the disk until they are written, so that memory holds one at a time."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True)
class Stored:
    """A column in a file of its own."""

    path: Path

    def load(self) -> pa.Array:
        """Map the column; its pages are read when they are used and leave memory with the array."""
        with pa.memory_map(str(self.path)) as mapped:
            return pa.ipc.open_file(mapped).get_batch(0).column(0)


@dataclass
class Store:
    """A working folder of columns.

    Args:
        folder: Where they go; whoever made it removes it.
    """

    folder: Path
    _number: itertools.count[int] = field(init=False, default_factory=itertools.count)

    def put(self, values: pa.Array) -> Stored:
        """Write a column down."""
        path = self.folder / f"{next(self._number)}.arrow"
        batch = pa.record_batch([values], names=["values"])
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch)
        return Stored(path)
