"""What components say beside their outputs: terms of the loss, and figures to log.

Whoever runs a model opens a recording around the forward pass and reads it afterwards. Without one nothing is kept, so
that a model that is only called, copied or counted holds no tensor of an earlier batch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass
class Recording:
    """What the components said in one forward pass.

    Example:
        >>> with recorded() as said:
        ...     note = recording()
        ...     note.add_loss(torch.tensor(0.5))
        ...     note.add_figure("experts/active", torch.tensor(0.25))
        >>> float(said.loss), {name: float(value) for name, value in said.figures().items()}
        (0.5, {'experts/active': 0.25})
        >>> recording() is None
        True
    """

    loss: Tensor | None = None
    _figures: dict[str, list[Tensor]] = field(default_factory=dict)

    def add_loss(self, term: Tensor) -> None:
        """Add a term to what training minimises; the loss that is logged and compared stays that of the tasks."""
        self.loss = term if self.loss is None else self.loss + term

    def add_figure(self, name: str, value: Tensor) -> None:
        """Add a figure; those of one name, of several layers say, are averaged."""
        self._figures.setdefault(name, []).append(value.detach())

    def figures(self) -> dict[str, Tensor]:
        """Return the figures by name."""
        return {name: torch.stack(values).mean() for name, values in self._figures.items()}


_OPEN: ContextVar[Recording | None] = ContextVar("hyrec_recording", default=None)


@contextlib.contextmanager
def recorded() -> Iterator[Recording]:
    """Record what components say inside."""
    said = Recording()
    token = _OPEN.set(said)
    try:
        yield said
    finally:
        _OPEN.reset(token)


def recording() -> Recording | None:
    """Return the open recording; None when nobody listens."""
    return _OPEN.get()
