"""Finds config files: plain paths, and files inside installed packages (``pkg:package/file.yaml``)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hyrec.mappings import read_mapping
from hyrec.messages import CommandError, listed, nearest, suggest

PREFIX = "pkg:"
SIMULATED = "pkg:hyrec/data/simulated.yaml"
"""The data of a run whose configs name none."""
_SHIPPED = {"config": "", "study": "ablations/", "sweep": "sweeps/"}
"""Folder of hyrec's configs in which a file that was not found may lie, by what it is."""


def shipped_folder(package: str) -> Path:
    """Return the folder of a package's config files; hyrec's own are found in a wheel and in a checkout alike.

    Raises:
        CommandError: When the package is not installed.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise CommandError(
            f"There is no installed package {package!r} in {PREFIX}{package}/...\n"
            "Install it, or write a plain path. 'hyrec plugins list' shows what is installed."
        )
    inside = Path(places[0]) / "configs"
    beside = Path(places[0]).parent / "configs"
    if not inside.is_dir() and package == "hyrec" and beside.is_dir():
        return beside
    return inside if inside.is_dir() else Path(places[0])


def shipped_configs(package: str = "hyrec") -> list[str]:
    """Return every config that a package ships, as ``pkg:package/file.yaml``."""
    folder = shipped_folder(package)
    return [f"{PREFIX}{package}/{p.relative_to(folder).as_posix()}" for p in sorted(folder.rglob("*.yaml"))]


def find_file(text: str, what: str = "config") -> Path:
    """Return the path of a file that is named by a path or by ``pkg:package/file``; messages call it ``what``.

    Raises:
        CommandError: When there is no such file, with the nearest right name.
    """
    if text.startswith(PREFIX):
        package, _, rest = text[len(PREFIX) :].partition("/")
        folder = shipped_folder(package)
        path = folder / rest
        if not path.resolve().is_relative_to(folder.resolve()):
            raise CommandError(f"{text!r} leads out of the package {package!r}. Write a plain path.")
        if path.is_file():
            return path
        known = shipped_configs(package)
        raise CommandError(
            f"The package {package!r} ships no {what} {rest!r}.{suggest(text, known)}\n" + listed(known, "It ships")
        )
    path = Path(text).expanduser()
    if path.is_file():
        return path
    kind = "is a folder, not a file" if path.is_dir() else "does not exist"
    raise CommandError(f"The {what} {text!r} {kind}.{_nearest(path, what)}")


def load_mapping(text: str, what: str = "config") -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Raises:
        CommandError: When the file is missing, is not YAML or is not a mapping.
    """
    return read_mapping(find_file(text, what), f"The {what} {text!r}", CommandError)


def _nearest(path: Path, what: str) -> str:
    """Return the file that was probably meant: a neighbour, or one that ships with hyrec."""
    neighbours = [str(p) for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    near = suggest(str(path), neighbours)
    if near or what not in _SHIPPED:
        return near
    start = f"{PREFIX}hyrec/{_SHIPPED[what]}"
    names = [name for name in shipped_configs() if name.startswith(start)]
    stems = {name.removeprefix(start).removesuffix(".yaml"): name for name in names}
    folders = (".", "configs", _SHIPPED[what].rstrip("/"))
    wanted = "/".join(part for part in path.with_suffix("").parts if part not in folders)
    if wanted in stems:
        return f" It ships with hyrec: write {stems[wanted]}"
    if close := nearest(wanted, stems):
        return f" Did you mean {stems[close]!r}?"
    return "\n" + listed([name for stem, name in stems.items() if "/" not in stem], "hyrec ships")
