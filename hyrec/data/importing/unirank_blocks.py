"""Blocks of UniRank: rows that point into whole histories of users, and the items of both."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from hyrec.data.event_file import FOLDER, RANGE, range_column, write_events
from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.file import guard
from hyrec.data.parquet.policy import DataError
from hyrec.messages import listed, suggest
from hyrec.parquet import open_parquet

SEQUENCE, ACTION, TIME = "history", "action", "timestamp"
"""The one sequence, the side information that no item has, and the column of moments."""
USER, ITEM, LENGTH = "user_index", "item_index", "seq_len"
"""Columns of rows that lead to their user and item in the block, and say how many events come before."""
ITEMS, ACTIONS, TIMES = "full_item_seq", "full_action_seq", "full_timestamp_seq"
"""Lists of all events of a user. The times are not in every data set."""
_SPLITS = {"train": "train", "validate": "valid", "test": "test"}
_FOLDERS = ("data", "user_info", "item_info")
_PART = re.compile(r"part-\d+\.parquet")

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """The three files of one block."""

    data: Path
    users: Path
    items: Path


def find_parts(folder: Path) -> dict[str, list[Part]]:
    """Return the blocks of each split that is there.

    Raises:
        DataError: For no training rows, and for blocks that lack a file.
    """
    found = {}
    for split, own in _SPLITS.items():
        by_folder = [_parts(folder / own / kind) for kind in _FOLDERS]
        names = sorted(set[str]().union(*by_folder))
        for kind, there in zip(_FOLDERS, by_folder, strict=True):
            if lost := [name for name in names if name not in there]:
                raise DataError(
                    f"{folder / own / kind} has no {lost[0]}: a block is a file of that name in each of "
                    f"{', '.join(_FOLDERS)}. Copy all three folders."
                )
        if names:
            found[split] = [Part(*(there[name] for there in by_folder)) for name in names]
    if "train" not in found:
        below = next((path.parents[2] for path in sorted(folder.glob("**/train/data/part-*.parquet"))), None)
        hint = f" {below} does: name that folder." if below else ""
        raise DataError(f"{folder} has no training rows, train/data/part-00000.parquet.{hint}")
    return found


def _parts(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.glob("part-*.parquet") if _PART.fullmatch(path.name)}


class Block:
    """The users and items of one block: all events of all users, one user after the other.

    Raises:
        DataError: For lists of unlike lengths, and events that are not in the order of time.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        users = read_columns(part.users, [USER, ITEMS, ACTIONS], [TIMES])
        self.users = whole_numbers(part.users, USER, users.pop(USER))
        lengths = {name: Lists.of(values).lengths for name, values in users.items()}
        self.lengths = lengths[ITEMS]
        for name, own in lengths.items():
            if not np.array_equal(own, self.lengths):
                raise DataError(f"{part.users}: {name} and {ITEMS} of a user differ in length.")
        self.first = np.cumsum(self.lengths) - self.lengths
        flat = {name: values.flatten() for name, values in users.items()}
        self.items = whole_numbers(part.users, ITEMS, flat[ITEMS])
        self.times = whole_numbers(part.users, TIMES, flat[TIMES]) if TIMES in flat else None
        self.actions = flat[ACTIONS].cast(pa.int32())
        columns = read_columns(part.items, [ITEM])
        self._user_keys = _Keys(self.users, f"{part.users}: no {USER}")
        self._item_keys = _Keys(whole_numbers(part.items, ITEM, columns.pop(ITEM)), f"{part.items}: no {ITEM}")
        self.item_columns = columns
        self._first_of_moment = self._moments()

    def _moments(self) -> Ints:
        """Return for each event the first one of its user at that moment; without times, itself."""
        number = np.arange(len(self.items))
        if self.times is None or not len(number):
            return number
        is_first = np.zeros(len(number), np.bool_)
        is_first[self.first[self.lengths > 0]] = True
        later = np.diff(self.times)
        if len(wrong := np.flatnonzero((later < 0) & ~is_first[1:])):
            user = self.users[np.searchsorted(self.first, wrong[0], side="right") - 1]
            raise DataError(
                f"{self.part.users}: {TIMES} of {USER} {user} does not ascend: nothing tells what came first."
            )
        is_first[1:] |= later > 0
        return np.asarray(np.maximum.accumulate(np.where(is_first, number, 0)))

    def write_events(self, folder: Path) -> dict[str, str]:
        """Write all events beside the rows of the block; return what rows say of them."""
        at = self.items_at(self.items)
        columns = {name: values.take(at) for name, values in self.item_columns.items()} | {ACTION: self.actions}
        if self.times is not None:
            columns[TIME] = pa.array(self.times)
        named = {event_column(name): values for name, values in columns.items()}
        return write_events(folder / FOLDER / f"{self.part.data.stem}.arrow", named)

    def items_at(self, items: Ints) -> pa.Array:
        """Return where items stand in their file."""
        return pa.array(self._item_keys.places(items))

    def users_at(self, users: Ints) -> Ints:
        """Return where users stand in their file."""
        return self._user_keys.places(users)

    def point(self, users: Ints, items: Ints, lengths: Ints) -> tuple[pa.Array, Ints | None, Ints]:
        """Return the events that rows may see, the moments of the rows, and how many events are left out of each.

        A row is itself the event behind its ``lengths`` first ones. Those at its own moment are not before it, though
        they stand before it in the list.

        Args:
            users: Where the user of each row stands.
            items: The item of each row.
            lengths: Events that stand before each.

        Raises:
            DataError: For a row that is no event of its user.
        """
        first, place = self.first[users], self.first[users] + lengths
        is_event = (lengths >= 0) & (lengths < self.lengths[users])
        is_event[is_event] = self.items[place[is_event]] == items[is_event]
        if not is_event.all():
            row = int(np.flatnonzero(~is_event)[0])
            raise DataError(
                f"{self.part.data}: {LENGTH} {lengths[row]} of {USER} {self.users[users[row]]} leads to no event of "
                f"the row's own {ITEM} {items[row]}, so nothing tells what came before it."
            )
        seen = self._first_of_moment[place] - first
        ranges = [pa.array(first, pa.uint32()), pa.array(seen, pa.uint32())]
        moments = None if self.times is None else self.times[place]
        return pa.StructArray.from_arrays(ranges, fields=list(RANGE)), moments, lengths - seen


def event_column(name: str) -> str:
    """Return the name that side information has in event files."""
    return f"{range_column(SEQUENCE)}__{name}"


def read_columns(path: Path, needed: list[str], more: list[str] | None = None) -> dict[str, pa.Array]:
    """Read columns of a file: those needed and, of ``more``, those that are there. None: all columns.

    Raises:
        DataError: For a column that is not there, and for a file that cannot be read.
    """
    opened = guard(str(path), "", lambda: open_parquet(path))
    names = opened.schema_arrow.names
    check_names(path, names, needed)
    wanted = names if more is None else [*needed, *(name for name in more if name in names)]
    table = guard(str(path), "", lambda: opened.read(wanted))
    return {name: joined(table.column(name)) for name in wanted}


def check_names(path: Path, names: list[str], needed: list[str]) -> None:
    """Refuse a file that lacks a column."""
    if lost := [name for name in needed if name not in names]:
        raise DataError(f"{path} has no column {lost[0]!r}.{suggest(lost[0], names)} {listed(names, 'Columns')}")


def joined(values: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    array = values.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def whole_numbers(path: Path, name: str, values: pa.Array) -> Ints:
    """Return a column of whole numbers.

    Raises:
        DataError: For anything else.
    """
    if not arrow.is_whole(values.type) or values.null_count:
        what = f"{values.null_count} nulls" if arrow.is_whole(values.type) else str(values.type)
        raise DataError(f"{path}: {name} holds {what}, but leads to other values: whole numbers are needed.")
    return arrow.numbers(values)[0].astype(np.int64)


class _Keys:
    """Leads from indices to where they stand in a file.

    Args:
        keys: The indices, in the order of the file.
        missing: Says where there is none, in front of it.
    """

    def __init__(self, keys: Ints, missing: str) -> None:
        self.keys, self.missing = keys, missing
        self.order = np.argsort(keys, kind="stable")
        self.ascending = keys[self.order]

    def places(self, wanted: Ints) -> Ints:
        """Return where each index stands.

        Raises:
            DataError: For one that is not there.
        """
        at = np.searchsorted(self.ascending, wanted)
        there = at < len(self.keys)
        there[there] = self.ascending[at[there]] == wanted[there]
        if not there.all():
            raise DataError(f"{self.missing} {wanted[np.flatnonzero(~there)[0]]}, which rows or events name.")
        return np.asarray(self.order[at])
