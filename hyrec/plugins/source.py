"""Reads what a plugin's source declares, without importing it."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hyrec.plugins.slot_table import SLOT_TABLE

_FOLLOWED = ("hyrec", "lightning")
"""Packages whose sources are read to find what a class derives from."""
_SLOT_OF_BASE = {slot.base_name: name for name, slot in SLOT_TABLE.items()}


@dataclass(frozen=True)
class DeclaredClass:
    """A component as its source declares it; of ``tags`` only a literal is read."""

    name: str
    slot: str
    tags: tuple[str, ...] = ()


class _Definition(NamedTuple):
    """A class statement, and the import paths of the names in its file."""

    node: ast.ClassDef
    paths: Mapping[str, str]


def declared_classes(files: Iterable[Path]) -> list[DeclaredClass]:
    """Return the components that files of one package declare, found by base classes: hyrec's, and their own."""
    package = {name: found for file in files for name, found in _definitions(_parse(file)).items()}
    return [
        DeclaredClass(name, slot, _tags_of(definition.node))
        for name, definition in sorted(package.items())
        if not name.startswith("_") and (slot := _slot_of(definition, package))
    ]


def missing_imports(files: Iterable[Path], package: str) -> list[str]:
    """Return what is imported at the top of a package's files, is not installed and is not the package itself."""
    wanted = {path.split(".")[0] for file in files for path in _import_paths(_parse(file)).values()} - {package}
    known = wanted & (sys.stdlib_module_names | set(sys.modules))
    return sorted(name for name in wanted - known if importlib.util.find_spec(name) is None)


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def _definitions(module: ast.Module) -> dict[str, _Definition]:
    paths = _import_paths(module)
    return {node.name: _Definition(node, paths) for node in ast.walk(module) if isinstance(node, ast.ClassDef)}


def _import_paths(module: ast.Module) -> dict[str, str]:
    """Return what the imports at the top of a file stand for, by the names that they make."""
    paths = {}
    for node in module.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                paths[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            paths |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return paths


def _slot_of(definition: _Definition, package: Mapping[str, _Definition], below: tuple[_Definition, ...] = ()) -> str:
    lineage = (*below, definition)
    for base in definition.node.bases:
        first, dot, rest = ast.unparse(base).partition(".")
        path = definition.paths.get(first, first) + dot + rest
        name = path.rpartition(".")[2]
        if name in _SLOT_OF_BASE:
            return _SLOT_OF_BASE[name]
        parent = _followed(path) or package.get(name)
        if parent and parent not in lineage and (slot := _slot_of(parent, package, lineage)):
            return slot
    return ""


@functools.cache
def _followed(path: str) -> _Definition | None:
    """Return the class that an import path leads to, through modules that hand it on."""
    module, _, name = path.rpartition(".")
    package, *parts = module.split(".")
    spec = importlib.util.find_spec(package) if package in _FOLLOWED else None
    for folder in (spec and spec.submodule_search_locations) or []:
        stem = Path(folder, *parts)
        for file in (stem / "__init__.py", stem.with_suffix(".py")):
            if file.is_file():
                parsed = _parse(file)
                beside = _definitions(parsed)
                if name not in beside:
                    return _followed(_import_paths(parsed).get(name, ""))
                node, paths = beside[name]
                return _Definition(node, {**{other: f"{module}.{other}" for other in beside}, **paths})
    return None


def _tags_of(node: ast.ClassDef) -> tuple[str, ...]:
    for statement in node.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id="tags")], value=ast.Tuple(elts=items) | ast.List(elts=items))
                | ast.AnnAssign(target=ast.Name(id="tags"), value=ast.Tuple(elts=items) | ast.List(elts=items))
            ):
                return tuple(str(item.value) for item in items if isinstance(item, ast.Constant))
    return ()
