"""Functions of installed packages that derive a column, for recipes: entry points in the group ``hyrec.derive``."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from typing import Any

from hyrec.plugins.discovery import DISABLE, PluginError

GROUP = "hyrec.derive"


def function_names() -> list[str]:
    """Return the names of all functions, without importing any."""
    return sorted(_entries())


def find_function(name: str) -> Callable[..., Any]:
    """Import a function.

    Raises:
        PluginError: When it cannot be imported, or is no function.
    """
    entry = _entries()[name]
    try:
        function = entry.load()
    except Exception as error:  # a plugin is foreign code: anything may come out of it
        raise PluginError(f"{entry.value} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise PluginError(f"{entry.value} is no function but a {type(function).__name__}")
    found: Callable[..., Any] = function
    return found


def _entries() -> dict[str, importlib.metadata.EntryPoint]:
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
    entries = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        names = {"all", entry.name, *([entry.dist.metadata["Name"]] if entry.dist else [])}
        if not names & disabled:
            entries[entry.name] = entry
    return entries
