"""Parses what ``hyrec fit`` would be given for each variant of a study, all with one parser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning.pytorch.cli import ArgsType, LightningArgumentParser

from hyrec.cli.errors import CommandError
from hyrec.cli.lightning import HyrecCLI
from hyrec.cli.sources import read_sources
from hyrec.studies.study import Study, StudyError, Variant

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def arguments_of(study: Study, variant: Variant) -> tuple[str, ...]:
    """Return what follows ``hyrec fit`` for a variant: configs first, then options, the variant's last.

    Args:
        study: The study.
        variant: One of its variants.
    """
    configs = [f"--config={name}" for name in (*study.configs, *variant.configs)]
    return (*configs, *_options(study.options, variant.point, variant.options))


def base_arguments(study: Study, variant: Variant) -> tuple[str, ...]:
    """Return what follows ``hyrec fit`` for the base at the point of the grid that a variant stands on.

    Args:
        study: The study.
        variant: One of its variants.
    """
    configs = [f"--config={name}" for name in study.configs]
    return (*configs, *_options(study.options, variant.point))


def option(key: str, value: Any) -> str:
    """Return ``--key=value``, written so that it is read as the value that YAML had.

    Example:
        >>> option("model.encoder", {"class_path": "LongerEncoder"}), option("data.batch_size", 8)
        ('--model.encoder={"class_path": "LongerEncoder"}', '--data.batch_size=8')
    """
    text = value if isinstance(value, str) and _reads_as_itself(value) else json.dumps(value)
    return f"--{key}={text}"


class StudyParser(HyrecCLI):
    """The parser of ``hyrec fit`` on its own: it reads many command lines and builds nothing.

    Args:
        arguments: The first command line. What it names, such as plugins, is known to the parser.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        super().__init__(["fit", *arguments])

    def resolve(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Return every option that a command line leads to, defaults included, as plain mappings.

        Args:
            arguments: What follows ``hyrec fit``.

        Raises:
            CommandError: For anything on the command line or in a config that cannot be used.
        """
        self.sources = read_sources(list(arguments))
        parser = self._parser("fit")
        super().parse_arguments(parser, self.sources.args)
        text = parser.dump(self.config, skip_none=False, format="yaml", skip_validation=True)
        content: dict[str, Any] = yaml.load(text, Loader=_LOADER)
        return content

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parse nothing yet."""
        self.config = Namespace(subcommand="fit")  # type: ignore[no-untyped-call]

    def _parse_ckpt_path(self) -> None:
        """Read no checkpoint."""

    def before_instantiate_classes(self) -> None:
        """Leave loggers alone."""

    def instantiate_classes(self) -> None:
        """Build nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Run nothing."""

    def _set_seed(self) -> None:
        """Leave the random numbers of this process alone."""

    def _add_instantiators(self) -> None:
        """Leave out what puts the config into checkpoints."""


def resolve_all(commands: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Parse the command line of every variant, before the first one starts.

    Args:
        commands: Command line by what it is, such as ``variant no_pooling``.

    Returns:
        Resolved options under the same names. Equal command lines are parsed once.

    Raises:
        StudyError: For the first that cannot be used, with its name in front.
    """
    done: dict[tuple[str, ...], dict[str, Any]] = {}
    parser: StudyParser | None = None
    out = {}
    for what, arguments in commands.items():
        key = tuple(arguments)
        try:
            if key not in done:
                parser = parser or StudyParser(key)
                done[key] = parser.resolve(key)
        except (CommandError, ValueError) as error:
            raise StudyError(f"{what}: {error}") from error
        out[what] = done[key]
    return out


def _options(*layers: Mapping[str, Any]) -> list[str]:
    """Return each option once, at the place of the strongest layer that names it."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            merged.pop(key, None)
            merged[key] = value
    return [option(key, value) for key, value in merged.items()]


def _reads_as_itself(text: str) -> bool:
    try:
        return bool(text) and yaml.load(text, Loader=_LOADER) == text
    except yaml.YAMLError:
        return False
