"""Writes the files of a new plugin: a package that brings one component, with a config and a test."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template

from hyrec import __version__
from hyrec.messages import CommandError
from hyrec.plugins import discovery
from hyrec.plugins.slot_table import SLOT_TABLE

PREFIX = "hyrec-"
"""What the names of plugins start with by custom; it is no part of the class name."""
_HYREC = Path(__file__).parents[1]
_TEMPLATES = Path(__file__).parent / "templates"


def render(name: str, slot: str) -> dict[str, str]:
    """Return the files of a package by their paths, for the name of a distribution and the slot that it fills."""
    _check_name(name)
    package, entry, class_name = _package(name), _entry(name), _class_name(name, slot)
    if taken := next(_claims(package, entry, class_name), ""):
        raise CommandError(f"{taken} Choose another name than {name!r}.")
    commands, row = next_commands(name), SLOT_TABLE[slot]
    major, minor, *_ = __version__.split(".")
    values = {
        "distribution": name,
        "package": package,
        "entry": entry,
        "slot": slot,
        "class_name": class_name,
        "words": row.words,
        "hyrec_versions": f">={major}.{minor},<{major}.{int(minor) + 1}",
        "commands": "\n".join(commands),
        "fit": commands[-1],
        "in_config": row.in_config([f"class_path: {class_name}"]),
    }
    files = {}
    for folder in (_TEMPLATES / "package", _TEMPLATES / slot):
        for file in sorted(folder.rglob("*.tmpl")):
            path = file.relative_to(folder).as_posix().removesuffix(".tmpl")
            path = path.replace("PACKAGE", package).replace("ENTRY", entry)
            files[path] = Template(file.read_text(encoding="utf-8")).substitute(values)
    return files


def next_commands(name: str) -> list[str]:
    """Return what to run in the folder of a new package."""
    config = f"pkg:{_package(name)}/{_entry(name)}.yaml"
    use = f"hyrec fit --config pkg:hyrec/debug.yaml --config {config}"
    return ["python -m pip install --editable .", "python -m pytest", f"hyrec plugins check {name}", use]


def _check_name(name: str) -> None:
    """Refuse what is no name of a distribution whose package can be imported."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name):
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-").lstrip("0123456789-")
        hint = f" Did you mean {near!r}?" if near else ""
        raise CommandError(
            f"{name!r} is no name for a package: use lower-case letters, digits and hyphens, a letter first.{hint}"
        )
    if keyword.iskeyword(_package(name)) or _package(name) in sys.stdlib_module_names:
        raise CommandError(f"{name!r} is a name of Python itself. Did you mean {PREFIX + name!r}?")


def _claims(package: str, entry: str, class_name: str) -> Iterator[str]:
    """Say what installed packages, plugins and hyrec have of these names."""
    if importlib.util.find_spec(package) is not None:
        yield f"There is an installed package {package!r} already."
    for plugin in discovery.discover():
        if plugin.name == entry:
            yield f"There is a plugin {entry!r} already, of {plugin.distribution}."
        if any(cls.name == class_name for cls in plugin.classes):
            yield f"{plugin.distribution} has a {class_name!r} already."
    statement = re.compile(rf"^class {class_name}\b", re.MULTILINE)
    if any(statement.search(file.read_text(encoding="utf-8")) for file in _HYREC.rglob("*.py")):
        yield f"hyrec has a {class_name!r} already."


def _package(name: str) -> str:
    return name.replace("-", "_")


def _entry(name: str) -> str:
    return _package(name.removeprefix(PREFIX))


def _class_name(name: str, slot: str) -> str:
    """Return the class name: the words of the name without ``hyrec``, then what the slot's classes are called."""
    suffix = SLOT_TABLE[slot].suffix
    stem = "-".join(re.split(r"[-_]", name.removeprefix(PREFIX)))
    for ending in (suffix.lower(), slot):
        stem = stem.removesuffix(ending).rstrip("-")
    if not stem or name == PREFIX.rstrip("-"):
        raise CommandError(f"{name!r} does not say which {SLOT_TABLE[slot].words} it brings, as {PREFIX}gated does.")
    return "".join(word[0].upper() + word[1:] for word in stem.split("-")) + suffix
