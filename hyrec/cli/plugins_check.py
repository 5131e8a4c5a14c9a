"""``hyrec plugins check``: the contract of one component, or of everything that a plugin brings."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from hyrec.cli.arguments import StrictParser
from hyrec.config.diagnose import merge_options, wrong_option
from hyrec.config.parser import shortened
from hyrec.config.shipped import load_mapping
from hyrec.config.sources import read_sources
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


def configure(parser: StrictParser) -> None:
    """Add the options."""
    parser.description = "Check a component, or all that a plugin brings."
    parser.add_argument("name", help="class, distribution or plugin")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="[CLASS.]KEY=VALUE",
        help="option of the component, the value as in YAML; repeat for several",
    )
    parser.add_argument("--config", action="append", default=[], help="config that names the data to check with")
    parser.add_argument("--plugin", action="append", default=[], help="local code to load: a file, folder or module")
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run ``hyrec plugins check``.

    Args:
        options: Its options.

    Returns:
        0 when no rule is broken, 1 otherwise.
    """
    catalogue = Catalogue.load(options.plugin)
    found = catalogue.find(options.name)
    entries = _of_plugin(catalogue, found) if isinstance(found, Plugin) else [found]
    given = _read_options(options.option, entries)
    results = {entry: check(entry, given[entry.name], options.config) for entry in entries}
    if options.json:
        found_by_class = [
            {"class": entry.path, "slot": entry.slot, "results": [dataclasses.asdict(r) for r in rules]}
            for entry, rules in results.items()
        ]
        print(json.dumps(found_by_class, indent=1))
    else:
        print("\n\n".join([*(_report(entry, rules) for entry, rules in results.items()), _summary(results)]))
    return int(any(result.status == "failed" for rules in results.values() for result in rules))


def check(entry: Entry, options: Mapping[str, Any], configs: list[str]) -> list[RuleResult]:
    """Check one class against the rules of its slot.

    Args:
        entry: The class.
        options: Its options, as in YAML.
        configs: Configs that say which data to check a data class with. Empty: one that its package ships.

    Raises:
        CommandError: For options that the class does not take, or whose values do not fit.
    """
    cls: Any = entry.cls
    if entry.slot == "data":
        schema, from_config = _data_of(entry, configs)
        init_args = _typed(cls, {**from_config, **options}) if schema or options else {}
        return check_data(cls, schema=schema, may_be_missing=not configs, raise_on_failure=False, **init_args)
    init_args = _typed(cls, options)
    if entry.slot in SLOTS:
        return check_component(cls, raise_on_failure=False, **init_args)
    return check_metric(cls, raise_on_failure=False, **init_args) if entry.slot == "metric" else check_class(cls)


def _of_plugin(catalogue: Catalogue, plugin: Plugin) -> list[Entry]:
    """Return what a plugin brings, or say why it can bring nothing."""
    what = f"The plugin {plugin.name!r} ({plugin.distribution} {plugin.version})"
    if plugin.state != "enabled":
        raise CommandError(f"{what} is {plugin.state}{f': {plugin.error}' if plugin.error else ''}.")
    if plugin.clashes:
        raise CommandError(f"{what} clashes: {'; '.join(plugin.clashes)}.")
    entries = catalogue.of_plugin(plugin)
    package = plugin.module.split(":")[0].split(".")[0]
    if lost := [cls.name for cls in plugin.classes if not _is_defined(cls.name, package)]:
        raise CommandError(
            f"{what} declares {', '.join(lost)}, but importing {plugin.module!r} does not define it: import its module "
            f"in {plugin.module}/__init__.py, or no config finds it."
        )
    if not entries:
        raise CommandError(f"{what} brings no component: import them in {plugin.module}/__init__.py.")
    return entries


def _is_defined(name: str, package: str) -> bool:
    modules = [module for key, module in sys.modules.items() if key.split(".")[0] == package]
    return any(hasattr(module, name) for module in modules)


def _read_options(given: list[str], entries: list[Entry]) -> dict[str, dict[str, Any]]:
    """Return the options of each class by its name."""
    read: dict[str, dict[str, Any]] = {entry.name: {} for entry in entries}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise CommandError(f"--option {text!r} is not KEY=VALUE, as in --option num_heads=2.")
        first, *rest = key.split(".")
        if first in read and rest:
            name = first
        elif len(entries) == 1:
            name, rest = entries[0].name, [first, *rest]
        else:
            raise CommandError(
                f"--option {text!r} must say of which class: write CLASS.{key}={value}."
                f"{suggest(first, read)} {listed(read, 'Classes')}"
            )
        try:
            tree: Any = yaml.safe_load(value)
        except yaml.YAMLError:
            tree = value
        for part in reversed(rest):
            tree = {part: tree}
        merge_options(read[name], tree)
    return read


def _typed(cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Check options against the type hints of a class, as a config's are, and return what its constructor gets."""
    if told := wrong_option(cls, options):
        raise CommandError(told)
    for name, parameter in options_of(cls).items():
        if name not in options and parameter.default is parameter.empty:
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


def _data_of(entry: Entry, configs: list[str]) -> tuple[Schema | None, dict[str, Any]]:
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


def _report(entry: Entry, results: list[RuleResult]) -> str:
    width = max(len(result.rule) for result in results) + 2
    lines = [f"{entry.name} ({entry.slot}, from {entry.source})"]
    for result in results:
        mark = {"passed": "ok", "failed": "FAILED", "skipped": "skipped"}[result.status]
        lines.append(f"  {mark:<9}{result.rule:<{width}}expected  {result.expected}")
        if result.status != "passed":
            lines.append(f"  {'':<9}{'':<{width}}observed  {result.observed}")
    lines.append(f"  not checked: {NOT_CHECKED.get(entry.slot, 'that it computes what its docstring says')}")
    return "\n".join(lines)


def _summary(results: Mapping[Entry, list[RuleResult]]) -> str:
    every = [result.status for rules in results.values() for result in rules]
    counts = ", ".join(f"{every.count(status)} {status}" for status in ("passed", "failed", "skipped"))
    classes = f"{len(results)} class{'es' if len(results) > 1 else ''}"
    return f"{classes}, {len(every)} rules: {counts}."
