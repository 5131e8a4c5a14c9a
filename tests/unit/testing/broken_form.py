"""Components that break rules about form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.slots import Component, Tokenizer, TokenMixer

from .broken_components import breaks, encoder, mixer


@breaks("docstring")
def without_a_shape_section() -> type[Component]:
    class Mixer(TokenMixer):
        """Leave the tokens as they are."""

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(self, tokens: Tensor) -> Tensor:
            return tokens

    return Mixer


@breaks("docstring")
def with_an_option_that_nothing_explains() -> type[Component]:
    class Mixer(TokenMixer):
        """Scale the tokens.

        Args:
            scale: Factor.

        Shape:
            tokens: ``(B, T, D)``.
        """

        def __init__(self, ctx: BuildContext, *, scale: float = 2.0, shift: float = 0.0) -> None:
            super().__init__()
            self.scale, self.shift = scale, shift

        def forward(self, tokens: Tensor) -> Tensor:
            return tokens * self.scale + self.shift

    return Mixer


@breaks("docstring")
def with_an_explanation_of_no_option() -> type[Component]:
    class Mixer(TokenMixer):
        """Leave the tokens as they are.

        Args:
            scale: Factor.

        Shape:
            tokens: ``(B, T, D)``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(self, tokens: Tensor) -> Tensor:
            return tokens

    return Mixer


@breaks("docstring")
def with_a_summary_of_two_sentences() -> type[Component]:
    class Mixer(TokenMixer):
        """Leave the tokens as they are. Do nothing else.

        Shape:
            tokens: ``(B, T, D)``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(self, tokens: Tensor) -> Tensor:
            return tokens

    return Mixer


@breaks("signature")
def with_another_argument_name() -> type[Component]:
    class Mixer(TokenMixer):
        """Leave the tokens as they are.

        Shape:
            x: ``(B, T, D)``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(self, x: Tensor) -> Tensor:
            return x

    return Mixer


@breaks("signature")
def with_a_positional_option_given_later() -> type[Component]:
    made = mixer(lambda self, x: x)

    def init(self: Any, ctx: BuildContext, scale: float = 1.0) -> None:
        TokenMixer.__init__(self)

    made.__init__ = init  # type: ignore[method-assign,assignment]
    made.__doc__ = "Scale.\n\nArgs:\n    scale: Factor.\n\nShape:\n    tokens: ``(B, T, D)``.\n"
    return made


@breaks("runs")
def that_fails_in_training() -> type[Component]:
    def forward(self: Any, x: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("no training here")
        return x

    return mixer(forward)


@breaks("shapes")
def with_a_wrong_published_width() -> type[Component]:
    return encoder(lambda sequence: sequence.values, extra_width=1)


@breaks("shapes")
def with_a_wrong_published_number_of_tokens() -> type[Component]:
    class Tokens_(Tokenizer):  # noqa: N801
        """Make one token and publish two.

        Shape:
            features: ``{name: (B, width)}``; returns ``(B, 1, D)``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()
            self.num_tokens = 2
            self.project = nn.Linear(sum(ctx.feature_widths.values()), ctx.d_model)

        def forward(self, features: dict[str, Tensor]) -> Tensor:
            return self.project(torch.cat(list(features.values()), dim=-1)).unsqueeze(1)

    return Tokens_


@breaks("state_dict")
def with_a_random_number_outside_the_state() -> type[Component]:
    def init(self: Any, ctx: BuildContext) -> None:
        self.scale = 1.0 + float(torch.rand(()))

    return mixer(lambda self, x: x * self.scale, init)


@breaks("reset_parameters")
def whose_parameter_is_set_in_the_constructor_only() -> type[Component]:
    def init(self: Any, ctx: BuildContext) -> None:
        self.scale_D = nn.Parameter(torch.ones(ctx.d_model))

    return mixer(lambda self, x: x * self.scale_D, init)


@breaks("reset_parameters")
def that_forgets_to_reset_in_the_constructor() -> type[Component]:
    class Mixer(TokenMixer):
        """Scale the tokens.

        Shape:
            tokens: ``(B, T, D)``.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()
            self.scale_D = nn.Parameter(torch.empty(ctx.d_model))
            # Unwritten memory often holds usable numbers; here it always does, so that the other rules pass.
            if not torch.are_deterministic_algorithms_enabled():
                nn.init.ones_(self.scale_D)

        def reset_parameters(self) -> None:
            nn.init.ones_(self.scale_D)

        def forward(self, tokens: Tensor) -> Tensor:
            return tokens * self.scale_D

    return Mixer
