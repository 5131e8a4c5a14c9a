"""A mixer in a file of one's own."""

from hyrec.slots import TokenMixer


class ReverseMixer(TokenMixer):
    """Reverse the order of the tokens."""

    def __init__(self, ctx):
        super().__init__()

    def forward(self, tokens):
        """Reverse."""
        return tokens.flip(1)
