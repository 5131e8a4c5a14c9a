"""Components that break rules about data."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hyrec.backbones import AlternatingBackbone
from hyrec.batch import RequestMap, Sequence, Tokens
from hyrec.context import BuildContext
from hyrec.functional import attention
from hyrec.slots import Component, Loss
from hyrec.testing.cases import select_requests

from .broken_components import breaks, decoder, encoder, mixer


@breaks("empty_sequences")
def that_divides_by_the_number_of_events() -> type[Component]:
    def forward(queries: Tensor, memory: Sequence, request_of: RequestMap | None) -> Tensor:
        filled = memory.padded().masked_fill(~memory.mask().unsqueeze(-1), 0.0)
        pooled = (filled.sum(dim=1) / memory.lengths.unsqueeze(1)).mean(dim=1)
        pooled = pooled if request_of is None else request_of.expand(pooled)
        return queries + pooled[:, None, None]

    return decoder(forward)


@breaks("padding")
def that_divides_by_the_longest_length() -> type[Component]:
    def forward(queries: Tensor, memory: Sequence, request_of: RequestMap | None) -> Tensor:
        filled = memory.padded().masked_fill(~memory.mask().unsqueeze(-1), 0.0)
        pooled = filled.mean(dim=(1, 2))
        pooled = pooled if request_of is None else request_of.expand(pooled)
        return queries + pooled[:, None, None]

    return decoder(forward)


@breaks("padding")
def that_counts_positions_from_the_padded_end() -> type[Component]:
    def forward(sequence: Sequence) -> Tensor:
        step = torch.arange(sequence.max_length, device=sequence.offsets.device) - sequence.max_length
        steps_RL = step.expand(sequence.num_requests, -1).unsqueeze(-1)
        return sequence.values + sequence.pack(steps_RL).to(sequence.values.dtype)

    return encoder(forward)


@breaks("sample_independence")
def that_normalises_over_the_batch() -> type[Component]:
    return mixer(lambda self, x: x - x.mean(dim=0))


@breaks("sample_independence")
def that_adds_the_place_in_the_batch() -> type[Component]:
    def forward(self: Any, x: Tensor) -> Tensor:
        return x + torch.arange(x.shape[0], device=x.device, dtype=x.dtype)[:, None, None]

    return mixer(forward)


@breaks("sample_order")
def whose_loss_depends_on_the_order() -> type[Component]:
    class OrderedLoss(Loss):
        """Weigh late samples more.

        Shape:
            logits, labels: ``{task: (B,)}``; returns scalars.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(
            self,
            logits: dict[str, Tensor],
            labels: dict[str, Tensor],
            weights: Tensor | None = None,
            request_of: RequestMap | None = None,
        ) -> tuple[Tensor, dict[str, Tensor]]:
            parts = {}
            for task, logit in logits.items():
                wide = torch.promote_types(logit.dtype, torch.float32)
                late = torch.arange(logit.shape[0], device=logit.device, dtype=wide)
                known = ~labels[task].isnan()
                target = labels[task].nan_to_num(0.0).to(wide)
                loss = nn.functional.binary_cross_entropy_with_logits(logit.to(wide), target, reduction="none")
                parts[task] = (loss * known * late).sum()
            return torch.stack(list(parts.values())).sum(), parts

    return OrderedLoss


@breaks("unknown_labels")
def whose_loss_takes_unknown_for_negative() -> type[Component]:
    class CarelessLoss(Loss):
        """Take unknown labels for zeros.

        Shape:
            logits, labels: ``{task: (B,)}``; returns scalars.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(
            self,
            logits: dict[str, Tensor],
            labels: dict[str, Tensor],
            weights: Tensor | None = None,
            request_of: RequestMap | None = None,
        ) -> tuple[Tensor, dict[str, Tensor]]:
            parts = {}
            for task, logit in logits.items():
                wide = torch.promote_types(logit.dtype, torch.float32)
                target = labels[task].nan_to_num(0.0).to(wide)
                parts[task] = nn.functional.binary_cross_entropy_with_logits(logit.to(wide), target)
            return torch.stack(list(parts.values())).sum(), parts

    return CarelessLoss


@breaks("request_expansion")
def that_takes_samples_for_requests() -> type[Component]:
    def forward(queries: Tensor, memory: Sequence, request_of: RequestMap | None) -> Tensor:
        pooled = memory.mean().mean(dim=1)
        if request_of is not None:
            rows = torch.arange(queries.shape[0], device=queries.device).clamp(max=len(pooled) - 1)
            pooled = pooled[rows]
        return queries + pooled[:, None, None]

    return decoder(forward)


@breaks("request_expansion")
def whose_candidates_see_each_other() -> type[Component]:
    def forward(queries: Tensor, memory: Sequence, request_of: RequestMap | None) -> Tensor:
        if request_of is None:
            return queries + attention(queries, queries, queries)
        grouped = request_of.group(queries).flatten(1, 2)
        read = attention(grouped, grouped, grouped).unflatten(1, (-1, queries.shape[1]))
        return queries + request_of.ungroup(read)

    return decoder(forward)


@breaks("candidate_independence")
def whose_encoders_see_the_queries() -> type[Component]:
    class LeakyBackbone(AlternatingBackbone):
        """Give each sample a copy of its sequences and add its queries to the events before they are encoded.

        Shape:
            As ``AlternatingBackbone``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__(ctx, num_layers=1)

        def forward(
            self,
            queries: dict[str, Tensor],
            ns: Tensor,
            sequences: dict[str, Sequence],
            request_of: RequestMap | None = None,
        ) -> Tokens:
            leaked = {}
            for name, sequence in sequences.items():
                own = sequence if request_of is None else select_requests(sequence, request_of.index)
                row = own.row_index().clamp(max=own.num_requests - 1)
                leaked[name] = own.replace(own.values + queries[name].mean(dim=(1, 2))[row].unsqueeze(1))
            return super().forward(queries, ns, leaked, None)

    return LeakyBackbone
