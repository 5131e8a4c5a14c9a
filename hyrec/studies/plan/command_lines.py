"""What ``hyrec fit`` is given for each variant of a study, what that leads to, and in which options two differ."""

from __future__ import annotations

import functools
import importlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from hyrec.config.diagnose import merge_options
from hyrec.config.experiment import Experiment
from hyrec.config.parser import shortened
from hyrec.files import digest, read_yaml
from hyrec.inspection import ModelCosts, model_costs, without_memory
from hyrec.messages import CommandError
from hyrec.studies.plan.plan import Change
from hyrec.studies.plan.study import Study, StudyError, Variant
from hyrec.studies.plan.study_file import RESERVED

_LEFT_OUT = (*RESERVED, "output", "model.schema", "data.schema")
"""What is no difference: options that every cell has its own of, and copies of the schema."""
_CLASS = ".class_path"


def arguments_of(study: Study, variant: Variant) -> tuple[str, ...]:
    """Return what follows ``hyrec fit`` for a variant: configs first, then options, the strongest last."""
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
    """A command line of ``hyrec fit`` that has been parsed, and what it is of, such as ``variant no_pooling``."""

    what: str
    experiment: Experiment

    @classmethod
    def parse(cls, what: str, arguments: Sequence[str]) -> CommandLine:
        """Parse what follows ``hyrec fit``; ``StudyError``, with what it is of in front, when it cannot be used."""
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
        """What its model costs, as ``hyrec inspect`` says; ``StudyError`` when it cannot be built."""
        try:
            return costs_at(self.experiment)
        except (CommandError, ValueError) as error:
            raise StudyError(f"{self.what}: {shortened(str(error))}") from error


def costs_at(experiment: Experiment, **changes: Any) -> ModelCosts:
    """Return what the model of an experiment costs, without allocating it."""
    with without_memory():
        model = experiment.model(**changes)
    return model_costs(model)


def changes_between(
    base: Mapping[str, Any],
    variant: Mapping[str, Any],
    *,
    given: Iterable[Mapping[str, Any]] = (),
    named: Iterable[Mapping[str, Any]] = (),
) -> tuple[Change, ...]:
    """Return the differences of two resolved configs in the short spelling, in the order of the variant.

    A class that was replaced is one change, ``model.mixer: RankMixer -> SelfAttentionMixer``, followed by all
    arguments of the new class. Those that the base was given for the old class and that nobody wrote for the new
    one are carried: Lightning keeps arguments that both classes have.

    Args:
        base: Resolved options.
        variant: Resolved options.
        given: What the base's configs and options say, in order; decides what was given and not a default.
        named: What the variant's own configs and options say.
    """
    before, after = flatten(base), flatten(variant)
    in_base, in_variant = _keys_of(given), _keys_of(named)
    gone = [
        key.removesuffix(_CLASS)
        for key, new in after.items()
        if key.endswith(_CLASS) and new and before.get(key) not in (None, new)
    ]
    found = []
    for key in {**after, **before}:
        owner = next((place for place in reversed(gone) if key.startswith(f"{place}.") and key != place + _CLASS), None)
        old, new = before.get(key), after.get(key)
        if owner is not None and key not in after:
            continue  # an argument of the class that was replaced
        kept = owner is not None and key in before and old == new and key not in in_variant
        carried = kept and (key in in_base or new != _default(after[f"{owner}{_CLASS}"], key.removeprefix(f"{owner}.")))
        change = Change(key.removesuffix(_CLASS), _shown(key, old), _shown(key, new), carried)
        if carried or change.base != change.value:
            found.append(change)
    return tuple(found)


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys in the short spelling, without ``init_args``; lists and empty mappings are values.

    Example:
        >>> flatten({"model": {"class_path": "A", "init_args": {"d_model": 8}}})
        {'model.class_path': 'A', 'model.d_model': 8}
    """
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        place = prefix if key == "init_args" else f"{prefix}.{key}" if prefix else str(key)
        if place in _LEFT_OUT or place.endswith(".dict_kwargs"):
            continue
        flat |= flatten(value, place) if isinstance(value, Mapping) and value else {place: value}
    return flat


def _keys_of(trees: Iterable[Mapping[str, Any]]) -> set[str]:
    merged: dict[str, Any] = {}
    for tree in trees:
        merge_options(merged, tree)
    return set(flatten(merged))


def _default(class_path: str, argument: str) -> Any:
    """Return the default of a class's argument; its own object when there is none."""
    module, _, name = class_path.rpartition(".")
    parameters = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    return parameters[argument].default if argument in parameters else inspect.Parameter.empty


def _shown(key: str, value: Any) -> Any:
    return value.rpartition(".")[2] if key.endswith(_CLASS) and isinstance(value, str) else value
