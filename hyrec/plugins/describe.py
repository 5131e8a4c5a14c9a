"""What a component, a slot or a plugin is, in words and in YAML."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import textwrap
from typing import Any

import yaml

from hyrec.definition import ClassDocstring, read_docstring
from hyrec.plain_text import table
from hyrec.plugins.catalogue import Catalogue, Entry, configs_of, options_of
from hyrec.plugins.discovery import Plugin
from hyrec.plugins.slot_table import SLOT_TABLE
from hyrec.slots import SLOTS

REQUIRED = "REQUIRED"
"""Stands in a snippet for a value that has no default."""


def describe(catalogue: Catalogue, name: str) -> str:
    """Return what a name means: a slot or its base class, a component, or a plugin."""
    for slot, row in SLOT_TABLE.items():
        if name in (slot, row.base_name):
            return _slot(catalogue, slot)
    found = catalogue.find(name)
    return _plugin(catalogue, found) if isinstance(found, Plugin) else _component(catalogue, found)


def snippet(catalogue: Catalogue, entry: Entry) -> str:
    """Return YAML that puts a class into a config, with every option at its default."""
    defaults = {name: option.default for name, option in options_of(entry.cls).items() if option.default is not None}
    options = [
        f"  {name}: {REQUIRED if value is _NONE else default_as_yaml(value)}" for name, value in defaults.items()
    ]
    chosen = [f"class_path: {catalogue.name_in_config(entry)}", *(["init_args:", *options] if options else [])]
    return SLOT_TABLE[entry.slot].in_config(chosen)


def _component(catalogue: Catalogue, entry: Entry) -> str:
    doc = read_docstring(entry.cls)
    facts = entry.facts | {"from": f"{entry.source} ({entry.path})", "tags": ", ".join(entry.facts["tags"])}
    about = {key: facts[key] for key in ("slot", "from", "paper", "tags", "status") if facts[key]}
    lines = [entry.name, *(f"  {key:<6}  {value}" for key, value in about.items())]
    parts = ["\n".join(lines), doc.description, _options(entry, doc), _contract(entry.slot, doc)]
    parts += [f"{name}\n{_indented(doc.sections[name])}" for name in ("Raises", "Example") if name in doc.sections]
    note = "  # goes with schema, which says what the data is\n" if entry.slot == "data" else ""
    parts.append(f"In YAML\n{note}{_indented(snippet(catalogue, entry))}")
    parts.append(f"Check\n  hyrec plugins check {catalogue.name_in_config(entry)}")
    return "\n\n".join(part for part in parts if part)


def _options(entry: Entry, doc: ClassDocstring) -> str:
    lines = []
    for name, option in options_of(entry.cls).items():
        default = "  (required)" if option.default is _NONE else f" = {default_as_yaml(option.default)}"
        hint = option.annotation
        lines.append(f"  {name}: {hint if isinstance(hint, str) else inspect.formatannotation(hint)}{default}")
        lines += [f"      {doc.options[name]}"] if doc.options.get(name) else []
    return "\n".join(["Options", *(lines or ["  none"])])


def _contract(slot: str, doc: ClassDocstring) -> str:
    """Return what goes in and comes out: the slot's signature, and what the class says of shapes."""
    if slot not in SLOTS:
        return ""
    base = SLOTS[slot]
    forward = inspect.signature(base.forward)
    forward = forward.replace(parameters=list(forward.parameters.values())[1:])
    text = doc.sections.get("Shape") or read_docstring(base).sections.get("Shape", "")
    return f"Tensors\n  forward{forward}".replace("'", "") + f"\n{_indented(text)}"


def _plugin(catalogue: Catalogue, plugin: Plugin) -> str:
    lines = [
        f"{plugin.distribution} {plugin.version}",
        f"  plugin  {plugin.name} = {plugin.module}",
        f"  state   {plugin.state}{f': {plugin.error}' if plugin.error else ''}",
        *(f"  clash   {clash}" for clash in plugin.clashes),
    ]
    rows = [[e.slot, e.name, e.facts["summary"]] for e in catalogue.of_package(plugin.package)]
    if plugin.state != "enabled":
        rows = [[cls.slot, cls.name, "(not imported)"] for cls in plugin.classes]
    parts = ["\n".join(lines), table(["slot", "class", "what it is"], rows) if rows else "It brings no components."]
    configs = configs_of(plugin.package) if plugin.state != "broken" else []
    parts += ["\n  ".join(["Configs", *configs])] if configs else []
    return "\n\n".join(parts)


def _slot(catalogue: Catalogue, slot: str) -> str:
    base = SLOT_TABLE[slot].base_class()
    doc = read_docstring(base)
    parts = [f"{base.__name__}\n  slot    {slot}\n  from    {base.__module__}.{base.__name__}", doc.description]
    parts += ["Attributes\n" + _indented(doc.sections["Attributes"])] if "Attributes" in doc.sections else []
    rows = [[e.name, e.facts["paper"], e.facts["status"], e.source] for e in catalogue.of_slot(slot)]
    parts += [_contract(slot, doc), table(["class", "paper", "status", "from"], rows)]
    return "\n\n".join(part for part in parts if part)


_NONE = inspect.Parameter.empty
_indented = functools.partial(textwrap.indent, prefix="  ")


def default_as_yaml(value: Any) -> str:
    """Return a default as YAML on one line."""
    plain = json.loads(json.dumps(value, default=_plain))
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000).strip().removesuffix("\n...").strip()


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value that it does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return vars(value)
    return list(value) if isinstance(value, (set, frozenset)) else str(value)
