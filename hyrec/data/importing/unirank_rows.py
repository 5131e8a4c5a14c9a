"""Rows of UniRank as rows of hyrec: with their item's columns, their moment, and the range of events they may see."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from hyrec.data.event_file import KEY, range_column
from hyrec.data.importing.unirank_blocks import (
    ACTION,
    ITEM,
    LENGTH,
    SEQUENCE,
    TIME,
    USER,
    Block,
    Ints,
    Part,
    check_names,
    joined,
    whole_numbers,
)
from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.file import guard
from hyrec.data.parquet.policy import DataError
from hyrec.parquet import open_parquet, parquet_writer

_ROWS, _GROUP = 65536, 8192
"""Rows that are read, and that are written, at a time."""


@dataclass
class Seen:
    """What the blocks held.

    Args:
        own: Columns of rows, without labels.
        of_items: Columns of items.
        sizes: One more than the largest id of each column.
        lists: Length of the longest list of each column of lists.
        by_row: Columns of which a user has several values in the training rows.
        no_ids: Columns that hold no whole numbers, with their type.
        rows: Rows of each split.
        cut: Rows that stand behind events of their own moment.
        untimed: Blocks whose events have no times.
        moments: Some moments of rows.
    """

    own: list[str] = field(default_factory=list)
    of_items: list[str] = field(default_factory=list)
    sizes: Counter[str] = field(default_factory=Counter)
    lists: Counter[str] = field(default_factory=Counter)
    by_row: set[str] = field(default_factory=set)
    no_ids: dict[str, str] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    cut: int = 0
    untimed: int = 0
    moments: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    def note(self, name: str, values: pa.Array) -> None:
        """Note the ids of a column, in lists or not."""
        if arrow.is_list(values.type):
            self.lists[name] = max(self.lists[name], int(Lists.of(values).lengths.max(initial=0)))
            values = values.flatten()
        if not arrow.is_whole(values.type):
            self.no_ids[name] = str(values.type)
            return
        numbers, null = arrow.numbers(values)
        known = numbers if null is None else numbers[~null]
        self.sizes[name] = max(self.sizes[name], int(known.max(initial=0)) + 1)


def write_block(part: Part, folder: Path, split: str, labels: Collection[str], seen: Seen) -> None:
    """Write the rows of a block and, beside them, its events; note what there was.

    Raises:
        DataError: For files that lack a column, cannot be read, or do not fit one another.
    """
    block = Block(part)
    events = json.dumps({SEQUENCE: block.write_events(folder)})
    for name, values in {**block.item_columns, ACTION: block.actions}.items():
        seen.note(name, values)
    seen.of_items = list(dict.fromkeys([*seen.of_items, *block.item_columns]))
    seen.untimed += block.times is None
    writer, first_of = None, dict[str, Ints]()
    for rows in _batches(part.data, [USER, ITEM, LENGTH, *labels]):
        user, item, length = (whole_numbers(part.data, name, rows.pop(name)) for name in (USER, ITEM, LENGTH))
        users = block.users_at(user)
        ranges, moments, left_out = block.point(users, item, length)
        columns = {name: _without_padding(values) for name, values in rows.items()}
        for name, values in columns.items():
            if name not in labels:
                seen.note(name, values)
                if (
                    split == "train"
                    and name not in seen.no_ids
                    and not _is_constant(name, values, users, first_of, block)
                ):
                    seen.by_row.add(name)
        if twice := [name for name in columns if name in block.item_columns]:
            raise DataError(f"{part.data} and {part.items} both have a column {twice[0]!r}.")
        seen.own = list(dict.fromkeys([*seen.own, *(name for name in columns if name not in labels)]))
        at = block.items_at(item)
        columns |= {name: values.take(at) for name, values in block.item_columns.items()}
        if moments is not None:
            columns[TIME] = pa.array(moments)
            seen.moments = np.concatenate([seen.moments, moments[:: max(1, len(moments) // 64)]])
        columns[range_column(SEQUENCE)] = ranges
        seen.rows[split] += len(users)
        seen.cut += int((left_out > 0).sum())
        made = pa.table(columns)
        writer = writer or parquet_writer(folder / part.data.name, made.schema.with_metadata({KEY: events}))
        writer.write_table(made, row_group_size=_GROUP)
    if writer:
        writer.close()


def _batches(path: Path, needed: list[str]) -> Iterator[dict[str, pa.Array]]:
    opened = guard(str(path), "", lambda: open_parquet(path))
    check_names(path, opened.schema_arrow.names, needed)
    batches = guard(str(path), "", lambda: opened.iter_batches(batch_size=_ROWS))
    while (batch := guard(str(path), "", partial(next, batches, None))) is not None:
        table = pa.table(batch)
        yield {name: joined(table.column(name)) for name in table.schema.names}


def _is_constant(name: str, values: pa.Array, users: Ints, first_of: dict[str, Ints], block: Block) -> bool:
    """Whether all rows of each user so far have one value; of lists, it is taken to be so."""
    if arrow.is_list(values.type):
        return True
    own = arrow.numbers(values)[0].astype(np.int64)
    first = first_of.setdefault(name, np.full(len(block.users), -1, np.int64))
    new = first[users] < 0
    first[users[new][::-1]] = own[new][::-1]
    return bool((first[users] == own).all())


def _without_padding(values: pa.Array) -> pa.Array:
    """Return lists without the zeros that fill them up to one length."""
    if not arrow.is_list(values.type):
        return values
    entries, lengths = values.flatten(), Lists.of(values).lengths
    kept = arrow.numbers(entries)[0] != 0
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(kept)])
    offsets = before[np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])]
    return pa.LargeListArray.from_arrays(pa.array(offsets), entries.filter(pa.array(kept)))
