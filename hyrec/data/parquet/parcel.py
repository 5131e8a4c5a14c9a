"""How a batch travels from a worker process: in few tensors, not one for each feature."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from hyrec.batch import Batch


@dataclass(frozen=True)
class Place:
    """Where a tensor lies in the flat tensor of its type."""

    flat: int
    start: int
    shape: tuple[int, ...]


@dataclass
class Parcel:
    """A batch whose features and sequences lie end to end in one flat tensor a type.

    Each tensor that leaves a worker takes a file descriptor and a memory map. What metrics keep (labels,
    groups, rows) stays in tensors of its own, so that keeping it does not keep the whole batch in memory.

    Args:
        flats: One tensor a type.
        batch: The batch, with a :class:`Place` for each tensor of its features and sequences.
    """

    flats: list[Tensor]
    batch: Batch

    def pin_memory(self) -> Parcel:
        """Return a copy in page-locked memory."""
        inputs, self.batch.features, self.batch.sequences = (
            (self.batch.features, self.batch.sequences),
            {},
            {},
        )
        batch = pytree.tree_map_only(Tensor, lambda tensor: tensor.pin_memory(), self.batch)
        batch.features, batch.sequences = self.batch.features, self.batch.sequences = inputs
        return Parcel([flat.pin_memory() for flat in self.flats], batch)


def pack(batch: Batch) -> Parcel:
    """Copy the features and sequences of a batch into one flat tensor a type."""
    leaves, spec = pytree.tree_flatten((batch.features, batch.sequences))
    parts: dict[torch.dtype, list[Tensor]] = {}
    used: dict[torch.dtype, int] = {}
    places: list[Any] = []
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            places.append(leaf)
            continue
        parts.setdefault(leaf.dtype, []).append(leaf.flatten())
        start = used.get(leaf.dtype, 0)
        places.append(Place(list(parts).index(leaf.dtype), start, tuple(leaf.shape)))
        used[leaf.dtype] = start + leaf.numel()
    features, sequences = pytree.tree_unflatten(places, spec)
    return Parcel(
        [torch.cat(tensors) for tensors in parts.values()],
        replace(batch, features=features, sequences=sequences),
    )


def unpack(parcel: Parcel) -> Batch:
    """Undo :func:`pack`, without a copy."""

    def view(leaf: Any) -> Any:
        if not isinstance(leaf, Place):
            return leaf
        size = 1
        for length in leaf.shape:
            size *= length
        return parcel.flats[leaf.flat].narrow(0, leaf.start, size).view(leaf.shape)

    features, sequences = pytree.tree_map(view, (parcel.batch.features, parcel.batch.sequences))
    return replace(parcel.batch, features=features, sequences=sequences)
