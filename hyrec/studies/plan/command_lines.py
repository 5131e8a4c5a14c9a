"""What ``hyrec fit`` is given for each variant of a study, and what each command line leads to, parsed once."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from hyrec.config.experiment import Experiment
from hyrec.config.parser import shortened
from hyrec.files import digest, read_yaml
from hyrec.inspection import ModelCosts, model_costs, without_memory
from hyrec.messages import CommandError
from hyrec.studies.plan.changes import flatten
from hyrec.studies.plan.study import Study, StudyError, Variant


def arguments_of(study: Study, variant: Variant) -> tuple[str, ...]:
    """Return what follows ``hyrec fit`` for a variant: configs first, then options, the strongest last.

    Args:
        study: The study.
        variant: One of its variants.
    """
    merged: dict[str, Any] = {}
    for layer in (study.options, variant.point, variant.options):
        for key, value in layer.items():
            merged.pop(key, None)  # an option stands at the place of the strongest layer that names it
            merged[key] = value
    configs = [f"--config={name}" for name in (*study.configs, *variant.configs)]
    return (*configs, *(option(key, value) for key, value in merged.items()))


def option(key: str, value: Any) -> str:
    """Return ``--key=value``, written so that it is read as the value that YAML had.

    Example:
        >>> option("model.encoder", {"class_path": "LongerEncoder"}), option("data.batch_size", 8)
        ('--model.encoder={"class_path": "LongerEncoder"}', '--data.batch_size=8')
    """
    try:
        plain = bool(value) and isinstance(value, str) and read_yaml(value) == value
    except yaml.YAMLError:
        plain = False
    return f"--{key}={value if plain else json.dumps(value)}"


@dataclass(frozen=True)
class CommandLine:
    """A command line of ``hyrec fit`` that has been parsed.

    Args:
        what: What it is of, such as ``variant no_pooling``; begins messages.
        experiment: What it asks for.
    """

    what: str
    experiment: Experiment

    @classmethod
    def parse(cls, what: str, arguments: Sequence[str]) -> CommandLine:
        """Parse what follows ``hyrec fit``.

        Raises:
            StudyError: When it cannot be used, with what it is of in front.
        """
        try:
            return cls(what, Experiment.parse(["fit", *arguments]))
        except (CommandError, ValueError) as error:
            raise StudyError(f"{what}: {error}") from error

    @functools.cached_property
    def options(self) -> dict[str, Any]:
        """Every option that it leads to, defaults included."""
        return self.experiment.options

    @functools.cached_property
    def flat(self) -> dict[str, Any]:
        """Its options by dotted key, as they will be read from a file."""
        flat: dict[str, Any] = json.loads(json.dumps(flatten(self.options), default=str))
        return flat

    @functools.cached_property
    def digest(self) -> str:
        """Hash of its options."""
        return digest(json.dumps(self.flat, sort_keys=True))

    @functools.cached_property
    def costs(self) -> ModelCosts:
        """What its model costs; the figures are those of ``hyrec inspect``.

        Raises:
            StudyError: When the model cannot be built.
        """
        try:
            return costs_at(self.experiment)
        except (CommandError, ValueError) as error:
            raise StudyError(f"{self.what}: {shortened(str(error))}") from error


def costs_at(experiment: Experiment, **changes: Any) -> ModelCosts:
    """Return what the model of an experiment costs, without allocating it.

    Args:
        experiment: The experiment.
        changes: Other options of its model, such as ``d_model=32``.

    Raises:
        ValueError: From a component that cannot be built with them.
    """
    with without_memory():
        model = experiment.model(**changes)
    return model_costs(model)
