"""``hyrec plugins show``: what a component, a slot or a plugin is, and how a config names it."""

from __future__ import annotations

import argparse
import inspect
from typing import Any

import yaml

from hyrec.cli.arguments import StrictParser
from hyrec.docstring import Docstring
from hyrec.plain_text import table
from hyrec.plugins.catalogue import BASES, Catalogue, Entry, configs_of, options_of, plain
from hyrec.plugins.discovery import Plugin
from hyrec.slots import SLOTS

REQUIRED = "REQUIRED"
"""Stands in a snippet for a value that has no default."""


def configure(parser: StrictParser) -> None:
    """Add the options."""
    parser.description = "Show a component, a plugin, or what a slot demands."
    parser.add_argument("name", help="class, distribution or plugin, or a slot such as decoder")
    parser.add_argument("--plugin", action="append", default=[], help="local code to load: a file, folder or module")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run ``hyrec plugins show``.

    Args:
        options: Its options.
    """
    catalogue = Catalogue.load(options.plugin)
    slots = {**{slot: slot for slot in BASES}, **{base.__name__: slot for slot, base in BASES.items()}}
    if options.name in slots:
        print(_slot(catalogue, slots[options.name]))
        return 0
    found = catalogue.find(options.name)
    print(_plugin(catalogue, found) if isinstance(found, Plugin) else _component(catalogue, found))
    return 0


def snippet(catalogue: Catalogue, entry: Entry) -> str:
    """Return YAML that puts a class into a config, with every option at its default.

    Args:
        catalogue: Says whether the bare name is enough.
        entry: The class; a metric has no place in a config.
    """
    values = {
        name: REQUIRED if parameter.default is parameter.empty else plain(parameter.default)
        for name, parameter in options_of(entry.cls).items()
    }
    name = catalogue.name_in_config(entry)
    lines = [f"class_path: {name}"]
    options = [f"  {option}: {_flow(value)}" for option, value in values.items() if value is not None]
    lines += ["init_args:", *options] if options else []
    if entry.slot == "callback":
        return "\n".join(["trainer:", "  callbacks+:", f"    - {lines[0]}", *(f"      {line}" for line in lines[1:])])
    above = ["data:"] if entry.slot == "data" else ["model:", "  init_args:", f"    {entry.slot}:"]
    indent = "  " * len(above)
    return "\n".join([*above, *(f"{indent}{line}" for line in lines)])


def _component(catalogue: Catalogue, entry: Entry) -> str:
    doc = Docstring.of(entry.cls)
    about = [f"slot    {entry.slot}", f"from    {entry.source} ({entry.path})"]
    about += [f"paper   {entry.paper}"] if entry.paper else []
    about += [f"tags    {', '.join(entry.tags)}"] if entry.tags else []
    about += [f"status  {entry.status}"]
    parts = [f"{entry.name}\n" + "\n".join(f"  {line}" for line in about), doc.description, _options(entry, doc)]
    parts.append(_contract(entry.slot, doc))
    parts += [f"{name}\n{_indented(doc.sections[name])}" for name in ("Raises", "Example") if name in doc.sections]
    parts.append(_usage(catalogue, entry))
    return "\n\n".join(part for part in parts if part)


def _options(entry: Entry, doc: Docstring) -> str:
    lines = []
    for name, parameter in options_of(entry.cls).items():
        default = "  (required)" if parameter.default is parameter.empty else f" = {_flow(plain(parameter.default))}"
        lines += [f"  {name}: {_type(parameter.annotation)}{default}"]
        lines += [f"      {doc.options[name]}"] if doc.options.get(name) else []
    return "Options\n" + ("\n".join(lines) if lines else "  none")


def _contract(slot: str, doc: Docstring) -> str:
    """Return what goes in and comes out: the slot's signature, and what the class says of shapes."""
    if slot not in SLOTS:
        return ""
    text = doc.sections.get("Shape") or Docstring.of(SLOTS[slot]).sections.get("Shape", "")
    return f"Tensors\n  forward{_signature(SLOTS[slot])}\n{_indented(text)}"


def _usage(catalogue: Catalogue, entry: Entry) -> str:
    if entry.slot == "metric":
        use = f"In Python (a callback logs it)\n  from {entry.cls.__module__} import {entry.name}"
    else:
        note = "  # goes with schema, which says what the data is\n" if entry.slot == "data" else ""
        use = f"In YAML\n{note}{_indented(snippet(catalogue, entry))}"
    return f"{use}\n\nCheck\n  hyrec plugins check {catalogue.name_in_config(entry)}"


def _plugin(catalogue: Catalogue, plugin: Plugin) -> str:
    lines = [
        f"{plugin.distribution} {plugin.version}",
        f"  plugin  {plugin.name} = {plugin.module}",
        f"  state   {plugin.state}{f': {plugin.error}' if plugin.error else ''}",
        *(f"  clash   {clash}" for clash in plugin.clashes),
    ]
    entries = catalogue.of_plugin(plugin)
    rows = [[entry.slot, entry.name, Docstring.of(entry.cls).summary] for entry in entries]
    if plugin.state != "enabled":
        rows = [[cls.slot, cls.name, "(not imported)"] for cls in plugin.classes]
    parts = ["\n".join(lines)]
    parts += [table(["slot", "class", "what it is"], rows)] if rows else ["It brings no components."]
    configs = configs_of(plugin.module.split(":")[0].split(".")[0]) if plugin.state != "broken" else []
    parts += ["Configs\n" + "\n".join(f"  {name}" for name in configs)] if configs else []
    return "\n\n".join(parts)


def _slot(catalogue: Catalogue, slot: str) -> str:
    base = BASES[slot]
    doc = Docstring.of(base)
    rows = [[entry.name, entry.paper, entry.status, entry.source] for entry in catalogue.of_slot(slot)]
    parts = [f"{base.__name__}\n  slot    {slot}\n  from    {base.__module__}.{base.__name__}", doc.description]
    parts += ["Attributes\n" + _indented(doc.sections["Attributes"])] if "Attributes" in doc.sections else []
    parts.append(_contract(slot, doc))
    parts.append(table(["class", "paper", "status", "from"], rows))
    return "\n\n".join(part for part in parts if part)


def _signature(base: type) -> str:
    signature = inspect.signature(base.__dict__["forward"])
    return str(signature.replace(parameters=list(signature.parameters.values())[1:])).replace("'", "")


def _type(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _flow(value: Any) -> str:
    """Return a plain value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix("\n...").strip()


def _indented(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.splitlines())
