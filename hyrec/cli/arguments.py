"""Option parsers of the commands: strict, short in what they say, and filled only when their command is asked for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from hyrec.messages import CommandError, listed, suggest, unknown


def demand(options: argparse.Namespace, **least: int) -> None:
    """Refuse numbers that are too small: ``demand(options, jobs=1)``. One that was not given is None.

    Raises:
        CommandError: For the first of them.
    """
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and value < bound:
            raise CommandError(f"--{name} must be at least {bound}, got {value}.")


class StrictParser(argparse.ArgumentParser):
    """An argparse parser that knows no abbreviations, raises a short message, and can wait with its options.

    Args:
        filled_by: ``module`` or ``module:function``, called with the parser when its options are first needed: it adds
            them and sets ``run``, which takes the options and returns the exit code. By default ``configure``. Empty:
            options are added by hand.
        kwargs: As for ``argparse.ArgumentParser``.
    """

    def __init__(self, *, filled_by: str = "", **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)
        self._filled_by = filled_by
        self.takes_more = False
        """Whether options that are not known belong to another parser."""
        self.lists: tuple[str, ...] = ()
        """Options that take a list, as ``0,1,2`` or with spaces."""

    def actions(self, what: str, actions: Mapping[str, tuple[str, str]]) -> None:
        """Add sub-commands: a line of help, and the ``module:function`` that fills the parser when it is asked for."""
        chosen = self.add_subparsers(title=f"{what}s", metavar=what.upper(), parser_class=StrictParser)
        for name, (filled_by, text) in actions.items():
            chosen.add_parser(name, help=text, description=text, filled_by=filled_by)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse; an unknown option is named before a required one that is missing because of the typo.

        Raises:
            CommandError: For anything that cannot be used.
        """
        if self._filled_by:
            (module, _, function), self._filled_by = self._filled_by.partition(":"), ""
            getattr(importlib.import_module(module), function or "configure")(self)
        self.set_defaults(takes_more=self.takes_more)
        given = self._joined(args or ())
        self._refuse_unknown(given)
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise what was wrong."""
        raise CommandError(f"{self.prog}: {message}.")

    def _joined(self, arguments: Sequence[str]) -> list[str]:
        """Join lists that are written with spaces, ``--seeds 0 1 2``, to one value."""
        joined: list[str] = []
        for argument in arguments:
            previous = joined[-2] if len(joined) > 1 else ""
            if previous in self.lists and not argument.startswith("-") and not argument.endswith((".yaml", ".yml")):
                joined[-1] += f",{argument}"
            else:
                joined.append(argument)
        return joined

    def _refuse_unknown(self, arguments: list[str]) -> None:
        groups = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        names = [name for group in groups for name in group.choices]
        if names and arguments and not arguments[0].startswith("-"):
            got = arguments[0]
            if got not in names:
                whole = self.prog == "hyrec"
                what = f"command {got!r}" if whole else f"{self.prog} {got}'".replace("hyrec", "'hyrec", 1)
                raise CommandError(
                    f"There is no {what}.{suggest(got, names)} {listed(names, 'Commands' if whole else 'Actions')}"
                )
            return  # what follows is the sub-command's
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        for argument in arguments:
            name = argument.partition("=")[0]
            others = self.takes_more and ("." in name or not suggest(name, set(known) - {"--help"}))
            if name.startswith("--") and name not in known and not others:
                raise CommandError(unknown(f"{self.prog} has no option", name, known, allowed="Options"))
