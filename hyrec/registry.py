"""Which components exist in each slot.

It constructs nothing: jsonargparse builds components from the subclasses that are imported. ``hyrec plugins list``
also says where each comes from.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from hyrec.messages import suggest
from hyrec.slots import SLOTS, Component


def classes(slot: str) -> list[type[Component]]:
    """Return the concrete component classes of a slot that are imported, sorted by name.

    Raises:
        ValueError: For a slot that does not exist, with the nearest right name.
    """
    if slot not in SLOTS:
        raise ValueError(f"There is no slot {slot!r}.{suggest(slot, SLOTS)} Slots: {', '.join(SLOTS)}.")
    found = {cls for cls in _descendants(SLOTS[slot]) if not inspect.isabstract(cls)}
    return sorted(found, key=lambda cls: cls.__name__)


def _descendants(base: type[Component]) -> Iterator[type[Component]]:
    for cls in base.__subclasses__():
        yield cls
        yield from _descendants(cls)
