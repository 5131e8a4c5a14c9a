"""Which events of a sequence attend when not all do, and vectors that attend in their place."""

from __future__ import annotations

import torch
from torch import Tensor

from hyrec.batch import Sequence


def sample_events(events: Sequence, num_events: int, num_newest: int) -> tuple[Sequence, Tensor]:
    """Keep at most ``num_events`` events of every request: the newest ones, and of the others evenly spaced ones.

    The newest ``n = num_newest`` are kept. Of the ``m`` older ones, ``u = min(m, num_events - n)`` are: those with
    ``n + floor(i m / u)`` newer events, ``i = 0 .. u - 1``. So a request of at most ``num_events`` events keeps all of
    them, none is kept twice, the newest is always there, and the choice follows from the number of events alone.

    Args:
        events: Oldest first.
        num_events: Most events to keep of a request.
        num_newest: How many of them are the newest.

    Shape:
        Returns the kept events in their order, and ``(N,)``: how many newer events of its request each has.

    Example:
        >>> events = Sequence(torch.arange(8.0).unsqueeze(1), torch.tensor([0, 8]), 8)
        >>> sample_events(events, 4, 2)[0].values.flatten().tolist()
        [2.0, 5.0, 6.0, 7.0]
    """
    newest = events.lengths.clamp(max=num_newest)
    older = events.lengths - newest
    spaced = older.clamp(max=num_events - num_newest)
    offsets = _starts(newest + spaced)
    capacity = min(events.values.shape[0], events.num_requests * num_events)
    slots = torch.arange(capacity, device=offsets.device)
    row = torch.bucketize(slots, offsets[1:], right=True).clamp(max=events.num_requests - 1)
    place = offsets[1:][row] - 1 - slots  # how many kept events are newer
    beyond = place - newest[row]
    recency = torch.where(beyond < 0, place, newest[row] + beyond * older[row] // spaced[row].clamp(min=1))
    index = (events.offsets[1:][row] - 1 - recency).clamp(min=0, max=events.values.shape[0] - 1)
    time = None if events.time is None else events.time.index_select(0, index)
    kept = Sequence(events.values.index_select(0, index), offsets, min(events.max_length, num_events), time)
    return kept, recency


def stand_ins(vectors_KD: Tensor, events: Sequence) -> tuple[Sequence, Tensor]:
    """Return the same ``K`` vectors for every request that has events, and nothing for one that has none.

    Beside them ``(N,)`` zeros: they have no place among the events, and stand at the newest.
    """
    num_vectors = vectors_KD.shape[0]
    offsets = _starts(events.lengths.clamp(max=1) * num_vectors)
    capacity = min(events.values.shape[0], events.num_requests)
    values = vectors_KD.to(events.values.dtype).repeat(capacity, 1)
    return Sequence(values, offsets, num_vectors), offsets.new_zeros(values.shape[0])


def _starts(lengths: Tensor) -> Tensor:
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
