"""Finds and loads plugins: installed packages with an entry point in ``hyrec.plugins``, and local files.

Discovery reads metadata and source files and imports nothing, so listing plugins is fast and safe. A plugin
that cannot be imported is remembered with its error and never takes hyrec down.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hyrec.messages import suggest
from hyrec.plugins.source import DeclaredClass, declared_classes, missing_imports

GROUP = "hyrec.plugins"
DISABLE = "HYREC_DISABLE_PLUGINS"
State = Literal["enabled", "disabled", "broken"]


class PluginError(ValueError):
    """A plugin that was asked for by name or path and cannot be loaded."""


@dataclass(frozen=True)
class Plugin:
    """An installed plugin, known without importing it: its entry point, its package, what its source declares.

    It is ``disabled`` by ``HYREC_DISABLE_PLUGINS``, or ``broken`` by an ``error``. ``clashes`` are names that another
    installed package claims too, with that package.
    """

    name: str
    module: str
    distribution: str
    version: str
    state: State = "enabled"
    error: str = ""
    clashes: tuple[str, ...] = ()
    classes: tuple[DeclaredClass, ...] = field(default=(), repr=False)

    @property
    def package(self) -> str:
        """Top-level package that the entry point imports from."""
        return re.split("[.:]", self.module)[0]

    @property
    def slots(self) -> list[str]:
        """Slots that its components fill."""
        return sorted({cls.slot for cls in self.classes})

    @property
    def tags(self) -> list[str]:
        """Tags of its components."""
        return sorted({tag for cls in self.classes for tag in cls.tags})


def discover() -> list[Plugin]:
    """Return every installed plugin, sorted by name, without importing any."""
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
    found = []
    for entry in sorted(set(importlib.metadata.entry_points(group=GROUP)), key=lambda e: (e.name, e.value)):
        dist = entry.dist
        name, version = (dist.metadata["Name"], dist.version) if dist else ("unknown", "")
        plugin = Plugin(entry.name, entry.value, name, version)
        off = disabled & {"all", entry.name, name}
        found.append(replace(plugin, state="disabled") if off else _inspect(plugin))
    active = [plugin for plugin in found if plugin.state != "disabled"]
    return [replace(p, clashes=tuple(_clashes(p, active))) if p in active else p for p in found]


@functools.cache
def load() -> tuple[Plugin, ...]:
    """Import every enabled plugin and return all of them; what failed carries its error.

    Plugins are looked for once a process; ``load.cache_clear()`` lets the next call look again.
    """
    return tuple(map(_import, discover()))


def load_local(spec: str) -> str:
    """Import local code by module name, file or package folder, and return the name to store for later runs.

    The folder that holds a file or package joins ``sys.path``, so that worker processes find it too.
    """
    path = Path(spec).expanduser()
    is_path = path.suffix == ".py" or os.sep in spec or path.is_dir()
    if is_path:
        path = path.resolve()
        if not (path.is_file() or (path / "__init__.py").is_file()):
            siblings = [str(p) for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
            what = "is a folder without __init__.py" if path.is_dir() else "does not exist"
            raise PluginError(f"The plugin {spec!r} {what}.{suggest(str(path), siblings)}")
        if path.stem not in sys.modules:
            sys.path.append(str(path.parent))
            importlib.invalidate_caches()
    name = path.stem if is_path else spec
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a plugin is foreign code: anything may come out of it
        if isinstance(error, ModuleNotFoundError) and error.name and name.startswith(error.name):
            hint = suggest(name, [p.stem for p in Path.cwd().glob("*.py")])
            raise PluginError(f"The plugin {spec!r} is neither an importable module nor a path.{hint}") from error
        raise PluginError(f"The plugin {spec!r} cannot be imported: {_in_words(error)}") from error
    origin = getattr(module, "__file__", None)
    if is_path and (origin is None or Path(origin).resolve() not in (path, path / "__init__.py")):
        raise PluginError(
            f"The plugin {str(path)!r} has the name of another module, {name!r} ({origin or 'built in'}). Rename it."
        )
    return str(path) if is_path else spec


def failures() -> list[str]:
    """Return one line for each installed plugin that could not be loaded; for error messages."""
    return [f"The plugin {p.name!r} ({p.distribution}) is broken: {p.error}" for p in load() if p.state == "broken"]


def _inspect(plugin: Plugin) -> Plugin:
    """Read the plugin's source: what it declares, and what already shows that it cannot be imported."""
    try:
        spec = importlib.util.find_spec(plugin.package)
        if spec is None:
            return replace(plugin, state="broken", error=f"there is no module {plugin.package!r}")
        folders = spec.submodule_search_locations or ()
        files = [file for folder in folders for file in sorted(Path(folder).rglob("*.py"))]
        files = files or [Path(name) for name in [spec.origin or ""] if name.endswith(".py")]
        missing = missing_imports(files, plugin.package)
        plugin = replace(plugin, classes=tuple(declared_classes(files)))
        error = f"it imports {missing[0]!r}, which is not installed" if missing else ""
    except SyntaxError as wrong:
        error = f"SyntaxError: {wrong.msg} ({Path(wrong.filename or '?').name}, line {wrong.lineno})"
    except (OSError, ValueError, ImportError) as wrong:
        error = _in_words(wrong)
    return replace(plugin, state="broken", error=error) if error else plugin


def _import(plugin: Plugin) -> Plugin:
    if plugin.state == "disabled":
        return plugin
    try:
        importlib.metadata.EntryPoint(plugin.name, plugin.module, GROUP).load()
    except (Exception, SystemExit) as error:  # foreign code: anything may come out of it
        return replace(plugin, state="broken", error=_in_words(error))
    return replace(plugin, state="enabled", error="")


def _clashes(plugin: Plugin, active: list[Plugin]) -> Iterator[str]:
    others = [other for other in active if other is not plugin]
    if same := sorted({other.distribution for other in others if other.name == plugin.name}):
        yield f"plugin name {plugin.name!r} is also that of {', '.join(same)}"
    for cls in plugin.classes:
        owners = {p.distribution for p in others if any((cls.slot, cls.name) == (c.slot, c.name) for c in p.classes)}
        if owners := owners - {plugin.distribution}:
            yield f"{cls.slot} {cls.name!r} is also in {', '.join(sorted(owners))}; write its full import path"


def _in_words(error: BaseException) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
