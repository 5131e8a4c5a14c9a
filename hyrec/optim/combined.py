"""Several optimizers that a trainer sees as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class CombinedOptimizer(Optimizer):
    """Step several optimizers together, so that Lightning's automatic optimization works with all of them.

    Accumulation, clipping, precision and schedules of the trainer then apply to sparse tables and dense layers
    alike. Its groups are the groups of the parts, in order.

    Args:
        optimizers: Optimizers by name, over disjoint parameters.
    """

    def __init__(self, optimizers: dict[str, Optimizer]) -> None:
        self.optimizers = optimizers
        self.skips_next = False
        super().__init__([p for o in optimizers.values() for g in o.param_groups for p in g["params"]], {})

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Groups of all parts; read anew each time, since loading a state replaces them."""
        return [group for optimizer in self.optimizers.values() for group in optimizer.param_groups]

    @param_groups.setter
    def param_groups(self, value: list[dict[str, Any]]) -> None:
        """Ignore what the base class sets: the parts own the groups."""

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Do nothing: the parts own the groups."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Evaluate the closure once, then step every part, unless ``skips_next`` was set since the last step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if self.skips_next:
            self.skips_next = False
            return loss
        for optimizer in self.optimizers.values():
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state of every part by name."""
        return {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load the state of every part; parts that differ from those that were saved are refused."""
        if set(state_dict) != set(self.optimizers):
            raise ValueError(
                f"This checkpoint holds the optimizers {sorted(state_dict)}, but the model now has "
                f"{sorted(self.optimizers)}: it was trained with other optimizer settings."
            )
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state_dict[name])
