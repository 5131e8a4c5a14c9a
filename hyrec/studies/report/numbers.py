"""Numbers as text: signs, intervals, ratios. A minus is a true minus sign."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from hyrec.studies.analysis.statistics import Interval

MISSING = "–"
"""Stands for a number that does not exist."""


def fixed(value: float | None, digits: int = 4) -> str:
    """Write a number with a fixed number of digits after the point."""
    return _written(value, f".{digits}f")


def signed(value: float | None, digits: int = 4) -> str:
    """Write a difference with its sign; zero has none."""
    text = _written(value, f"+.{digits}f")
    return text[1:] if text.strip("+−0.") == "" else text


def difference(*values: float) -> str:
    """Write a difference, or both ends of an interval, with the four to six digits that keep it from reading as zero.

    Example:
        >>> difference(0.01234), difference(0.000012), difference(-0.01, 0.00002)
        ('+0.0123', '+0.00001', '[−0.01000, +0.00002]')
    """
    known = [abs(value) for value in values if math.isfinite(value) and value]
    digits = min((4, 5, 6), key=lambda digits: sum(round(value, digits) == 0 for value in known))
    ends = ", ".join(signed(value, digits) for value in values)
    return f"[{ends}]" if len(values) > 1 else ends


def span(interval: Interval | None) -> str:
    """Write the ends of an interval."""
    return MISSING if interval is None or not interval.known else difference(interval.low, interval.high)


def percent(value: float | None) -> str:
    """Write a relative change in per cent with its sign."""
    return MISSING if value is None or not math.isfinite(value) else f"{signed(100 * value, 2)} %"


def probability(value: float) -> str:
    """Write a p-value."""
    return "< 0.001" if value < 0.001 else _written(value, ".3f" if value < 0.1 else ".2f")


def times(ratio: float) -> str:
    """Write a ratio of costs."""
    return f"{_written(ratio, '.2f' if ratio < 10 else '.1f')} ×" if math.isfinite(ratio) else MISSING


def between(low: float, high: float, write: Callable[[float], str] = fixed) -> str:
    """Write both ends of a range."""
    return f"{write(low)} to {write(high)}" if math.isfinite(low) and math.isfinite(high) else MISSING


def slug(name: str) -> str:
    """Return a name that is safe in paths and ids."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


def listing(names: list[str]) -> str:
    """Join words as a sentence does."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _written(value: float | None, form: str) -> str:
    return MISSING if value is None or not math.isfinite(value) else format(value, form).replace("-", "−")
