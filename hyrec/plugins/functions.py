"""Functions of installed packages by entry point: ``hyrec.derive`` makes columns, ``hyrec.importers`` reads formats."""

from __future__ import annotations

import importlib.metadata
import os
from collections.abc import Callable
from typing import Any

from hyrec.plugins.discovery import DISABLE, PluginError

GROUP, IMPORTERS = "hyrec.derive", "hyrec.importers"


def function_names(group: str = GROUP) -> list[str]:
    """Return the names of all functions, without importing any."""
    return sorted(_entries(group))


def find_function(name: str, group: str = GROUP) -> Callable[..., Any]:
    """Import a function.

    Raises:
        PluginError: When it cannot be imported, or is no function.
    """
    entry = _entries(group)[name]
    try:
        function = entry.load()
    except Exception as error:  # a plugin is foreign code: anything may come out of it
        raise PluginError(f"{entry.value} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise PluginError(f"{entry.value} is no function but a {type(function).__name__}")
    found: Callable[..., Any] = function
    return found


def _entries(group: str) -> dict[str, importlib.metadata.EntryPoint]:
    disabled = {name.strip() for name in os.environ.get(DISABLE, "").split(",")}
    entries = {}
    for entry in importlib.metadata.entry_points(group=group):
        names = {"all", entry.name, *([entry.dist.metadata["Name"]] if entry.dist else [])}
        if not names & disabled:
            entries[entry.name] = entry
    return entries
