"""Moments: how a day or date-time is written, and whether numbers can be moments in the unit that is said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy.typing as npt

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
"""Units of times by name: how many make a second."""
SINCE, UNTIL = 631_152_000, 4_102_444_800
"""1990 and 2100, in seconds since 1970: moments of a log lie between."""


def parse_iso(text: str) -> datetime | None:
    """Return a day (``20220503`` or ``2022-05-03``) or ISO date-time; None for any other text."""
    text = text.strip().replace("Z", "+00:00")
    if len(text) == 8 and text.isdigit():
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def misfit(times: npt.NDArray[Any], unit: str, where: str) -> tuple[str, str, bool]:
    """Say how many numbers are no moments between 1990 and 2100.

    Args:
        times: Moments in ``unit``.
        unit: Its name.
        where: What the message calls them.

    Returns:
        The finding, empty without any; the other unit that fits best, empty if none does; whether it fits most.
    """

    def inside(scale: int) -> int:
        return int(((times >= SINCE * scale) & (times < UNTIL * scale)).sum())

    outside = len(times) - inside(UNITS[unit])
    if not outside:
        return "", "", False
    fitting = {name: inside(scale) for name, scale in {**UNITS, "ns": 10**9}.items() if name != unit}
    best = max(fitting, key=lambda name: fitting[name])
    found = f"{where}: {outside:,} of {len(times):,} moments in {unit!r} lie outside 1990 to 2100"
    if not fitting[best]:
        return f"{found}; no other unit fits either", "", False
    return f"{found}; {fitting[best]:,} would lie inside in {best!r}", best, 2 * fitting[best] > len(times)
