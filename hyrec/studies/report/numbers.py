"""Numbers as text: signs, intervals, counts, durations. A minus is a true minus sign."""

from __future__ import annotations

import math

MISSING = "–"
"""Stands for a number that does not exist."""


def fixed(value: float | None, digits: int = 4) -> str:
    """Write a number with a fixed number of digits after the point.

    Example:
        >>> fixed(0.64891), fixed(None)
        ('0.6489', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:.{digits}f}".replace("-", "−")


def signed(value: float | None, digits: int = 4) -> str:
    """Write a difference with its sign; zero has none.

    Example:
        >>> signed(0.0012), signed(-0.0012), signed(0.00001)
        ('+0.0012', '−0.0012', '0.0000')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def percent(value: float | None, digits: int = 2) -> str:
    """Write a relative change in per cent with its sign.

    Example:
        >>> percent(0.0017), percent(-0.5, 0)
        ('+0.17 %', '−50 %')
    """
    return MISSING if value is None or not math.isfinite(value) else f"{signed(100 * value, digits)} %"


def digits_for(*values: float, least: int = 4, most: int = 6) -> int:
    """Return how many digits after the point keep small differences from reading as zero.

    Args:
        values: Differences, or ends of an interval; those that are zero or not finite do not count.
        least: Digits where these are enough.
        most: Digits at which it is given up.

    Example:
        >>> digits_for(0.0012), digits_for(0.0012, 0.00003), digits_for(0.0), digits_for(0.0012, 1e-9)
        (4, 5, 4, 4)
    """
    known = [abs(value) for value in values if math.isfinite(value) and value]
    return min(range(least, most + 1), key=lambda digits: (sum(round(value, digits) == 0 for value in known), digits))


def span(low: float | None, high: float | None, digits: int | None = None) -> str:
    """Write an interval.

    Args:
        low: Lower end.
        high: Upper end.
        digits: Digits after the point. None: four, and more where an end beside zero would read as zero.

    Example:
        >>> span(-0.001, 0.002), span(0.00002, 0.00011)
        ('[−0.0010, +0.0020]', '[+0.00002, +0.00011]')
    """
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return MISSING
    digits = digits_for(low, high) if digits is None else digits
    return f"[{signed(low, digits)}, {signed(high, digits)}]"


def short(value: float | None, digits: int = 3) -> str:
    """Write a count or a size in a few digits with k, M, G or T.

    Example:
        >>> short(1_555_713), short(25_500_000), short(7), short(0.25)
        ('1.56 M', '25.5 M', '7', '0.25')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor * 0.9995:
            return f"{value / factor:.{digits}g} {unit}".replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


def probability(value: float | None) -> str:
    """Write a p-value.

    Example:
        >>> probability(0.034), probability(0.00002), probability(None)
        ('0.034', '< 0.001', '–')
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """Write a time span in seconds, minutes or hours.

    Example:
        >>> duration(41.2), duration(130), duration(7300)
        ('41 s', '2 min 10 s', '2 h 2 min')
    """
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def times(ratio: float | None) -> str:
    """Write a ratio of costs.

    Example:
        >>> times(1.0), times(0.523), times(12.3)
        ('1.00 ×', '0.52 ×', '12.3 ×')
    """
    if ratio is None or not math.isfinite(ratio):
        return MISSING
    return f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:.1f} ×"


def listing(names: list[str]) -> str:
    """Join words as a sentence does.

    Example:
        >>> listing(["a", "b", "c"])
        'a, b and c'
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
