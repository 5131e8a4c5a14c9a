"""The rows of a split, decoded as training decodes them, as far as figures need them.

What grows with a history's length is added up while it is read; a row keeps its ids and numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from hyrec.data.hashing import mix64
from hyrec.data.packing import Array, list_sums, owners, to_offsets
from hyrec.data.parquet.chunk import EVENT_TIME, Chunk, Packed
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.policy import Handled, Policies
from hyrec.data.parquet.reader import RowReader
from hyrec.data.parquet.source import SplitIndex
from hyrec.schema import PADDING_ID, Schema, SequenceSpec

_EVERY_EVENT = 2**40
_SPACED_GROUPS = 32
"""Row groups that a sample is spread over, at least."""


class IdCounts:
    """How often each id occurs; memory grows with the ids that occur, not with the rows."""

    def __init__(self) -> None:
        self.ids, self.counts = np.zeros(0, np.int64), np.zeros(0, np.int64)

    def add(self, ids: Array) -> None:
        """Count ids."""
        found, counts = np.unique(ids, return_counts=True)
        self.ids, inverse = np.unique(np.concatenate([self.ids, found.astype(np.int64)]), return_inverse=True)
        self.counts = np.bincount(inverse, np.concatenate([self.counts, counts]), len(self.ids)).astype(np.int64)

    @property
    def total(self) -> int:
        """Ids that were counted."""
        return int(self.counts.sum())

    def of(self, number: int) -> int:
        """Return how often one id occurs."""
        return int(self.counts[self.ids == number].sum())


@dataclass
class EventFacts:
    """What a split's rows say of one sequence, per sample unless it is a count.

    Args:
        lengths: Events before they are cut at ``max_length``.
        late: Whether an event is later than its impression.
        same_time: Whether an event has the impression's time.
        newest_is_item: Whether the newest event has the impression's item; None where they share no table.
        newest_is_impression: Whether it has the impression's time besides; None where events have no times.
        sides: Ids that occur by side information.
        missing: Share of NaN by dense side information, as (missing, all).
    """

    lengths: Array
    late: Array | None
    same_time: Array | None
    newest_is_item: Array | None
    newest_is_impression: Array | None
    sides: dict[str, IdCounts] = field(default_factory=dict)
    missing: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass
class SplitRows:
    """Decoded rows of a split; a sample is an impression, in the ``requests`` layout too.

    Args:
        name: The split.
        in_files: Samples that its files hold.
        labels: By task; NaN is unknown.
        ids: Values of the features of kind ``id``.
        dense: Values of the dense features, ``(samples, width)``.
        lists: Values of the features of kinds ``multi_id`` and ``weighted_ids``.
        events: By sequence.
        row_hash: Equal for samples whose values are all equal.
        handled: Values that a policy handled, by column and reason.
        time: Seconds since 1970.
        group: Keys of groups.
    """

    name: str
    in_files: int
    labels: dict[str, Array]
    ids: dict[str, Array]
    dense: dict[str, Array]
    lists: dict[str, Packed]
    events: dict[str, EventFacts]
    row_hash: Array
    handled: dict[Handled, int]
    time: Array | None = None
    group: Array | None = None

    @property
    def num_rows(self) -> int:
        """Samples that were read."""
        return len(self.row_hash)

    @cached_property
    def id_counts(self) -> dict[str, IdCounts]:
        """How often each id occurs, by feature of kind ``id``, ``multi_id`` or ``weighted_ids``."""
        counts = {name: IdCounts() for name in (*self.ids, *self.lists)}
        for name, counted in counts.items():
            counted.add(self.ids[name] if name in self.ids else self.lists[name].arrays["ids"])
        return counts


def item_features(schema: Schema) -> dict[str, tuple[str, str]]:
    """Return, by sequence, the feature and the side information that both name the item: they share its table."""
    found = {}
    for name, spec in schema.sequences.items():
        shared = [
            (feature.num_ids, ours, side)
            for ours, feature in schema.features.items()
            if feature.kind == "id" and feature.role == "item"
            for side, own in spec.features.items()
            if own.is_embedded and own.kind != "multi_id" and schema.table_of(side, name) == schema.table_of(ours)
        ]
        if shared:
            found[name] = max(shared)[1:]
    return found


def read_rows(name: str, index: SplitIndex, schema: Schema, max_rows: int) -> SplitRows:
    """Read a split.

    Args:
        name: The split.
        index: Its rows.
        schema: What they hold.
        max_rows: About how many stored rows to read at most, spread over the row groups. 0 reads all.

    Raises:
        DataError: For values that cannot be used.
    """
    sequences = {n: _whole(spec, index) for n, spec in schema.sequences.items()}
    features = {n: replace(feature, max_length=0) for n, feature in schema.features.items()}
    whole = replace(schema, features=features, sequences=sequences)
    decoder = Decoder(whole, Policies(unequal_lengths="truncate"))
    parts, sides, handled = [], _Sides(schema), Counter[Handled]()
    for chunk in _chunks(RowReader(index, decoder, threads=False), index, max_rows):
        chunk.load()
        parts.append(_columns(chunk, schema, sides))
        handled.update({key: int(counts.sum()) for key, counts in chunk.notes.items()})
    return _joined(name, index.num_samples, parts, sides, dict(handled))


def _whole(spec: SequenceSpec, index: SplitIndex) -> SequenceSpec:
    """Return a sequence whose lists are not cut; of an event file rows take no more than they are meant to have."""
    stored = index.in_events & {feature.column or side for side, feature in spec.features.items()}
    return spec if stored else replace(spec, max_length=_EVERY_EVENT)


def _chunks(reader: RowReader, index: SplitIndex, max_rows: int) -> Iterator[Chunk]:
    """Read all rows, or the first ones of evenly spaced row groups: whole groups where there are many."""
    sizes = [group.num_rows for group in index.groups]
    chosen = list(range(len(sizes)))
    if max_rows and max_rows < index.num_rows:
        many = max(_SPACED_GROUPS, math.ceil(len(sizes) * max_rows / index.num_rows))
        chosen = sorted(set(np.linspace(0, len(sizes) - 1, many).round().astype(int).tolist()))
    share = min(1.0, max_rows / sum(sizes[number] for number in chosen)) if max_rows else 1.0
    for number in chosen:
        yield from reader.read(number, 0, math.ceil(sizes[number] * share))


class _Sides:
    """Ids of events, counted over all chunks."""

    def __init__(self, schema: Schema) -> None:
        self.schema, self.items = schema, item_features(schema)
        self.counts: dict[str, dict[str, IdCounts]] = {name: {} for name in schema.sequences}
        self.missing: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in schema.sequences}

    def add(self, sequence: str, spec: SequenceSpec, arrays: Mapping[str, Array]) -> None:
        for side, feature in spec.features.items():
            if feature.kind == "dense":
                missing, of = self.missing[sequence].get(side, (0, 0))
                lost = missing + int(np.isnan(arrays[side]).sum())
                self.missing[sequence][side] = lost, of + len(arrays[side])
            else:
                ids = arrays[side]
                counts = self.counts[sequence].setdefault(side, IdCounts())
                counts.add(ids[ids != PADDING_ID] if feature.kind == "multi_id" else ids)


def _columns(chunk: Chunk, schema: Schema, sides: _Sides) -> dict[str, Any]:
    """Return what is kept of a chunk's samples, as arrays and lists by kind and name."""
    request: Array | None = None
    if chunk.candidates is not None:
        request = owners(chunk.candidates)

    def spread(array: Array) -> Array:
        return array if request is None else array[request]

    values = {key: spread(array) for key, array in chunk.rows.items()} | chunk.samples
    lists = {key: _spread_lists(part, request) for key, part in chunk.row_lists.items()} | chunk.sample_lists
    kept: dict[str, Any] = {"ids": {}, "dense": {}, "lists": {}, "events": {}}
    hashes = np.zeros(len(request) if request is not None else chunk.num_rows, np.uint64)
    for name, feature in schema.features.items():
        key = "features", name
        if key in lists:
            kept["lists"][name] = lists[key]
            hashes = _mixed(hashes, _list_hashes(lists[key]))
        else:
            kept["dense" if feature.kind == "dense" else "ids"][name] = values[key]
            for column in values[key].reshape(len(hashes), -1).T:
                hashes = _mixed(hashes, _bits(column))
    kept["labels"] = {task: values["labels", task] for task in schema.tasks}
    kept |= {name: values.get((name, "")) for name in ("time", "group")}
    others = [array for key, array in values.items() if key[0] in ("labels", "time", "group", "ids")]
    for column in others:
        hashes = _mixed(hashes, _bits(column))
    for name, spec in schema.sequences.items():
        packed = chunk.sequences[name]
        sides.add(name, spec, packed.arrays)
        item = sides.items.get(name)
        of_item = None if item is None else (values["features", item[0]], item[1])
        kept["events"][name] = _event_facts(packed, chunk.rows.get(("time", "")), of_item, spread)
        hashes = _mixed(hashes, spread(_end_hashes(packed)))
    return kept | {"row_hash": hashes}


def _event_facts(packed: Packed, time: Array | None, of_item: tuple[Array, str] | None, spread: Any) -> EventFacts:
    lengths, events = np.diff(packed.offsets), packed.arrays.get(EVENT_TIME)
    late = same = newest_is_item = newest_is_impression = None
    filled, newest = lengths > 0, np.maximum(packed.offsets[1:] - 1, 0)
    if events is not None and time is not None:
        of_event = np.repeat(time, lengths)
        owner = owners(packed.offsets)
        late = spread(np.bincount(owner[events > of_event], minlength=len(lengths)) > 0)
        same = spread(np.bincount(owner[events == of_event], minlength=len(lengths)) > 0)
    if of_item is not None:
        item, side = of_item
        ids = packed.arrays[side]
        last = spread(np.where(filled, ids[newest], -1) if len(ids) else np.full(len(lengths), -1))
        newest_is_item = (last == item) & (item > 2)  # reserved ids stand for many items
        if events is not None and time is not None:
            at = np.where(filled, events[newest], np.nan) if len(events) else np.full(len(lengths), np.nan)
            newest_is_impression = newest_is_item & spread(at == time)
    return EventFacts(spread(lengths), late, same, newest_is_item, newest_is_impression)


def _spread_lists(packed: Packed, request: Array | None) -> Packed:
    if request is None:
        return packed
    arrays, offsets = packed.take(request)
    return Packed(offsets, arrays)


def _bits(column: Array) -> Array:
    """Return values as whole numbers, alike for alike values (all NaN are)."""
    if column.dtype.kind == "f":
        return np.where(np.isnan(column), np.nan, column).astype(np.float64).view(np.uint64)
    return column.astype(np.int64).view(np.uint64)


def _mixed(hashes: Array, column: Array) -> Array:
    return mix64(hashes ^ mix64(column))


def _list_hashes(packed: Packed) -> Array:
    """Hash each list by its length and what it holds, in whatever order."""
    sums = np.diff(packed.offsets).astype(np.uint64)
    for array in packed.arrays.values():
        with np.errstate(over="ignore"):
            sums = mix64(sums) + list_sums(mix64(_bits(array)), packed.offsets)
    return sums


def _end_hashes(packed: Packed) -> Array:
    """Hash each history by its length, its oldest and its newest event: hashing every event would take longer."""
    hashes = np.diff(packed.offsets).astype(np.uint64)
    filled = np.flatnonzero(hashes)
    for array in packed.arrays.values():
        for ends in (packed.offsets[:-1], packed.offsets[1:] - 1):
            for column in array[ends[filled]].reshape(len(filled), math.prod(array.shape[1:])).T:
                hashes[filled] = _mixed(hashes[filled], _bits(column))
    return hashes


def _joined(
    name: str, in_files: int, parts: list[dict[str, Any]], sides: _Sides, handled: dict[Handled, int]
) -> SplitRows:
    def join(arrays: Iterable[Any]) -> Any:
        given = list(arrays)
        return None if given[0] is None else np.concatenate(given)

    def by_name(kind: str) -> dict[str, Array]:
        return {n: join(part[kind][n] for part in parts) for n in parts[0][kind]}

    lists = {n: _joined_lists([part["lists"][n] for part in parts]) for n in parts[0]["lists"]}
    columns = ("lengths", "late", "same_time", "newest_is_item", "newest_is_impression")
    events = {
        n: EventFacts(
            **{column: join(getattr(part["events"][n], column) for part in parts) for column in columns},
            sides=sides.counts[n],
            missing=sides.missing[n],
        )
        for n in parts[0]["events"]
    }
    whole = {column: join(part[column] for part in parts) for column in ("row_hash", "time", "group")}
    return SplitRows(
        name, in_files, by_name("labels"), by_name("ids"), by_name("dense"), lists, events, handled=handled, **whole
    )


def _joined_lists(parts: list[Packed]) -> Packed:
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in parts[0].arrays}
    return Packed(to_offsets(lengths), arrays)
