"""Axes of charts: from values to places, with ticks at round numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from hyrec.studies.report.numbers import short


@dataclass(frozen=True)
class Axis:
    """Place values between two ends, linearly or by their logarithm.

    Args:
        low: Smallest value shown.
        high: Largest value shown; greater than ``low``.
        start: Place of ``low``, in the units of the drawing.
        end: Place of ``high``; smaller than ``start`` for an axis that points up.
        log: Whether equal ratios, not equal differences, are equally far apart.

    Raises:
        ValueError: Unless ``low < high``, and ``0 < low`` for a logarithmic axis.

    Example:
        >>> axis = Axis(0.0, 2.0, start=0, end=100)
        >>> axis(0.5), axis.ticks(4)
        (25.0, [0.0, 0.5, 1.0, 1.5, 2.0])
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            need = "0 < low < high" if self.log else "low < high"
            raise ValueError(f"An axis needs {need}: got low={self.low} and high={self.high}.")

    @classmethod
    def around(
        cls, values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = 0.06
    ) -> Axis:
        """Make an axis that shows all the values, with a margin (a share of their span) on both sides.

        Values that are not finite are left out; equal values, or none at all, get a span around them.
        """
        known = [math.log10(v) if log else v for v in values if math.isfinite(v) and (v > 0 or not log)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if high - low < 1e-12 * max(1.0, abs(low)):
            pad = 0.15 if log else abs(low) * 0.05 if abs(low) > 1e-6 else 0.5
        else:
            pad = (high - low) * margin
        low, high = low - pad, high + pad
        return cls(10**low, 10**high, start, end, log=True) if log else cls(low, high, start, end)

    def __call__(self, value: float) -> float:
        """Place of a value; values outside the axis are placed beyond its ends."""
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values on the axis, about ``count`` of them and never more than ``count + 1``."""
        if self.log:
            return self._log_ticks(count)
        return self._linear_ticks(count)

    def labels(self, ticks: list[float]) -> list[str]:
        """Write ticks with just as many digits as tell them apart."""
        if self.log or max(abs(self.low), abs(self.high)) >= 10_000:
            return next(names for names in (_short(ticks, n) for n in range(3, 17)) if len({*names}) == len(ticks))
        step = min((b - a for a, b in pairwise(ticks)), default=abs(self.high - self.low))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
            digits += 1
        return [f"{0.0 if abs(tick) < step / 1e6 else tick:.{digits}f}".replace("-", "−") for tick in ticks]

    def _linear_ticks(self, count: int) -> list[float]:
        power = 10.0 ** (math.floor(math.log10((self.high - self.low) / max(count, 1))) - 1)
        for step in (m * 10**e * power for e in range(4) for m in (1, 2, 2.5, 5)):
            first = math.ceil(self.low / step - 1e-9)
            last = math.floor(self.high / step + 1e-9)
            if last - first <= count:
                return [float(f"{i * step:.12g}") for i in range(first, last + 1)]
        raise AssertionError("a step of a thousand times the span has at most two ticks")

    def _log_ticks(self, count: int) -> list[float]:
        low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for mantissas in ((1, 1.5, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
            ticks = [m * 10.0**e for e in range(low, high + 1) for m in mantissas]
            ticks = [float(f"{t:.12g}") for t in ticks if self.low * (1 - 1e-9) <= t <= self.high * (1 + 1e-9)]
            if len(ticks) <= count + 1:
                return ticks if len(ticks) > 1 else self._linear_ticks(count)
        return ticks[:: math.ceil(len(ticks) / (count + 1))]


def _short(ticks: list[float], digits: int) -> list[str]:
    return [short(tick, digits) for tick in ticks]
