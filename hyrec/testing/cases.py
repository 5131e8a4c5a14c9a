"""Inputs of one forward call, what may be done to them, and what of an output is defined.

The operations are slow and obvious on purpose: a component is compared with itself on transformed inputs, so
what transforms them must be beyond doubt.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from collections.abc import Sequence as Rows
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils import _pytree as pytree

from hyrec.batch import RequestMap, Sequence, SequenceStates, Tokens
from hyrec.testing.batches import rows_of_requests
from hyrec.testing.setting import Setting

LENGTHS = (3, 1, 4, 2)
"""Events of each request in a case without empty sequences."""
LENGTHS_WITH_EMPTY = (3, 0, 4, 0)
"""Events of each request where some have none; the last one is empty, so that nothing follows it."""
REQUEST_OF = (2, 0, 0, 3, 1, 2, 2)
"""Request of each sample in a case with R < B; the samples of a request are not adjacent."""
REQUEST_SLOTS = ("queries", "decoder", "block", "backbone")
"""Slots that read rows of requests for samples; a loss is told of requests as well."""
SPARE_VALUE = 1e30
"""What spare rows are filled with: large enough to show in any sum, and finite."""


@dataclass
class Case:
    """The B samples and R requests of one forward call: tensors have a row a sample, a ``Sequence`` one a request."""

    args: tuple[Any, ...]
    num_samples: int
    num_requests: int

    @property
    def request_of(self) -> RequestMap | None:
        """The map from samples to requests, or None when R = B."""
        return next((arg for arg in self.args if isinstance(arg, RequestMap)), None)

    def map(
        self,
        tensor: Callable[[Tensor], Tensor] = lambda t: t,
        sequence: Callable[[Sequence], Sequence] | None = None,
        request_of: Callable[[RequestMap], RequestMap | None] = lambda r: r,
    ) -> Case:
        """Return a case with changed tensors of one row a sample, sequences (default: their values) and request map."""
        events = sequence or (lambda s: s.replace(tensor(s.values)))

        def changed(value: Any) -> Any:
            if isinstance(value, Sequence):
                return events(value)
            if isinstance(value, RequestMap):
                return request_of(value)
            return tensor(value) if isinstance(value, Tensor) else value

        whole = (Sequence, RequestMap)
        args = pytree.tree_map(changed, self.args, is_leaf=lambda value: isinstance(value, whole))
        return dataclasses.replace(self, args=args)

    def each(self, change: Callable[[Tensor], Tensor]) -> Case:
        """Return a case with every tensor changed, offsets, times and request maps too."""
        return dataclasses.replace(self, args=pytree.tree_map_only(Tensor, change, self.args))

    def fresh(self, dtype: torch.dtype | None = None) -> Case:
        """Return a deep copy, floats in another precision if asked; a component may spoil it unseen."""
        copy = self.each(lambda t: t.detach().clone())
        return copy.map(lambda t: t.to(dtype) if t.is_floating_point() else t) if dtype else copy

    def leaves(self) -> list[Tensor]:
        """Return every tensor of the arguments."""
        return [leaf for leaf in pytree.tree_leaves(self.args) if isinstance(leaf, Tensor)]

    def sequences(self) -> list[Sequence]:
        """Return every sequence of the arguments."""
        parts = pytree.tree_leaves(self.args, is_leaf=lambda value: isinstance(value, Sequence))
        return [part for part in parts if isinstance(part, Sequence)]

    def select(self, samples: Tensor) -> Case:
        """Return the chosen samples, each a request of its own; ``max_length`` stays an upper bound."""
        requests = samples if self.request_of is None else self.request_of.index[samples]
        case = self.map(lambda t: t[samples], lambda s: select_requests(s, requests), lambda r: None)
        return dataclasses.replace(case, num_samples=len(samples), num_requests=len(samples))

    def permute_samples(self, order: Tensor) -> Case:
        """Return the samples in another order; requests stay where they are."""
        return self.map(
            lambda t: t[order], lambda s: s, lambda r: RequestMap.from_index(r.index[order], self.num_requests)
        )

    def permute_requests(self, order: Tensor) -> Case:
        """Return the requests in another order; samples stay where they are."""
        requests = torch.argsort(order)
        return self.map(
            sequence=lambda s: select_requests(s, order),
            request_of=lambda r: RequestMap.from_index(requests[r.index], self.num_requests),
        )

    def by_sample(self, output: Any) -> Any:
        """Return an output; the events that a block returns are those of each sample, as its tokens are."""
        if self.request_of is None or not isinstance(output, tuple):
            return output
        index = self.request_of.index
        return tuple(select_requests(part, index) if isinstance(part, Sequence) else part for part in output)

    def pad(self) -> Case:
        """Return it with three spare rows of ``SPARE_VALUE`` behind the events and a larger ``max_length``."""

        def padded(s: Sequence) -> Sequence:
            total = int(s.offsets[-1])
            fill = min(SPARE_VALUE, torch.finfo(s.values.dtype).max / 4)
            values = F.pad(s.values[:total], (0, 0, 0, 3), value=fill)
            time = None if s.time is None else F.pad(s.time[:total], (0, 3), value=9e9)
            return Sequence(values, s.offsets, s.max_length + 1, time)

        return self.map(sequence=padded)


def select_requests(sequence: Sequence, requests: Tensor) -> Sequence:
    """Return the events of the chosen requests, without spare rows unless there is no event at all."""
    index, offsets = rows_of_requests(sequence.offsets, requests)
    time = None if sequence.time is None else sequence.time[index]
    return Sequence(sequence.values[index], offsets, sequence.max_length, time)


def defined(output: Any, rows: Tensor | None = None, path: str = "") -> dict[str, Tensor]:
    """Return everything of an output that means something, by path; ``rows`` picks samples, or requests of sequences.

    Of a ``Sequence`` that is events, times and lengths: spare rows, capacity and ``max_length`` mean nothing.
    """
    if isinstance(output, Tensor):
        return {path or "output": output if rows is None or not output.dim() else output[rows]}
    if isinstance(output, Sequence):
        every = torch.arange(output.num_requests, device=output.offsets.device)
        chosen = select_requests(output, every if rows is None else rows)
        total, rows = int(chosen.offsets[-1]), None
        output = {"values": chosen.values[:total], "lengths": chosen.lengths}
        output |= {} if chosen.time is None else {"time": chosen.time[:total]}
    elif isinstance(output, (SequenceStates, Tokens)):
        output = vars(output)
    elif isinstance(output, tuple):
        output = dict(enumerate(output))
    if not isinstance(output, dict):
        raise TypeError(f"{path or 'output'} is a {type(output).__name__}, which no slot returns.")
    found: dict[str, Tensor] = {}
    for name, item in output.items():
        found |= defined(item, rows, f"{path}.{name}" if path else str(name))
    return found


def draw_case(
    slot: str,
    setting: Setting,
    *,
    lengths: Rows[int] = LENGTHS,
    grouped: bool = False,
    dtype: torch.dtype = torch.float64,
    seed: int = 1,
) -> Case:
    """Draw inputs for a slot; ``lengths`` are the events of each request, which further sequences have rotated.

    ``grouped`` asks for R < B, for the slots that know requests.
    """
    ctx, num_requests = setting.context(slot), len(lengths)
    rng = torch.Generator().manual_seed(seed)
    shared = grouped and slot in (*REQUEST_SLOTS, "loss")
    requests = RequestMap.from_index(torch.tensor(REQUEST_OF), num_requests) if shared else None
    num_samples = num_requests if requests is None else len(requests.index)

    def draw(*shape: int) -> Tensor:
        return torch.randn(num_samples, *shape, generator=rng, dtype=torch.float64).to(dtype)

    def events(width: int, shift: int = 0) -> Sequence:
        sizes = torch.tensor(lengths).roll(-shift)
        rows = max(1, int(sizes.sum()))
        offsets = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        values = torch.randn(rows, width, generator=rng, dtype=torch.float64).to(dtype)
        time = 1.6e9 + torch.arange(rows, dtype=torch.float64) * 60
        return Sequence(values, offsets, max(1, int(sizes.max())), time)

    def all_events() -> dict[str, Sequence]:
        return {name: events(ctx.sequence_widths[name], i) for i, name in enumerate(schema.sequences)}

    def loss_inputs() -> tuple[Any, ...]:
        labels = {task: (draw() > 0).to(dtype) for task in schema.tasks}
        return {task: draw() for task in schema.tasks}, labels, draw().abs() + 0.1, requests

    def tokens(count: int) -> Tensor:
        """Draw the last tokens; those that no candidate has a part in are the same in all samples of a request."""
        drawn = draw(count, d)
        if requests is None:
            return drawn
        dependent_T = torch.tensor(ctx.candidate_dependent[ctx.num_tokens - count :])
        return torch.where(dependent_T.unsqueeze(1), drawn, requests.expand(requests.group(drawn)[:, 0]))

    d, schema = setting.d_model, setting.schema
    ns = tokens(ctx.num_ns_tokens)
    queries = {name: draw(count, d) for name, count in setting.num_queries.items()}
    draws: dict[str, Callable[[], tuple[Any, ...]]] = {
        "tokenizer": lambda: ({name: draw(width) for name, width in ctx.feature_widths.items()},),
        "encoder": lambda: (events(ctx.d_sequence),),
        "queries": lambda: (ns, all_events(), requests),
        "decoder": lambda: (queries[ctx.sequence], events(ctx.d_memory), requests),
        "mixer": lambda: (draw(ctx.num_tokens, d),),
        "block": lambda: (tokens(ctx.num_tokens), events(d), requests),
        "backbone": lambda: (queries, ns, all_events(), requests),
        "head": lambda: (Tokens(queries, ns, {name: draw(width) for name, width in ctx.feature_widths.items()}),),
        "loss": loss_inputs,
    }
    return Case(draws[slot](), num_samples, num_requests)
