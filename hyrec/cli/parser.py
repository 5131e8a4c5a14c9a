"""LightningCLI's parser, strict about abbreviations and short about errors."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from hyrec.cli.errors import CommandError

_NOISE = re.compile(
    r"Does not validate against any|^Subtypes: |^Errors:|^- Expected a <class 'NoneType'>|^Given value|"
    r"^- Expected a path but|^Problem with given class_path|^Parser key \"(model|data|trainer)\":$"
)


class ParseError(CommandError):
    """What jsonargparse refused, in its own words."""


class HyrecParser(LightningArgumentParser):
    """A parser that raises instead of printing its usage, and knows no abbreviations.

    Args:
        args: As for ``LightningArgumentParser``.
        kwargs: As for ``LightningArgumentParser``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what was wrong; parsers of nested classes keep jsonargparse's way."""
        if not self.exit_on_error:
            super().error(message, ex)
        raise ParseError(message) from ex


def shortened(message: str) -> str:
    """Return the lines of a jsonargparse message that say something, at most four."""
    lines = [line.strip() for line in message.splitlines()]
    telling = [line.removeprefix("- ") for line in lines if line and not _NOISE.search(line)]
    return "\n".join(list(dict.fromkeys(telling))[:4]) or lines[0]
