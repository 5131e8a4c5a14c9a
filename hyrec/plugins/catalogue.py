"""The one catalogue of classes: what every name in a config can mean, by slot, and the installed plugins."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import hyrec.callbacks
import hyrec.components
import hyrec.data.parquet.data
import hyrec.data.simulated
import hyrec.metrics
from hyrec import __version__
from hyrec.config.diagnose import subclasses
from hyrec.config.shipped import load_mapping, shipped_configs
from hyrec.definition import read_docstring
from hyrec.messages import CommandError, suggest
from hyrec.plugins import discovery
from hyrec.plugins.discovery import Plugin
from hyrec.plugins.slot_table import SLOT_TABLE

_FOREIGN = ("lightning", "pytorch_lightning", "torchmetrics", "jsonargparse")


@dataclass(frozen=True)
class Entry:
    """A class that a config can name, its slot, and the package that it is from; of local code the module."""

    cls: type
    slot: str
    distribution: str
    version: str = ""

    @property
    def name(self) -> str:
        """Class name, as written in YAML."""
        return self.cls.__name__

    @property
    def path(self) -> str:
        """Import path."""
        return f"{self.cls.__module__}.{self.cls.__qualname__}"

    @property
    def source(self) -> str:
        """Distribution and version."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def package(self) -> str:
        """Top-level package that defines it."""
        return self.cls.__module__.split(".")[0]

    @property
    def facts(self) -> dict[str, Any]:
        """What is known about the class, as plain data."""
        cls: Any = self.cls
        return {
            "summary": read_docstring(cls).summary,
            "name": self.name,
            "slot": self.slot,
            "path": self.path,
            "paper": getattr(cls, "paper", ""),
            "tags": list(getattr(cls, "tags", ())),
            "status": getattr(cls, "status", "stable"),
            "distribution": self.distribution,
        }


@dataclass(frozen=True)
class Catalogue:
    """Everything that is installed or was loaded: classes sorted by slot and name, and plugins, broken ones too."""

    entries: tuple[Entry, ...]
    plugins: tuple[Plugin, ...]

    @classmethod
    def load(cls, local: Iterable[str] = ()) -> Catalogue:
        """Import hyrec's own classes, all plugins and local code: modules, files or folders, as for ``--plugin``."""
        for module in pkgutil.iter_modules(hyrec.callbacks.__path__):
            importlib.import_module(f"hyrec.callbacks.{module.name}")
        installed = discovery.load()
        brought_by = {plugin.package: (plugin.distribution, plugin.version) for plugin in installed}
        brought_by["hyrec"] = ("hyrec", __version__)
        for spec in local:
            discovery.load_local(spec)
        entries = []
        for name, slot in SLOT_TABLE.items():
            for found in filter(_is_importable, subclasses(slot.base_class())):
                package = found.__module__.split(".")[0]
                if package not in _FOREIGN:
                    entries.append(Entry(found, name, *brought_by.get(package, (package, ""))))
        return cls(tuple(entries), installed)

    def find(self, name: str) -> Entry | Plugin:
        """Return what a name means: a class by name or import path, else a plugin or the package that brings it."""
        found = [entry for entry in self.entries if name in (entry.name, entry.path)]
        if len(found) > 1:
            paths = " and ".join(f"{entry.path} ({entry.source})" for entry in found)
            raise CommandError(f"{name!r} names several classes: {paths}. Write one of these import paths.")
        if found:
            return found[0]
        for plugin in self.plugins:
            if _normal(name) in map(_normal, (plugin.distribution, plugin.name, plugin.package)):
                return plugin
        names = [entry.name for entry in self.entries] + [plugin.distribution for plugin in self.plugins]
        told = [f"There is no component or plugin {name!r}.{suggest(name, [*names, *SLOT_TABLE])}"]
        told += ["'hyrec plugins list --components' shows all; --plugin PATH adds local code.", *discovery.failures()]
        raise CommandError("\n".join(told))

    def of_package(self, package: str) -> list[Entry]:
        """Return the classes that a top-level package defines."""
        return [entry for entry in self.entries if entry.package == package]

    def of_slot(self, slot: str) -> list[Entry]:
        """Return the classes that fill a slot, by name."""
        return [entry for entry in self.entries if entry.slot == slot]

    def name_in_config(self, entry: Entry) -> str:
        """Return how a config names a class: the bare name, or the import path when two classes share it."""
        same = [other for other in self.entries if other.name == entry.name and other.slot == entry.slot]
        return entry.name if len(same) == 1 else entry.path


def options_of(cls: type) -> dict[str, inspect.Parameter]:
    """Return the options that a config gives a class, by name."""
    given = ("ctx", "schema")
    return {name: p for name, p in inspect.signature(cls).parameters.items() if name not in given}


def configs_of(package: str) -> list[str]:
    """Return the configs that a package ships, as ``pkg:package/file.yaml``; schemas and recipes are none."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return []
    return [name for name in shipped_configs(package) if {"model", "data", "trainer"} & set(_keys(name))]


def _is_importable(cls: type) -> bool:
    """Whether the import path of a class leads to it; a class that was refused lingers among the subclasses."""
    return getattr(sys.modules.get(cls.__module__), cls.__qualname__, None) is cls


def _keys(name: str) -> list[str]:
    try:
        return list(load_mapping(name))
    except CommandError:  # a package may ship YAML that is no mapping, hence no config
        return []


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
