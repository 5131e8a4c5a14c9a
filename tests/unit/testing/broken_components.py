"""Makes deliberately broken components: at least one for every rule of the contract.

Classes are made by functions, so that they are subclasses of a slot's base only while a test holds them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from hyrec.batch import RequestMap, Sequence, SequenceStates
from hyrec.context import BuildContext
from hyrec.slots import Component, QueryDecoder, SequenceEncoder, TokenMixer

BROKEN: list[tuple[str, Callable[[], type[Component]]]] = []
"""Rule and the function that makes a class which breaks it."""


def breaks(rule: str) -> Callable[[Callable[[], type[Component]]], Callable[[], type[Component]]]:
    def add(make: Callable[[], type[Component]]) -> Callable[[], type[Component]]:
        BROKEN.append((rule, make))
        return make

    return add


def mixer(
    forward: Callable[[Any, Tensor], Tensor], init: Callable[[Any, BuildContext], None] | None = None
) -> type[TokenMixer]:
    class Mixer(TokenMixer):
        """Break one rule.

        Shape:
            tokens: ``(B, T, D)``; returns the same shape.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()
            if init:
                init(self, ctx)

        def forward(self, tokens: Tensor) -> Tensor:
            return forward(self, tokens)

    return Mixer


def encoder(forward: Callable[[Sequence], Tensor], extra_width: int = 0) -> type[SequenceEncoder]:
    class Encoder(SequenceEncoder):
        """Break one rule.

        Shape:
            sequence: packed; returned with the same width.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()
            self.d_sequence, self.d_memory = ctx.d_sequence, ctx.d_sequence + extra_width

        def forward(self, sequence: Sequence) -> SequenceStates:
            encoded = sequence.replace(forward(sequence))
            return SequenceStates(encoded, encoded)

    return Encoder


def decoder(forward: Callable[[Tensor, Sequence, RequestMap | None], Tensor]) -> type[QueryDecoder]:
    class Decoder(QueryDecoder):
        """Break one rule.

        Shape:
            queries: ``(B, Q, D)``; returns the same shape.
        """

        def __init__(self, ctx: BuildContext) -> None:
            super().__init__()

        def forward(self, queries: Tensor, memory: Sequence, request_of: RequestMap | None = None) -> Tensor:
            return forward(queries, memory, request_of)

    return Decoder
