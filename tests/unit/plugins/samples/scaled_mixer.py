"""A component with an option that must be given, and one that breaks the contract."""

import torch
from torch import Tensor, nn

from hyrec.context import BuildContext
from hyrec.slots import TokenMixer


class ScaledMixer(TokenMixer):
    """Scale the tokens by learned factors.

    Args:
        start: First value of the factors.
        names: Nothing but names.
        text: A default that YAML would read as a number.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    tags = ("local",)

    def __init__(self, ctx: BuildContext, *, start: float, names: tuple[str, ...] = (), text: str = "1.0") -> None:
        super().__init__()
        assert isinstance(names, tuple)
        self.start = start
        self.factor = nn.Parameter(torch.empty(ctx.d_model))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start with equal factors."""
        nn.init.constant_(self.factor, self.start)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scale."""
        return tokens * self.factor


class LeakyMixer(TokenMixer):
    """Subtract the mean over the batch.

    Shape:
        tokens: ``(B, T, D)``; returns the same shape.
    """

    def __init__(self, ctx: BuildContext) -> None:
        super().__init__()

    def forward(self, tokens: Tensor) -> Tensor:
        """Subtract."""
        return tokens - tokens.mean(dim=0)
