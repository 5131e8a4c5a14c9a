"""Decoded rows as NumPy arrays, and how a batch is gathered from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hyrec.batch import Batch, Jagged, RequestMap, SequenceInput
from hyrec.data.packing import Array, ranges, to_offsets
from hyrec.data.parquet.policy import Handled

Key = tuple[str, str]
"""(field of the batch, name in it), as ``("features", "item_id")``; ``time``, ``group``, ... have no name."""

EVENT_TIME = "@time"
"""Where the times of a sequence's events are kept among its features."""


def entries(starts: Array, offsets: Array, newest_first: bool) -> Array | slice:
    """Return the positions of the entries of lists, in order, or reversed in each list."""
    lengths, total = np.diff(offsets), int(offsets[-1])
    if newest_first:
        last = starts + lengths - 1
        return np.repeat(last + offsets[:-1], lengths) - np.arange(total, dtype=np.int64)
    filled = np.flatnonzero(lengths)
    if not len(filled):
        return slice(0, 0)
    first, end = int(starts[filled[0]]), int(starts[filled[-1]] + lengths[filled[-1]])
    if end - first == total and bool((np.diff(starts[filled]) == lengths[filled[:-1]]).all()):
        return slice(first, end)
    return ranges(starts, lengths)


def _grown(array: Array, part: Array) -> Array:
    """Append to an array, which is gone afterwards: a large one grows where it lies and is not copied."""
    size = len(array)
    if not array.flags.owndata or not array.flags.c_contiguous:
        array = array.copy(order="C")
    array.resize((size + len(part), *array.shape[1:]), refcheck=False)
    array[size:] = part
    return array


@dataclass
class Packed:
    """Lists, packed: list i is ``offsets[i]:offsets[i + 1]`` of every array."""

    offsets: Array
    arrays: dict[str, Array]

    def take(self, lists: Array) -> tuple[dict[str, Array], Array]:
        """Gather some lists; return the arrays and their offsets."""
        starts = self.offsets[lists]
        lengths = self.offsets[lists + 1] - starts
        offsets = to_offsets(lengths)
        if len(lists) and int(lists[-1]) - int(lists[0]) + 1 == len(lists) and bool((np.diff(lists) == 1).all()):
            rows = slice(int(starts[0]), int(starts[0] + offsets[-1]))
            return {name: array[rows].copy() for name, array in self.arrays.items()}, offsets
        index = ranges(starts, lengths)
        return {name: array.take(index, axis=0) for name, array in self.arrays.items()}, offsets

    def append(self, part: Packed) -> None:
        """Append lists to these."""
        self.offsets = _grown(self.offsets, part.offsets[1:] + self.offsets[-1])
        self.arrays = {name: _grown(array, part.arrays[name]) for name, array in self.arrays.items()}


class StoredEvents(Protocol):
    """Events of rows that are read when a batch asks for them."""

    def append(self, part: Any) -> None:
        """Append rows to these."""

    def keys(self, rows: Array) -> list[Array]:
        """Return what rows that see the same events have in common."""

    def take(self, rows: Array, moments: Array | None) -> tuple[Packed, dict[Handled, Array]]:
        """Return the events of some rows, whose impressions have these times, and what a policy handled in each."""


@dataclass
class Chunk:
    """Decoded stored rows (impressions in the ``flat`` layout, requests in the ``requests`` layout).

    Args:
        num_rows: Stored rows.
        first_sample: Position of each row's first sample in its split, ``(num_rows,)``.
        candidates: Offsets of the samples of each row; None when a row is a sample.
        rows: What a row has one of.
        row_lists: What a row has a list of.
        samples: What a sample has one of; empty when a row is a sample.
        sample_lists: What a sample has a list of.
        sequences: Events of each row by sequence.
        histories: The same, for sequences whose events stay in a file until they are needed.
        notes: How many values of each row a policy handled.
    """

    num_rows: int
    first_sample: Array
    candidates: Array | None = None
    rows: dict[Key, Array] = field(default_factory=dict)
    row_lists: dict[Key, Packed] = field(default_factory=dict)
    samples: dict[Key, Array] = field(default_factory=dict)
    sample_lists: dict[Key, Packed] = field(default_factory=dict)
    sequences: dict[str, Packed] = field(default_factory=dict)
    histories: dict[str, StoredEvents] = field(default_factory=dict)
    notes: dict[Handled, Array] = field(default_factory=dict)

    @staticmethod
    def concatenate(parts: Iterable[Chunk]) -> Chunk:
        """Append rows to rows as they come: beside the whole no more than one part is held."""
        parts = iter(parts)
        whole = next(parts)
        for part in parts:
            whole._append(part)
        return whole

    def _append(self, part: Chunk) -> None:
        for name in ("rows", "samples"):
            mine, theirs = getattr(self, name), getattr(part, name)
            setattr(self, name, {key: _grown(array, theirs[key]) for key, array in mine.items()})
        for name in ("row_lists", "sample_lists", "sequences", "histories"):
            for key, lists in getattr(self, name).items():
                lists.append(getattr(part, name)[key])
        for handled in sorted(self.notes.keys() | part.notes.keys()):
            before, then = (chunk.notes.get(handled, np.zeros(chunk.num_rows, np.int64)) for chunk in (self, part))
            self.notes[handled] = _grown(before, then)
        self.first_sample = _grown(self.first_sample, part.first_sample)
        if self.candidates is not None and part.candidates is not None:
            self.candidates = _grown(self.candidates, part.candidates[1:] + self.candidates[-1])
        self.num_rows += part.num_rows

    def load(self) -> None:
        """Read the events that are still in a file, of all rows."""
        for name, histories in self.histories.items():
            self.sequences[name], notes = histories.take(np.arange(self.num_rows), self.rows.get(("time", "")))
            for key, count in notes.items():
                self.notes[key] = self.notes.get(key, 0) + count
        self.histories = {}

    def batch(self, rows: Array) -> tuple[Batch, dict[Handled, int]]:
        """Gather a batch of stored rows, and what a policy handled in them.

        Rows of one moment that see the same events share a request.
        """
        positions = self.first_sample[rows]
        request_of: RequestMap | None = None
        of_row = samples = requests = rows
        if self.candidates is not None:
            first = self.candidates[rows]
            counts = self.candidates[rows + 1] - first
            samples = ranges(first, counts)
            request = np.repeat(np.arange(len(rows)), counts)
            slot = ranges(np.zeros_like(counts), counts)
            request_of = RequestMap(
                torch.from_numpy(request),
                torch.from_numpy(slot),
                len(rows),
                max(1, int(counts.max(initial=0))),
            )
            of_row, positions = rows[request], positions[request] + slot
        elif (joined := self._joined(rows)) is not None:
            first, request = joined
            requests, request_of = rows[first], RequestMap.from_index(torch.from_numpy(request), len(first))
            request_of.by_events = True
        batch = Batch({}, {}, {}, len(samples), request_of, row=torch.from_numpy(positions))
        for key, array in self.rows.items():
            _put(batch, key, _tensor(array.take(requests if key[0] == "time" else of_row, axis=0)))
        for key, array in self.samples.items():
            _put(batch, key, _tensor(array.take(samples, axis=0)))
        for key, lists in self.row_lists.items():
            _put(batch, key, _jagged(*lists.take(of_row)))
        for key, lists in self.sample_lists.items():
            _put(batch, key, _jagged(*lists.take(samples)))
        batch.features = dict(sorted(batch.features.items()))
        batch.sequences = {name: _sequence(*lists.take(requests)) for name, lists in self.sequences.items()}
        handled = {key: int(count[rows].sum()) for key, count in self.notes.items()}
        moments = None if batch.time is None else batch.time.numpy()
        weights = request_of.index.bincount().numpy() if request_of is not None and request_of.by_events else None
        for name, histories in self.histories.items():
            packed, notes = histories.take(requests, moments)
            batch.sequences[name] = _sequence(packed.arrays, packed.offsets)
            for key, count in notes.items():
                handled[key] = handled.get(key, 0) + int(count.sum() if weights is None else count @ weights)
        batch.sequences = dict(sorted(batch.sequences.items()))
        return batch, handled

    def _joined(self, rows: Array) -> tuple[Array, Array] | None:
        """Return the first of the rows that share a request, and the request of each; None: no two of them do."""
        if self.sequences or not self.histories:
            return None
        keys = [key for histories in self.histories.values() for key in histories.keys(rows)]
        if ("time", "") in self.rows:
            keys.append(self.rows["time", ""][rows])
            if len(np.unique(keys[-1])) == len(rows):
                return None
        order = np.lexsort(keys)
        is_new = np.zeros(len(rows), bool)
        is_new[:1] = True
        for key in keys:
            is_new[1:] |= np.diff(key[order]) != 0
        first, number = order[is_new], np.cumsum(is_new) - 1  # of equal rows, the sort keeps the first in front
        if len(first) == len(rows):
            return None
        request = np.empty(len(rows), np.int64)
        request[order] = np.argsort(np.argsort(first))[number]
        return np.sort(first), request


def _tensor(array: Array) -> Tensor:
    """Take over an array that nothing else holds; integers become int64."""
    return torch.from_numpy(array.astype(np.int64) if array.dtype.kind == "i" else array)


def _jagged(arrays: dict[str, Array], offsets: Array) -> Jagged:
    weights = _tensor(arrays["weights"]) if "weights" in arrays else None
    return Jagged(_tensor(arrays["ids"]), torch.from_numpy(offsets), weights)


def _sequence(arrays: dict[str, Array], offsets: Array) -> SequenceInput:
    longest = max(1, int(np.diff(offsets).max(initial=0)))
    if offsets[-1] == 0:
        arrays = {name: np.zeros((1, *array.shape[1:]), array.dtype) for name, array in arrays.items()}
    tensors = {name: _tensor(array) for name, array in arrays.items()}
    time = tensors.pop(EVENT_TIME, None)
    return SequenceInput(tensors, torch.from_numpy(offsets), longest, time)


def _put(batch: Batch, key: Key, value: Tensor | Jagged) -> None:
    where, name = key
    if name:
        getattr(batch, where)[name] = value
    else:
        setattr(batch, where, value)
