"""A logger in a file of one's own."""

from lightning.pytorch.loggers.logger import DummyLogger


class FirstLogger(DummyLogger):
    """Logs nothing."""
