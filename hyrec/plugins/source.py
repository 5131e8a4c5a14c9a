"""Reads what a plugin's source declares, without importing it."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SLOT_BASES = {
    "Tokenizer": "tokenizer",
    "SequenceEncoder": "encoder",
    "QueryGenerator": "queries",
    "QueryDecoder": "decoder",
    "TokenMixer": "mixer",
    "Backbone": "backbone",
    "Head": "head",
    "Loss": "loss",
    "RankingData": "data",
    "ParquetData": "data",
    "RankingMetric": "metric",
    "StoredScoresMetric": "metric",
    "LabelSumsMetric": "metric",
    "GroupAUC": "metric",
    "Callback": "callback",
}
"""Slot of a class by the name of its base class."""


@dataclass(frozen=True)
class DeclaredClass:
    """A component as its source declares it.

    Args:
        name: Class name.
        slot: Slot that it fills.
        tags: Its ``tags``, when written as a literal.
    """

    name: str
    slot: str
    tags: tuple[str, ...] = ()


def declared_classes(files: Iterable[Path]) -> list[DeclaredClass]:
    """Return the components that Python files declare, found by the names of their base classes.

    Args:
        files: Python files of one package.

    Raises:
        SyntaxError: When a file is not valid Python.
    """
    nodes = {node.name: node for file in files for node in ast.walk(_parse(file)) if isinstance(node, ast.ClassDef)}
    found = []
    for name, node in sorted(nodes.items()):
        slot = _slot_of(node, nodes, set())
        if slot and not name.startswith("_"):
            found.append(DeclaredClass(name, slot, _tags_of(node)))
    return found


def missing_imports(files: Iterable[Path], package: str) -> list[str]:
    """Return packages that are imported at the top of a file and are not installed.

    Args:
        files: Python files of one package.
        package: Name of that package, which need not be looked for.
    """
    wanted = {name for file in files for name in _top_imports(_parse(file))} - {package}
    return sorted(n for n in wanted if n not in sys.stdlib_module_names and not _is_installed(n))


def _is_installed(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None


def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def _top_imports(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]


def _slot_of(node: ast.ClassDef, nodes: dict[str, ast.ClassDef], seen: set[str]) -> str:
    seen.add(node.name)
    for base in node.bases:
        name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
        if name in SLOT_BASES:
            return SLOT_BASES[name]
        if name in nodes and name not in seen and (slot := _slot_of(nodes[name], nodes, seen)):
            return slot
    return ""


def _tags_of(node: ast.ClassDef) -> tuple[str, ...]:
    for statement in node.body:
        target: ast.expr | None = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        if isinstance(target, ast.Name) and target.id == "tags":
            value = statement.value  # type: ignore[attr-defined]
            items = value.elts if isinstance(value, (ast.Tuple, ast.List)) else []
            return tuple(str(i.value) for i in items if isinstance(i, ast.Constant))
    return ()
