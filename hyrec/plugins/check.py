"""Checks classes against the contract of their slot, with options as a config would give them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser

from hyrec.config.diagnose import merge_options, wrong_option
from hyrec.config.parser import shortened
from hyrec.config.shipped import load_mapping
from hyrec.config.sources import read_sources
from hyrec.files import plain_value
from hyrec.messages import CommandError, listed, suggest
from hyrec.plugins.catalogue import Catalogue, Entry, configs_of, options_of
from hyrec.plugins.discovery import Plugin
from hyrec.schema import Schema
from hyrec.slots import SLOTS
from hyrec.testing import RuleResult, check_class, check_component, check_data, check_metric

NOT_CHECKED = {
    "data": "that the rows are the right ones, and sharding over processes and workers",
    "metric": "that the value is the right one, and that it is exact over several processes",
    "callback": "what it does during a run: try it with --trainer.fast_dev_run true",
}
"""What no rule can say, by slot; other slots: that the component computes what its docstring says."""


def check(
    catalogue: Catalogue, name: str, options: Sequence[str] = (), configs: Sequence[str] = ()
) -> dict[Entry, list[RuleResult]]:
    """Check a class, or all that a plugin brings, against the rules of its slot; return by class what they found.

    ``options`` are written ``[CLASS.]KEY=VALUE``. ``configs`` say which data to check a data class with; by default one
    that its package ships.
    """
    found = catalogue.find(name)
    entries = _brought(catalogue, found) if isinstance(found, Plugin) else [found]
    given = _by_class(options, entries)
    return {entry: _check(entry, given[entry.name], configs) for entry in entries}


def _check(entry: Entry, options: Mapping[str, Any], configs: Sequence[str]) -> list[RuleResult]:
    cls: Any = entry.cls
    if entry.slot == "data":
        schema, from_config = _data_of(entry, configs)
        init_args = _typed(cls, {**from_config, **options}) if schema or options else {}
        return check_data(cls, schema=schema, may_be_missing=not configs, raise_on_failure=False, **init_args)
    init_args = _typed(cls, options)
    if entry.slot in SLOTS:
        return check_component(cls, raise_on_failure=False, **init_args)
    return check_metric(cls, raise_on_failure=False, **init_args) if entry.slot == "metric" else check_class(cls)


def _brought(catalogue: Catalogue, plugin: Plugin) -> list[Entry]:
    """Return what a plugin brings, or say why it can bring nothing."""
    what = f"The plugin {plugin.name!r} ({plugin.distribution} {plugin.version})"
    if plugin.state != "enabled":
        raise CommandError(f"{what} is {plugin.state}{f': {plugin.error}' if plugin.error else ''}.")
    if plugin.clashes:
        raise CommandError(f"{what} clashes: {'; '.join(plugin.clashes)}.")
    modules = [module for name, module in sys.modules.items() if name.split(".")[0] == plugin.package]
    if lost := [cls.name for cls in plugin.classes if not any(hasattr(module, cls.name) for module in modules)]:
        raise CommandError(
            f"{what} declares {', '.join(lost)}, but importing {plugin.module!r} does not define it: import its module "
            f"in {plugin.module}/__init__.py, or no config finds it."
        )
    if entries := catalogue.of_package(plugin.package):
        return entries
    raise CommandError(f"{what} brings no component: import them in {plugin.module}/__init__.py.")


def _by_class(given: Sequence[str], entries: list[Entry]) -> dict[str, dict[str, Any]]:
    """Return the options of each class by its name."""
    read: dict[str, dict[str, Any]] = {entry.name: {} for entry in entries}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise CommandError(f"--option {text!r} is not KEY=VALUE, as in --option num_heads=2.")
        name, *rest = key.split(".")
        if not (name in read and rest):
            if len(entries) > 1:
                raise CommandError(
                    f"--option {text!r} must say of which class: write CLASS.{key}={value}."
                    f"{suggest(name, read)} {listed(read, 'Classes')}"
                )
            name, rest = entries[0].name, [name, *rest]
        tree = plain_value(value)
        for part in reversed(rest):
            tree = {part: tree}
        merge_options(read[name], tree)
    return read


def _typed(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check options against the type hints of a class, as a config's are, and return what its constructor gets."""
    if told := wrong_option(cls, options):
        raise CommandError(told)
    for name, option in options_of(cls).items():
        if name not in options and option.default is option.empty:
            raise CommandError(
                f"{cls.__name__} cannot be built without {name!r}: add --option {cls.__name__}.{name}=VALUE."
            )
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(cls, skip={"ctx", "schema"}, fail_untyped=False, instantiate=False)
    try:
        built = parser.instantiate(parser.parse_object(dict(options)))
    except ArgumentError as error:
        raise CommandError(f"{cls.__name__}: {shortened(str(error))}") from error
    return {name: built[name] for name in options}


def _data_of(entry: Entry, configs: Sequence[str]) -> tuple[Schema | None, dict[str, Any]]:
    """Return the schema and the options that configs give a data class; those it ships, when none are named."""
    if not configs and entry.package != "hyrec":
        configs = [name for name in configs_of(entry.package) if _data_class(load_mapping(name)) == entry.name][:1]
    if not configs:
        return None, {}
    sources = read_sources([f"--config={name}" for name in configs])
    schema = next((a.removeprefix("--schema=") for a in sources.args if a.startswith("--schema=")), "")
    merged: dict[str, Any] = {}
    for source in sources.trees:
        merge_options(merged, source.tree)
    if _data_class(merged) != entry.name:
        raise CommandError(f"{', '.join(configs)} names no data.class_path {entry.name}, but {_data_class(merged)!r}.")
    return Schema.from_dict(json.loads(schema)) if schema else None, dict(merged["data"].get("init_args") or {})


def _data_class(tree: Mapping[str, Any]) -> str:
    data = tree.get("data")
    path = data.get("class_path") if isinstance(data, dict) else data
    return str(path or "").rpartition(".")[2]
