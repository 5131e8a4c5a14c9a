"""The width at which one architecture costs what another one does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from hyrec.inspection import ModelCosts
from hyrec.messages import suggest

_COSTS = {"flops": "flops_per_sample", "dense_parameters": "dense_parameters"}
_REACH = 16
"""How many times wider or narrower than the start a width may be."""
_NEIGHBOURS = 4
"""Allowed widths that are looked at on either side of the crossing, where the cost does not grow steadily."""
_NEAR = 0.25


@dataclass(frozen=True)
class Match:
    """The width whose costs come nearest to a target, and how near.

    Args:
        width: The width.
        costs: Costs at that width.
        deviations: Relative difference from the target by kind of cost; positive when it costs more.
        tolerances: Allowed size of each.
    """

    width: int
    costs: ModelCosts
    deviations: Mapping[str, float]
    tolerances: Mapping[str, float]

    @property
    def worst(self) -> float:
        """The largest deviation, in multiples of its tolerance."""
        return max(abs(off) / self.tolerances[kind] for kind, off in self.deviations.items())

    @property
    def within(self) -> bool:
        """Whether all deviations are allowed."""
        return self.worst <= 1.0

    @property
    def sufficient(self) -> dict[str, float]:
        """Tolerances that this width would satisfy, rounded up to a tenth of a percent."""
        return {k: max(self.tolerances[k], math.ceil(abs(off) * 1000) / 1000) for k, off in self.deviations.items()}

    def __str__(self) -> str:
        off = ", ".join(f"{kind} {value:+.1%}" for kind, value in self.deviations.items())
        if self.within:
            return f"width {self.width} ({off})"
        missed = f"No width matches within {_percent(self.tolerances)}: the nearest is {self.width} ({off})."
        if max(self.sufficient.values()) >= 1.0:
            return f"{missed} No tolerance below 100% would do."
        return f"{missed} {_percent(self.sufficient)} would do."


def solve_width(
    cost_of: Callable[[int], ModelCosts],
    target: ModelCosts,
    tolerances: Mapping[str, float],
    *,
    start: int,
    step: int = 1,
    allowed: Callable[[int], bool] = lambda width: True,
) -> Match:
    """Find the width whose costs come nearest to a target's.

    The nearest width has the smallest largest deviation, each deviation in multiples of its tolerance. It is found by
    bisection, for costs grow with the width; where that misses the tolerance, widths nearby are tried as well, for
    padding makes the growth uneven.

    Args:
        cost_of: Costs at a width; asked only for widths that are allowed.
        target: What is to be met.
        tolerances: Allowed relative deviation by kind of cost, ``flops`` and ``dense_parameters``. All must hold.
        start: Where the search begins; it ends at 16 times that, and at a sixteenth.
        step: Every width is a multiple of it.
        allowed: Whether a width can be built.

    Raises:
        ValueError: For tolerances that cannot be used, or when no width is allowed.

    Example:
        >>> def cost_of(width):
        ...     return ModelCosts(dense_parameters=width**2, sparse_parameters=0, flops_per_sample=8.0 * width)
        >>> print(solve_width(cost_of, ModelCosts(5000, 0, 1.0), {"dense_parameters": 0.02}, start=64))
        width 71 (dense_parameters +0.8%)
    """
    _check(target, tolerances, start, step)
    search = _Search(cost_of, target, dict(tolerances), start, step, allowed)
    low, high = search.bracket()
    found = search.bisect(low, high)
    return found if found.within else search.nearby(found.width)


def _percent(tolerances: Mapping[str, float]) -> str:
    return "{" + ", ".join(f"{kind}: {100 * value:g}%" for kind, value in tolerances.items()) + "}"


def _check(target: ModelCosts, tolerances: Mapping[str, float], start: int, step: int) -> None:
    if not tolerances:
        raise ValueError(f"Nothing to match: tolerances is empty. Kinds of cost: {', '.join(_COSTS)}.")
    for kind, tolerance in tolerances.items():
        if kind not in _COSTS:
            raise ValueError(f"{kind!r} cannot be matched.{suggest(kind, _COSTS)} Kinds of cost: {', '.join(_COSTS)}.")
        if not 0.0 < tolerance < 1.0:
            raise ValueError(f"The tolerance of {kind} must lie between 0 and 1, got {tolerance}; 2% is 0.02.")
        if getattr(target, _COSTS[kind]) <= 0:
            raise ValueError(f"The target's {kind} must be positive, got {getattr(target, _COSTS[kind])}.")
    if start < 1 or step < 1:
        raise ValueError(f"start and step must be at least 1, got {start} and {step}.")


@dataclass
class _Search:
    """Widths as multiples of the step, and what is known about them."""

    cost_of: Callable[[int], ModelCosts]
    target: ModelCosts
    tolerances: dict[str, float]
    start: int
    step: int
    allowed: Callable[[int], bool]
    known: dict[int, Match | None] = field(default_factory=dict)

    def bracket(self) -> tuple[int, int]:
        """Return two allowed multiples, the cheaper end and the dearer end; the same twice at the end of the reach."""
        first = self._settle(max(1, round(self.start / self.step)), *self._reach)
        if first is None:
            low, high = (i * self.step for i in self._reach)
            raise ValueError(f"No width from {low} to {high} in steps of {self.step} is allowed.")
        low = high = first
        while self._excess(high) < 0:
            further = self._settle(min(2 * high, self._reach[1]), high + 1, self._reach[1])
            if further is None:
                break
            low, high = high, further
        while self._excess(low) > 0:
            further = self._settle(max(low // 2, self._reach[0]), self._reach[0], low - 1)
            if further is None:
                break
            low, high = further, low
        return low, high

    def bisect(self, low: int, high: int) -> Match:
        """Return the nearer of the two neighbours between which the costs cross the target's."""
        while (middle := self._settle((low + high) // 2, low + 1, high - 1)) is not None:
            if self._excess(middle) < 0:
                low = middle
            else:
                high = middle
        return self._nearest([low, high])

    def nearby(self, width: int) -> Match:
        """Return the nearest of the allowed widths around one."""
        (low, high), center = self._reach, width // self.step
        reach = max(1, int(center * _NEAR))
        around = [center]
        for side in (range(center - 1, center - reach - 1, -1), range(center + 1, center + reach + 1)):
            fitting = (i for i in side if low <= i <= high and self._at(i) is not None)
            around += [i for i, _ in zip(fitting, range(_NEIGHBOURS), strict=False)]
        return self._nearest(around)

    @property
    def _reach(self) -> tuple[int, int]:
        return max(1, self.start // _REACH // self.step), max(1, self.start * _REACH // self.step)

    def _at(self, multiple: int) -> Match | None:
        """Return how near a width comes; None when it is not allowed."""
        if multiple not in self.known:
            width = multiple * self.step
            self.known[multiple] = self._measure(width) if self.allowed(width) else None
        return self.known[multiple]

    def _measure(self, width: int) -> Match:
        costs = self.cost_of(width)
        off = {k: getattr(costs, _COSTS[k]) / getattr(self.target, _COSTS[k]) - 1.0 for k in self.tolerances}
        return Match(width, costs, off, self.tolerances)

    def _excess(self, multiple: int) -> float:
        """Grows with the width, and is zero where the largest deviation is smallest."""
        match = self._at(multiple)
        assert match is not None
        ratios = [off / self.tolerances[kind] for kind, off in match.deviations.items()]
        return max(ratios) + min(ratios)

    def _settle(self, wanted: int, low: int, high: int) -> int | None:
        """Return the allowed multiple that is nearest to a wanted one, between two bounds."""
        return next((i for i in _outwards(wanted, low, high) if self._at(i) is not None), None)

    def _nearest(self, multiples: list[int]) -> Match:
        found = [match for i in multiples if (match := self._at(i)) is not None]
        return min(found, key=lambda match: (match.worst, abs(match.width - self.start), match.width))


def _outwards(wanted: int, low: int, high: int) -> Iterator[int]:
    for distance in range(max(wanted - low, high - wanted) + 1):
        for candidate in (wanted - distance, wanted + distance) if distance else (wanted,):
            if low <= candidate <= high:
                yield candidate
