"""Plain-text tables for the terminal."""

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


def count(number: float) -> str:
    """Write a count in three digits with k, M, G or T.

    Example:
        >>> [count(n) for n in (7, 1234, 5_600_000)]
        ['7', '1.23 k', '5.6 M']
    """
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f}"
