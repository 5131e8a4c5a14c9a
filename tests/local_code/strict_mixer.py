"""A mixer of somebody's own that refuses options, in a file that a test names with ``--plugin``."""

from torch import Tensor

from hyrec.slots import TokenMixer


class StrictMixer(TokenMixer):
    """Do nothing.

    Args:
        width: An even number.
    """

    def __init__(self, ctx, *, width: int = 2) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"width must be even, got {width}.")

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the tokens."""
        return tokens
