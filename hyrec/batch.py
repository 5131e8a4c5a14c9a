"""The carriers: what passes between the parts of hyrec, and the meaning of every letter in a shape.

Letters, the same everywhere:

====  =====================================================================
B     samples (a candidate shown to a user)
R     requests, R <= B; several candidates of one request share its sequences
N     packed events of one sequence over all requests (capacity, see ``Sequence``)
L     events of one request, padded to the longest of the batch
K     keys that a query can attend to
M     non-sequential (NS) tokens
Q     queries of one sequence
T     mixed tokens: all queries and all NS tokens
D     model width
E     width before the projection to D
H     attention heads
X     experts of one token
C     candidates of one request, padded to the largest of the batch
====  =====================================================================
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

_T = TypeVar("_T")


def _carrier(cls: type[_T]) -> type[_T]:
    """Make a plain (not frozen) dataclass a pytree, so Lightning moves it and ``torch.export`` accepts it."""
    assert dataclasses.is_dataclass(cls)
    names = [f.name for f in dataclasses.fields(cls)]
    pytree.register_dataclass(cls, field_names=names)
    return cls


@_carrier
@dataclass
class Jagged:
    """Lists of ids, one list a sample, packed.

    Shape:
        values: ``(N,)`` int64. offsets: ``(B + 1,)`` int64. weights: ``(N,)`` float, for weighted ids.
    """

    values: Tensor
    offsets: Tensor
    weights: Tensor | None = None


@_carrier
@dataclass
class RequestMap:
    """Which request each sample belongs to.

    Samples of one request read the same row of every sequence. ``None`` in place of a map means that each sample
    is a request of its own (R = B), which costs nothing.

    Shape:
        index: ``(B,)`` int64, the request of each sample. slot: ``(B,)`` int64, its number among that request's
        samples. num_requests: R. max_candidates: C, the most samples of one request. by_events: whether samples were
        joined because they see the same events at the same moment, while the data do not name requests.
    """

    index: Tensor
    slot: Tensor
    num_requests: int
    max_candidates: int
    by_events: bool = False

    @staticmethod
    def from_index(index: Tensor, num_requests: int) -> RequestMap:
        """Build the map from ``index (B,)``; samples of one request need not be adjacent."""
        order = torch.argsort(index, stable=True)
        counts = torch.bincount(index, minlength=num_requests)
        starts = torch.cumsum(counts, 0) - counts
        slot = torch.empty_like(index)
        slot[order] = torch.arange(len(index), device=index.device) - starts[index[order]]
        return RequestMap(index, slot, num_requests, max(1, int(counts.max())) if len(counts) else 1)

    def expand(self, rows: Tensor) -> Tensor:
        """Repeat request rows ``(R, ...)`` for their samples: ``(B, ...)``."""
        return rows.index_select(0, self.index)

    def group(self, samples: Tensor) -> Tensor:
        """Lay samples ``(B, ...)`` out by request: ``(R, C, ...)``, zeros where a request has fewer than C."""
        out = samples.new_zeros(self.num_requests * self.max_candidates, *samples.shape[1:])
        out = out.index_copy(0, self.index * self.max_candidates + self.slot, samples)
        grouped: Tensor = out.unflatten(0, (self.num_requests, self.max_candidates))
        return grouped

    def ungroup(self, grouped: Tensor) -> Tensor:
        """Undo ``group``: ``(R, C, ...)`` to ``(B, ...)``."""
        return grouped.flatten(0, 1).index_select(0, self.index * self.max_candidates + self.slot)


def expand_requests(rows: Tensor, request_of: RequestMap | None) -> Tensor:
    """Repeat ``(R, ...)`` to ``(B, ...)``; does nothing when R = B."""
    return rows if request_of is None else request_of.expand(rows)


@_carrier
@dataclass
class SequenceInput:
    """Raw events of one sequence, packed, oldest first in every request.

    Shape:
        features: ``(N,)`` int64 per id feature, ``(N, max_length)`` int64 per multi-id feature (0 behind the ids of
            an event), ``(N,)`` float per dense feature (NaN where missing).
        offsets: ``(R + 1,)`` int64; the events of request r are rows ``offsets[r]:offsets[r + 1]``.
        time: ``(N,)`` float64 seconds, or None.
        max_length: L, the longest request (at least 1).
    """

    features: dict[str, Tensor]
    offsets: Tensor
    max_length: int
    time: Tensor | None = None


@_carrier
@dataclass
class Sequence:
    """Events as vectors, packed: position-wise work costs nothing for padding.

    Shape:
        values: ``(N, D)``, oldest event first in every request. N is a capacity of at least one row: rows from
        ``offsets[-1]`` on are spare, hold anything finite, and nothing may read them. It lets a step that shortens
        sequences size its output without asking the device how many events are left.
        offsets: ``(R + 1,)`` int64. max_length: L. time: ``(N,)`` float64 seconds, or None.
    """

    values: Tensor
    offsets: Tensor
    max_length: int
    time: Tensor | None = None

    @property
    def num_requests(self) -> int:
        """R."""
        return self.offsets.shape[0] - 1

    @property
    def lengths(self) -> Tensor:
        """Events of each request, ``(R,)``."""
        return self.offsets.diff()

    def replace(self, values: Tensor) -> Sequence:
        """Return the same events with other vectors."""
        return Sequence(values, self.offsets, self.max_length, self.time)

    def mask(self) -> Tensor:
        """Return ``(R, L)``, True where there is an event."""
        steps = torch.arange(self.max_length, device=self.offsets.device)
        return steps < self.lengths.unsqueeze(1)

    def padded(self, values: Tensor | None = None) -> Tensor:
        """Return ``values``, or other packed rows ``(N, ...)`` of the same events, as ``(R, L, ...)``, left-aligned.

        What lies past a request's end is not defined.
        """
        rows = self.values if values is None else values
        steps = torch.arange(self.max_length, device=self.offsets.device)
        index = (self.offsets[:-1].unsqueeze(1) + steps).clamp(max=rows.shape[0] - 1)
        padded: Tensor = rows.index_select(0, index.flatten()).unflatten(0, (self.num_requests, self.max_length))
        return padded

    def row_index(self) -> Tensor:
        """Return ``(N,)``: the request of each packed row; R for spare rows."""
        rows = torch.arange(self.values.shape[0], device=self.offsets.device)
        return torch.bucketize(rows, self.offsets[1:], right=True)

    def recency(self) -> Tensor:
        """Return ``(N,)``: how many newer events the request of each packed row has; any number for spare rows.

        Counted from the newest event, so neither padding nor a longer past moves it.
        """
        newest = self.offsets[1:][self.row_index().clamp(max=self.num_requests - 1)] - 1
        return newest - torch.arange(self.values.shape[0], device=newest.device)

    def pack(self, padded: Tensor) -> Tensor:
        """Undo ``padded``: ``(R, L, ...)`` to packed rows ``(N, ...)``."""
        row = self.row_index().clamp(max=self.num_requests - 1)
        step = torch.arange(self.values.shape[0], device=row.device) - self.offsets[row]
        index = row * self.max_length + step.clamp(max=self.max_length - 1)
        return padded.flatten(0, 1).index_select(0, index)

    def mean(self) -> Tensor:
        """Average the vectors of each request, ``(R, D)``; zeros for a request without events."""
        total = self.values.new_zeros(self.num_requests + 1, self.values.shape[1])
        total = total.index_add(0, self.row_index(), self.values)[:-1]
        return total / self.lengths.clamp(min=1).unsqueeze(1).to(total.dtype)

    def merge_tokens(self, ratio: int) -> tuple[Tensor, Tensor, Sequence]:
        """Group ``ratio`` adjacent events, counted from the newest, so that only the oldest group can be short.

        Args:
            ratio: Events per group.

        Shape:
            Returns the grouped vectors ``(N', ratio, D)`` (zeros where a group is short), their mask
            ``(N', ratio)`` and the merged sequence, whose values are the groups laid side by side,
            ``(N', ratio * D)``.
        """
        # Deviation: LONGER does not say from which end. Counted from the newest, a longer past never regroups recent
        # events. Pinned by test_tokens_are_merged_from_the_newest_event_on.
        lengths = (self.lengths + ratio - 1) // ratio
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        events, requests = self.values.shape[0], self.num_requests
        capacity = min(events, (events + requests * (ratio - 1)) // ratio)
        slots = torch.arange(capacity, device=offsets.device)
        row = torch.bucketize(slots, offsets[1:], right=True).clamp(max=requests - 1)
        newest = self.offsets[1:][row] - (offsets[1:][row] - 1 - slots) * ratio - 1
        index = newest.unsqueeze(1) - torch.arange(ratio - 1, -1, -1, device=offsets.device)
        mask = (index >= self.offsets[row].unsqueeze(1)) & (slots < offsets[-1]).unsqueeze(1)
        index = index.clamp(min=0, max=events - 1)
        groups = self.values.index_select(0, index.flatten()).unflatten(0, index.shape)
        groups = groups.masked_fill(~mask.unsqueeze(-1), 0.0)
        time = None if self.time is None else self.time.index_select(0, newest.clamp(0, events - 1))
        merged = Sequence(groups.flatten(1), offsets, -(-self.max_length // ratio), time)
        return groups, mask, merged

    def recent(self, num_events: int) -> Sequence:
        """Keep the last ``num_events`` events of every request."""
        lengths = self.lengths.clamp(max=num_events)
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        capacity = min(self.values.shape[0], self.num_requests * num_events)
        slots = torch.arange(capacity, device=offsets.device)
        row = torch.bucketize(slots, offsets[1:], right=True).clamp(max=self.num_requests - 1)
        index = self.offsets[1:][row] - lengths[row] + slots - offsets[row]
        index = index.clamp(min=0, max=self.values.shape[0] - 1)
        time = None if self.time is None else self.time.index_select(0, index)
        return Sequence(self.values.index_select(0, index), offsets, min(self.max_length, num_events), time)


@_carrier
@dataclass
class SequenceStates:
    """What a sequence encoder returns.

    ``sequence`` is what the encoder of the next layer sees; ``memory`` is what this layer's decoders attend to.
    """

    sequence: Sequence
    memory: Sequence


@_carrier
@dataclass
class Tokens:
    """What a backbone returns: queries ``(B, Q, D)`` by sequence name, and NS tokens ``(B, M, D)``.

    The network lays ``features``, the embedded features ``(B, width)`` by name, beside them for the head.
    """

    queries: dict[str, Tensor]
    ns: Tensor
    features: dict[str, Tensor] = dataclasses.field(default_factory=dict)

    def all(self) -> Tensor:
        """Return ``(B, T, D)``: the queries of every sequence, then the NS tokens."""
        return torch.cat([*self.queries.values(), self.ns], dim=1)


@_carrier
@dataclass
class Batch:
    """One batch of samples.

    Shape:
        features: by name. ``id``: ``(B,)`` int64. ``dense``: ``(B, width)`` float, NaN where missing.
            ``multi_id`` and ``weighted_ids``: ``Jagged`` over B.
        sequences: ``SequenceInput`` by name, over R requests.
        labels: by task, ``(B,)`` float in {0, 1}, NaN where the label is unknown.
        num_samples: B.
        request_of: None when R = B.
        time: ``(R,)`` float64 seconds, the impression's time, or None.
        group: ``(B,)`` int64, what query-level metrics group by, or None.
        weights: ``(B,)`` float, or None.
        ids: columns that predictions carry along, ``(B,)`` each. Strings never enter a batch; see ``row``.
        row: ``(B,)`` int64, position of the sample in its split (stable over shuffling), or None.
    """

    features: dict[str, Any]
    sequences: dict[str, SequenceInput]
    labels: dict[str, Tensor]
    num_samples: int
    request_of: RequestMap | None = None
    time: Tensor | None = None
    group: Tensor | None = None
    weights: Tensor | None = None
    ids: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    row: Tensor | None = None

    @property
    def num_requests(self) -> int:
        """R."""
        return self.num_samples if self.request_of is None else self.request_of.num_requests

    def grouped(self) -> RequestMap | None:
        """Return which samples belong together: those of a request, else those of a group, else none.

        Samples that share a request only because they see the same events belong together if their group says so.
        """
        named = None if self.request_of is None or self.request_of.by_events else self.request_of
        if named is not None or self.group is None:
            return named
        groups, index = self.group.unique(return_inverse=True)
        return RequestMap.from_index(index, len(groups))
