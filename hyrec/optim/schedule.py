"""Learning-rate schedule by the share of training that is done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lightning import Trainer


@dataclass(frozen=True)
class Schedule:
    """Warm up linearly, then follow a shape down to a floor; a factor on every optimizer's own learning rate.

    Args:
        warmup: Share of all steps (0 to 1) that the warm-up takes.
        shape: ``cosine`` decay or ``constant`` after the warm-up.
        floor: Factor at the end of the cosine.

    Raises:
        ValueError: When ``warmup`` or ``floor`` is outside 0 to 1.

    Example:
        >>> [round(Schedule(warmup=0.5, floor=0.0).factor(step, 4), 2) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """

    warmup: float = 0.05
    shape: Literal["cosine", "constant"] = "cosine"
    floor: float = 0.0

    def __post_init__(self) -> None:
        for name in ("warmup", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"schedule.{name} is a share from 0 to 1, got {getattr(self, name)}.")

    def factor(self, step: int, total: int) -> float:
        """Return the factor for optimizer step ``step`` (from 0) of ``total``."""
        warm = self.warmup * total
        if step < warm:
            return min(1.0, (step + 1) / warm)
        if self.shape == "constant":
            return 1.0
        done = min(1.0, (step - warm) / max(1.0, total - warm))
        return self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * done))

    def over(self, total: int) -> Callable[[int], float]:
        """Return the factor as a function of the step alone, for ``total`` steps."""
        return lambda step: self.factor(step, total)


def planned_steps(trainer: Trainer) -> int | float:
    """Return how many optimizer steps a run will take; infinite where nothing bounds it."""
    counted = getattr(getattr(trainer, "datamodule", None), "epoch_batches", None)
    batches: list[int] = counted() if counted is not None else []
    if not batches:
        return trainer.estimated_stepping_batches
    steps = sum(-(-count // trainer.accumulate_grad_batches) for count in batches)
    return steps if trainer.max_steps < 0 else min(steps, trainer.max_steps)
