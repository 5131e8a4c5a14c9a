"""The switched-off mixer."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from hyrec.context import BuildContext
from hyrec.slots import TokenMixer


class IdentityMixer(TokenMixer):
    """Leave the tokens as they are (HyFormer without boosting).

    Shape:
        tokens: ``(B, T, D)``, returned as they are.
    """

    tags: ClassVar[tuple[str, ...]] = ("ablation",)

    def __init__(self, ctx: BuildContext) -> None:
        super().__init__()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens."""
        return tokens
