"""Describes components: what exists in each slot, where it comes from, and the nearest name to a typo.

It constructs nothing: jsonargparse builds components from the subclasses that are imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass

from hyrec.schema import suggest
from hyrec.slots import SLOTS, Component


@dataclass(frozen=True)
class ComponentInfo:
    """What is known about one component class.

    Args:
        name: Class name, as written in YAML.
        slot: Slot that it fills.
        path: Import path.
        summary: First sentence of its docstring.
        paper: Where it is specified.
        tags: Words to search by.
        status: ``stable`` or ``experimental``.
        distribution: Top-level package that defines it.
    """

    name: str
    slot: str
    path: str
    summary: str
    paper: str
    tags: tuple[str, ...]
    status: str
    distribution: str


def classes(slot: str) -> list[type[Component]]:
    """Return the concrete component classes of a slot that are imported, sorted by name.

    Raises:
        ValueError: For a slot that does not exist, with the nearest right name.
    """
    if slot not in SLOTS:
        raise ValueError(f"There is no slot {slot!r}.{suggest(slot, SLOTS)} Slots: {', '.join(SLOTS)}.")
    found = {cls for cls in _descendants(SLOTS[slot]) if not inspect.isabstract(cls)}
    return sorted(found, key=lambda cls: cls.__name__)


def components(slot: str | None = None) -> list[ComponentInfo]:
    """Describe the imported components of one slot, or of all."""
    return [describe(cls) for name in ([slot] if slot else SLOTS) for cls in classes(name)]


def describe(cls: type[Component]) -> ComponentInfo:
    """Collect what is known about one component class."""
    summary = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    return ComponentInfo(
        name=cls.__name__,
        slot=cls.slot,
        path=f"{cls.__module__}.{cls.__qualname__}",
        summary=summary,
        paper=cls.paper,
        tags=cls.tags,
        status=cls.status,
        distribution=cls.__module__.split(".")[0],
    )


def _descendants(base: type[Component]) -> Iterator[type[Component]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _descendants(cls)
