"""Numbers as text: signs, intervals, ratios. A minus is a true minus sign."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeGuard

from hyrec.studies.analysis.statistics import Interval

MISSING = "–"
"""Stands for a number that does not exist."""


def fixed(value: float | None, digits: int = 4) -> str:
    """Write a number with a fixed number of digits after the point."""
    return f"{value:.{digits}f}".replace("-", "−") if _known(value) else MISSING


def signed(value: float | None, digits: int = 4) -> str:
    """Write a difference with its sign; zero has none."""
    if not _known(value):
        return MISSING
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def difference(value: float) -> str:
    """Write a difference with its sign, and with the digits that keep it from reading as zero."""
    return signed(value, digits_for(value))


def percent(value: float | None, digits: int = 2) -> str:
    """Write a relative change in per cent with its sign."""
    return f"{signed(100 * value, digits)} %" if _known(value) else MISSING


def digits_for(*values: float) -> int:
    """Return how many digits after the point, of four to six, keep small differences from reading as zero.

    Values that are zero or not finite do not count; nor does one that reads as zero at any of these.
    """
    known = [abs(value) for value in values if math.isfinite(value) and value]
    return min((4, 5, 6), key=lambda digits: sum(round(value, digits) == 0 for value in known))


def span(interval: Interval | None) -> str:
    """Write the ends of an interval, with more than four digits where an end beside zero would read as zero."""
    if interval is None or not interval.known:
        return MISSING
    digits = digits_for(interval.low, interval.high)
    return f"[{signed(interval.low, digits)}, {signed(interval.high, digits)}]"


def probability(value: float | None) -> str:
    """Write a p-value."""
    if not _known(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def times(ratio: float | None) -> str:
    """Write a ratio of costs."""
    return f"{ratio:.{2 if ratio < 10 else 1}f} ×" if _known(ratio) else MISSING


def between(low: float, high: float, write: Callable[[float], str] = fixed) -> str:
    """Write both ends of a range."""
    return f"{write(low)} to {write(high)}" if math.isfinite(low) and math.isfinite(high) else MISSING


def slug(name: str) -> str:
    """Return a name that is safe in paths and ids."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def listing(names: list[str]) -> str:
    """Join words as a sentence does."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
