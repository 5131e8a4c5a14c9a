"""A plugin whose component derives from a base of its own."""

from hyrec.slots import TokenMixer


class Base(TokenMixer):
    """Base."""

    def __init__(self, ctx):
        super().__init__()


class Swap(Base):
    """Swap."""

    tags = ("swap", "test")

    def forward(self, tokens):
        """Swap."""
        return tokens.flip(1)
