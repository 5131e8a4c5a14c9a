"""Candidates against requests that were encoded once: what a ranking service does at every call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from hyrec.batch import Batch, RequestMap, SequenceInput
from hyrec.functional import probability
from hyrec.messages import unknown
from hyrec.network import EncodedSequences, Network
from hyrec.sample_batch import select_rows
from hyrec.schema import Schema


@dataclass
class RequestState:
    """What a model keeps of requests while their candidates come and go; ``Ranker.encode`` makes it.

    It holds for the weights and the moment that it was made with: ages of events count from the request's time.

    Args:
        requests: A sample a request: features of users and context, raw events, moments.
        encoded: The encoded sequences, in every layer.
    """

    requests: Batch
    encoded: EncodedSequences


class CandidateScoring(nn.Module):
    """Scores candidates in two calls: ``encode`` once a request, ``score`` once a set of candidates.

    The sequences are embedded, encoded and projected to keys and values in the first call. The second costs what the
    candidates cost, however long the history is, but for the attention of their queries.
    """

    network: Network
    schema: Schema

    def encode(self, requests: Batch) -> RequestState:
        """Encode the sequences of requests, without gradients and without dropout.

        Args:
            requests: A sample a request: features that no candidate has a part in, sequences, and times. Features of
                candidates are not looked at. Samples with the same events may share them by a ``request_of``.

        Raises:
            ValueError: When a feature or sequence is missing.
        """
        own = [name for name in self.schema.features if not self.schema.is_per_candidate(name)]
        _check_names(requests.features, own, "features of the requests")
        _check_names(requests.sequences, self.schema.sequences, "sequences")
        kept = replace(requests, features={name: requests.features[name] for name in own}, labels={})
        with _scoring(self):
            return RequestState(kept, self.network.encode(kept))

    def score(self, state: RequestState, candidates: Batch) -> dict[str, Tensor]:
        """Return the predicted probability of every candidate, ``{task: (B,)}`` in float64.

        Args:
            state: Requests, as ``encode`` returned them.
            candidates: Features of roles item and cross; ``request_of`` says to which sample of the requests each
                belongs. None: all belong to the only one, or there is one for each. Nothing else is looked at.

        Raises:
            ValueError: When a feature is missing, or candidates and requests do not fit.
        """
        own = [name for name in self.schema.features if self.schema.is_per_candidate(name)]
        _check_names(candidates.features, own, "features of the candidates")
        requests = state.requests
        place = _places(candidates, requests.num_samples, next(self.parameters()).device)
        shared, request_of = requests.features, requests.request_of
        if place is not None:
            shared = {name: select_rows(value, place) for name, value in shared.items()}
            index = place if request_of is None else request_of.index[place]
            request_of = RequestMap.from_index(index, requests.num_requests)
        features = {**shared, **{name: candidates.features[name] for name in own}}
        batch = replace(
            candidates, features=features, sequences={}, labels={}, request_of=request_of, time=requests.time
        )
        with _scoring(self):
            return {task: probability(logit) for task, logit in self.network(batch, state.encoded).items()}

    def extend(
        self, state: RequestState, events: Mapping[str, SequenceInput], time: Tensor | None = None
    ) -> RequestState:
        """Return the state of the same requests after further events, at a later moment.

        What the events change is computed anew: ages count from the new moment, positions from the newest event. So
        the state equals that of requests which came with all events.

        Args:
            state: Requests, as ``encode`` returned them.
            events: Newer events of R requests, by sequence; sequences that are not named get none.
            time: Moments of the requests in seconds, ``(R,)``. Default: those of before.

        Raises:
            ValueError: For an unknown sequence, events of another number of requests, or requests that share events.
        """
        if state.requests.request_of is not None:
            raise ValueError("Some of these requests share their events. Encode them one by one to extend them.")
        if strange := [name for name in events if name not in self.schema.sequences]:
            raise ValueError(unknown("There is no sequence", strange[0], self.schema.sequences, allowed="Sequences"))
        kept = dict(state.requests.sequences)
        for name, newer in events.items():
            if newer.offsets.shape != kept[name].offsets.shape:
                raise ValueError(
                    f"The new events of {name!r} are of {len(newer.offsets) - 1} requests, and the state holds "
                    f"{state.requests.num_samples}."
                )
            kept[name] = append_events(kept[name], newer, self.schema.sequences[name].max_length)
        moment = state.requests.time if time is None else time
        return self.encode(replace(state.requests, sequences=kept, time=moment))


def append_events(older: SequenceInput, newer: SequenceInput, max_length: int) -> SequenceInput:
    """Return the events of every request, the newer ones behind the older ones, at most the last ``max_length``."""
    parts = (older, newer)
    counts = [part.offsets.diff() for part in parts]
    row = torch.cat([torch.repeat_interleave(count) for count in counts])
    place = torch.cat([torch.arange(int(count.sum()), device=row.device) for count in counts])
    place[int(counts[0].sum()) :] += older.features[next(iter(older.features))].shape[0]
    order = row.argsort(stable=True)
    total = counts[0] + counts[1]
    ends = total.cumsum(0)
    from_end = torch.repeat_interleave(ends, total) - torch.arange(len(row), device=row.device)
    chosen = place.index_select(0, order)[from_end <= max_length]
    lengths = total.clamp(max=max_length)
    time = None if older.time is None or newer.time is None else torch.cat([older.time, newer.time])
    return SequenceInput(
        {name: torch.cat([older.features[name], newer.features[name]])[chosen] for name in older.features},
        torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]),
        max(1, int(lengths.max())) if len(lengths) else 1,
        None if time is None else time[chosen],
    )


def _places(candidates: Batch, num_samples: int, device: torch.device) -> Tensor | None:
    """Return the sample of the requests that each candidate belongs to; None where there is one for each."""
    given = candidates.request_of
    if given is None:
        if candidates.num_samples == num_samples:
            return None
        if num_samples == 1:
            return torch.zeros(candidates.num_samples, dtype=torch.int64, device=device)
    elif given.num_requests == num_samples:
        return given.index
    named = "no request_of" if given is None else f"a request_of of {given.num_requests} requests"
    raise ValueError(
        f"The state holds {num_samples} requests, and the {candidates.num_samples} candidates come with {named}. "
        f"Give RequestMap.from_index(index, {num_samples})."
    )


@contextmanager
def _scoring(model: nn.Module) -> Iterator[None]:
    """Compute without gradients and dropout, and leave the model in the mode that it was in."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)


def _check_names(given: Mapping[str, Any], needed: Any, what: str) -> None:
    if lacking := [name for name in needed if name not in given]:
        raise ValueError(f"The {what} lack {', '.join(lacking)}. Given: {', '.join(given) or 'none'}.")
