"""What is searched: the parameters of a sweep file of W&B."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hyrec.files import yaml_line

_BOUNDS = ("min", "max")
_KEYS: dict[str, tuple[str, ...]] = {
    "constant": ("value",),
    "categorical": ("values",),
    "uniform": _BOUNDS,
    "int_uniform": _BOUNDS,
    "log_uniform_values": _BOUNDS,
    "q_uniform": (*_BOUNDS, "q"),
}
"""What each distribution is given."""
_UNSET = object()


class SweepError(ValueError):
    """A sweep file that cannot be used: what was wrong, what is allowed, the nearest name."""


@dataclass(frozen=True)
class Parameter:
    """An option that is searched: one of some values, or a number of a range.

    Args:
        values: What it may be; empty for a range.
        low: Smallest value of a range.
        high: Largest.
        step: Distance of its values; None where all between are allowed.
        log: Whether the logarithm is spread evenly.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether it has one value only."""
        return len(self.values) == 1

    @property
    def examples(self) -> tuple[Any, ...]:
        """All its values, or the ends of the range."""
        return self.values or (self.low, self.high)

    @property
    def all_values(self) -> tuple[Any, ...]:
        """All its values; none for a range without steps."""
        if self.values or self.step is None:
            return self.values
        return tuple(self.stepped(number) for number in range(round((self.high - self.low) / self.step) + 1))

    def stepped(self, number: int) -> float:
        """Return a value of a range with steps."""
        return _clean(self.low + number * (self.step or 0))


@dataclass
class ParameterEntry:
    """A parameter as the file writes it."""

    distribution: (
        Literal["constant", "categorical", "uniform", "int_uniform", "log_uniform_values", "q_uniform"] | None
    ) = None
    value: Any = _UNSET
    values: Any = _UNSET
    min: Any = _UNSET
    max: Any = _UNSET
    q: Any = _UNSET

    def parameter(self, name: str, *, is_grid: bool) -> Parameter:
        """Return what it says.

        Raises:
            SweepError: When that is not understood, or no grid can be made of it.
        """
        place = f"parameters.{name}"
        has = [key for key in ("value", "values", *_BOUNDS, "q") if getattr(self, key) is not _UNSET]
        kind = self.distribution or _inferred(has, self, place)
        if over := [key for key in has if key not in _KEYS[kind]]:
            raise SweepError(f"{place}: {kind} takes {' and '.join(_KEYS[kind])}, not {over[0]!r}.")
        if missing := [key for key in _KEYS[kind] if key not in has and key != "q"]:
            raise SweepError(f"{place}: {kind} needs {' and '.join(missing)}.")
        if kind == "constant":
            return Parameter(name, (_plain(self.value, place),))
        if kind == "categorical":
            return _choice(name, self.values, place)
        if is_grid and kind not in ("int_uniform", "q_uniform"):
            raise SweepError(f"{place}: a grid needs 'values', or steps (int_uniform, q_uniform); {kind} has none.")
        return _range(name, kind, self, place)


def _inferred(has: Sequence[str], given: ParameterEntry, place: str) -> str:
    """Return the distribution that W&B would take."""
    if "value" in has or "values" in has:
        return "constant" if "value" in has else "categorical"
    if not set(_BOUNDS) <= set(has):
        raise SweepError(f"{place} needs 'value', 'values', or 'min' and 'max'.")
    bounds = [_number(given.min, f"{place}.min"), _number(given.max, f"{place}.max")]
    return "int_uniform" if all(isinstance(bound, int) for bound in bounds) else "uniform"


def _choice(name: str, values: Any, place: str) -> Parameter:
    if not isinstance(values, list) or not values:
        raise SweepError(f"{place}.values must be a list of values, as [32, 64], got {values!r}.")
    texts = [yaml_line(_plain(value, place)) for value in values]
    if twice := [text for text in texts if texts.count(text) > 1]:
        raise SweepError(f"{place}.values has {twice[0]} twice.")
    return Parameter(name, tuple(values))


def _range(name: str, kind: str, given: ParameterEntry, place: str) -> Parameter:
    low, high = _number(given.min, f"{place}.min"), _number(given.max, f"{place}.max")
    step: float | None = None
    if kind == "int_uniform":
        if not (isinstance(low, int) and isinstance(high, int)):
            raise SweepError(f"{place}: int_uniform needs whole numbers, got min {low} and max {high}.")
        step = 1
    if kind == "q_uniform":  # multiples of q, as with W&B
        step = 1.0 if given.q is _UNSET else _number(given.q, f"{place}.q")
        if step <= 0:
            raise SweepError(f"{place}.q must be above 0, got {step}.")
        low, high = math.ceil(_clean(low / step)) * step, math.floor(_clean(high / step)) * step
        low, high = _clean(low), _clean(high)
    if kind == "log_uniform_values" and low <= 0:
        raise SweepError(f"{place}.min must be above 0 for log_uniform_values, got {low}.")
    if low >= high:
        raise SweepError(f"{place}: no two values lie between min {given.min} and max {given.max}. One is a 'value'.")
    is_whole = kind == "int_uniform" or (kind == "q_uniform" and isinstance(step, int))
    return Parameter(name, (), *((low, high) if is_whole else (float(low), float(high))), step, kind.startswith("log"))


def _clean(value: float) -> float:
    """Return a number without the dust of binary fractions."""
    return value if isinstance(value, int) else float(f"{value:.12g}")


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        hint = " In YAML, 1e-3 is a text and 1.0e-3 a number." if isinstance(value, str) else ""
        raise SweepError(f"{place} must be a number, got {value!r}.{hint}")
    return value


def _plain(value: Any, place: str) -> Any:
    """Return a value that a command line can hold."""
    if not isinstance(value, (str, int, float, list, dict)):
        hint = " W&B's agent would write None, which hyrec fit reads as a text." if value is None else ""
        raise SweepError(f"{place}: {value!r} is no text, number, boolean, list or mapping. Put it in quotes.{hint}")
    return value
