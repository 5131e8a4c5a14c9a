"""Learning-rate schedule by the share of training, or of an epoch, that is done."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Literal

from lightning import Trainer


@dataclass(frozen=True)
class Schedule:
    """Warm up linearly, then follow a shape down to a floor; a factor on every optimizer's own learning rate.

    Args:
        warmup: Share of the steps (0 to 1) that the warm-up takes: of the first epoch's, or of all without restarts.
        shape: ``cosine`` decay or ``constant`` after the warm-up.
        floor: Factor at the end of the cosine.
        restart: ``epoch``: each epoch decays anew (warm restarts, SGDR, arXiv 1608.03983), so that the state after it
            is that of a run which ends there, and the best one may be any; only the first warms up. ``never``: one
            decay over the whole run.

    Raises:
        ValueError: When ``warmup`` or ``floor`` is outside 0 to 1.

    Example:
        >>> [round(Schedule(warmup=0.5, floor=0.0).factor(step, 4), 2) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
    """

    warmup: float = 0.05
    shape: Literal["cosine", "constant"] = "cosine"
    floor: float = 0.0
    restart: Literal["never", "epoch"] = "epoch"

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

    def over(self, epochs: Sequence[int]) -> Callable[[int], float]:
        """Return the factor as a function of the step alone, for epochs of so many steps."""
        if self.restart == "never":
            total = sum(epochs)
            return lambda step: self.factor(step, total)
        epochs, later = list(epochs) or [0], replace(self, warmup=0.0)
        starts = [0, *accumulate(epochs)][:-1]

        def factor(step: int) -> float:
            epoch = max(bisect_right(starts, step) - 1, 0)
            return (later if epoch else self).factor(step - starts[epoch], epochs[epoch])

        return factor


def planned_epochs(trainer: Trainer) -> list[int]:
    """Return how many optimizer steps each epoch of a run will have; the last may be cut short.

    Raises:
        ValueError: When nothing bounds the run.
    """
    counted = getattr(getattr(trainer, "datamodule", None), "epoch_batches", None)
    batches: list[int] = counted() if counted is not None else []
    if batches:
        limit = trainer.limit_train_batches
        batches = [min(count, limit) if isinstance(limit, int) else int(count * limit) for count in batches]
        steps = [-(-count // trainer.accumulate_grad_batches) for count in batches]
        total = sum(steps) if trainer.max_steps < 0 else min(sum(steps), trainer.max_steps)
    else:
        if math.isinf(trainer.estimated_stepping_batches):
            raise ValueError(
                "A schedule needs to know how long the run is: set trainer.max_epochs or trainer.max_steps. An "
                "EarlyStopping may end it before."
            )
        total = int(trainer.estimated_stepping_batches)
        if trainer.train_dataloader is None:  # not asked for yet by a run that only steps bound
            trainer.fit_loop.setup_data()
        batches_at_most = min(trainer.num_training_batches, total * trainer.accumulate_grad_batches)
        one = max(1, math.ceil(batches_at_most / trainer.accumulate_grad_batches))
        steps = [one] * -(-total // one)
    return _cut(steps, total)


def _cut(steps: list[int], total: int) -> list[int]:
    """Return the epochs of a run that ends after so many steps."""
    ends = list(accumulate(steps))
    return [min(one, total - end + one) for one, end in zip(steps, ends, strict=True) if total > end - one]
