"""Components that break rules about computing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hyrec.batch import Tokens
from hyrec.context import BuildContext
from hyrec.heads import MLPHead
from hyrec.slots import Component

from .broken_components import breaks, mixer


@breaks("deterministic")
def with_noise_in_evaluation() -> type[Component]:
    return mixer(lambda self, x: x * (1 + torch.rand((), dtype=x.dtype, device=x.device)))


@breaks("deterministic")
def that_counts_its_calls_in_evaluation() -> type[Component]:
    def init(self: Any, ctx: BuildContext) -> None:
        self.register_buffer("calls", torch.zeros(()))

    def forward(self: Any, x: Tensor) -> Tensor:
        self.calls += 1
        return x

    return mixer(forward, init)


@breaks("inputs_unchanged")
def that_works_in_place() -> type[Component]:
    return mixer(lambda self, x: x.mul_(2.0))


@breaks("dtype")
def that_always_returns_float32() -> type[Component]:
    return mixer(lambda self, x: x.float())


@breaks("device")
def that_creates_a_tensor_on_the_cpu() -> type[Component]:
    return mixer(lambda self, x: x + torch.ones(x.shape[-1], dtype=x.dtype))


@breaks("device")
def that_indexes_with_a_tensor_on_the_cpu() -> type[Component]:
    return mixer(lambda self, x: x[:, torch.arange(x.shape[1])])


@breaks("device")
def that_returns_a_tensor_on_the_cpu() -> type[Component]:
    return mixer(lambda self, x: torch.zeros(x.shape, dtype=x.dtype))


@breaks("every_gradient")
def with_a_parameter_that_nothing_uses() -> type[Component]:
    def init(self: Any, ctx: BuildContext) -> None:
        self.unused = nn.Linear(ctx.d_model, ctx.d_model)

    return mixer(lambda self, x: x, init)


@breaks("every_gradient")
def with_a_parameter_behind_a_detach() -> type[Component]:
    def init(self: Any, ctx: BuildContext) -> None:
        self.cut = nn.Linear(ctx.d_model, ctx.d_model)

    return mixer(lambda self, x: x + self.cut(x).detach(), init)


@breaks("bf16_autocast")
def that_loses_precision_in_bf16() -> type[Component]:
    def init(self: Any, ctx: BuildContext) -> None:
        self.project = nn.Linear(ctx.d_model, ctx.d_model)

    return mixer(lambda self, x: self.project(x) + 1000.0 - 1000.0, init)


@breaks("bf16_autocast")
def whose_logits_follow_autocast() -> type[Component]:
    class NarrowHead(MLPHead):
        """Score with the precision of autocast.

        Shape:
            tokens: ``Tokens``; returns ``{task: (B,)}``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__(ctx)
            self.last = nn.ModuleDict({task: nn.Linear(1, 1) for task in self.towers})

        def forward(self, tokens: Tokens) -> dict[str, Tensor]:
            logits = super().forward(tokens)
            return {task: self.last[task](logit.unsqueeze(-1)).squeeze(-1) for task, logit in logits.items()}

    return NarrowHead


@breaks("exports")
def that_branches_on_a_value() -> type[Component]:
    return mixer(lambda self, x: x if float(x.detach().abs().sum()) < 1e9 else x / 2)


@breaks("exports")
def that_branches_on_the_batch_size() -> type[Component]:
    return mixer(lambda self, x: x * 1.0 if x.shape[0] > 4 else 1.0 * x)


@breaks("exports")
def that_loops_over_the_batch() -> type[Component]:
    return mixer(lambda self, x: torch.stack([x[b] * 2 for b in range(x.shape[0])]))
