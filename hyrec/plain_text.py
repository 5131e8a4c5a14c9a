"""Tables, counts and times as plain text."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Lay out rows under a header, two spaces between columns; those numbered in ``right`` are aligned to the right.

    Example:
        >>> print(table(["part", "size"], [["head", "8"], ["mixer", "12"]], right=[1]))
        part   size
        head      8
        mixer    12
    """
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    out = []
    for line in lines:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def count(number: float, digits: int = 3) -> str:
    """Write a count in a few digits with k, M, G or T.

    Example:
        >>> [count(n) for n in (7, 1234, 5_600_000, 999_900)]
        ['7', '1.23 k', '5.6 M', '1 M']
    """
    units = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
    factor, unit = next((u for u in units if abs(number) >= u[0] * 0.9995), (1.0, ""))
    return f"{number / factor:.{digits}g}{unit}".replace("-", "−")


def duration(seconds: float) -> str:
    """Write a time span, given in seconds, in seconds, minutes or hours.

    Example:
        >>> [duration(seconds) for seconds in (9.94, 59.6, 130, 3599.6, 86399)]
        ['9.9 s', '1 min', '2 min 10 s', '1 h', '24 h']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole, small, large = round(seconds), "s", "min"
    if whole < 60:
        return f"{whole} s"
    if whole >= 3600:
        whole, small, large = round(seconds / 60), "min", "h"
    return f"{whole // 60} {large} {whole % 60} {small}" if whole % 60 else f"{whole // 60} {large}"
