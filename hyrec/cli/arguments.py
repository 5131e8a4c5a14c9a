"""Option parser of the commands that are not LightningCLI's."""

from __future__ import annotations

import argparse
from typing import NoReturn

from hyrec.cli.errors import CommandError, listed
from hyrec.schema import suggest


class StrictParser(argparse.ArgumentParser):
    """An argparse parser that knows no abbreviations and raises a short message."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)  # type: ignore[arg-type, misc]

    def read(self, arguments: list[str]) -> argparse.Namespace:
        """Parse; an unknown option is named before a required one that is missing because of the typo.

        Args:
            arguments: Options and their values.

        Raises:
            CommandError: For anything that cannot be used.
        """
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        for argument in arguments:
            name = argument.partition("=")[0]
            if name.startswith("--") and name not in known:
                raise CommandError(
                    f"{self.prog} has no option {name!r}.{suggest(name, known)} {listed(known, 'Options')}"
                )
        return self.parse_args(arguments)

    def error(self, message: str) -> NoReturn:
        """Raise what was wrong."""
        raise CommandError(f"{self.prog}: {message}.")
