"""What is known about a figure that runs log: how it is called, which end is better, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar


class MetricFacts:
    """Facts of a logged figure, as class attributes that tables, checkpoints, statistics and reports read.

    Attributes:
        name: What it is called in tables and logs, without its split and its task.
        definition: What it is, as a phrase that a report prints.
        higher_is_better: Which end is better; None when neither is.
        best_value: Value that no model can beat; None when there is none.
        chance: Value of a random order; None when it depends on the data.
        needs_group: Whether it needs the group of every row.
    """

    name: str = ""
    definition: str = "as logged by the run"
    higher_is_better: bool | None = None
    best_value: float | None = None
    chance: float | None = None
    needs_group: bool = False

    @property
    def direction(self) -> int:
        """1 when larger is better, −1 when smaller is, and 0 when neither is or it is not known."""
        return 0 if self.higher_is_better is None else 1 if self.higher_is_better else -1

    @property
    def mode(self) -> Literal["max", "min"] | None:
        """The better end in Lightning's words."""
        return None if self.higher_is_better is None else "max" if self.higher_is_better else "min"


class LossFacts(MetricFacts):
    """Facts of ``val/loss`` and ``test/loss``."""

    name = "loss"
    definition = "the loss that was trained, on the test rows"
    higher_is_better = False
    best_value = 0.0


_Facts = TypeVar("_Facts", bound=MetricFacts)


def base_name(logged: str) -> str:
    """Return the name of a logged figure without its split and its task.

    Example:
        >>> base_name("val/like/auc")
        'auc'
    """
    return logged.rpartition("/")[2]


def facts_of(logged: str, metrics: Mapping[str, _Facts]) -> MetricFacts:
    """Return what is known about a logged figure; of one that only a callback knows, no more than its name.

    Args:
        logged: Its name; a split and a task before it are ignored.
        metrics: The metrics of the run by name.

    Example:
        >>> facts_of("val/loss", {}).mode, facts_of("test/mine", {}).direction
        ('min', 0)
    """
    name = base_name(logged)
    return LossFacts() if name == LossFacts.name else metrics.get(name) or MetricFacts()
