"""What ``hyrec fit`` is given for each variant of a study, and what each command line leads to, parsed once."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from hyrec.config.experiment import Experiment
from hyrec.config.parser import shortened
from hyrec.files import read_yaml
from hyrec.inspection import ModelCosts, model_costs, without_memory
from hyrec.messages import CommandError
from hyrec.studies.plan.study import Study, StudyError, Variant


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
        return bool(text) and read_yaml(text) == text
    except yaml.YAMLError:
        return False
