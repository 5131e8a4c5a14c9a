"""Where to cut features that stand one behind another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence


def narrow_ends(widths: Sequence[int], count: int) -> list[int]:
    """Return where ``count`` pieces end, cut between features: the widest as narrow as it can be, then all as even.

    With fewer features than pieces every feature is cut out, and the one whose pieces are widest is cut once more until
    there are enough.
    """
    if count >= len(widths):
        cuts = [1] * len(widths)
        for _ in range(count - len(widths)):
            widest = max(range(len(widths)), key=lambda i: -(-widths[i] // cuts[i]))
            cuts[widest] += 1
        return [
            sum(widths[:i]) + width * (cut + 1) // cuts[i] for i, width in enumerate(widths) for cut in range(cuts[i])
        ]
    low, high = max(widths), sum(widths)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _num_filled(widths, middle) <= count else (middle + 1, high)
    return _even_ends([0, *itertools.accumulate(widths)], count, low)


def _num_filled(widths: Sequence[int], most: int) -> int:
    """Return how few pieces do, none of which is wider than ``most``: each is filled before the next begins."""
    pieces, filled = 1, 0
    for width in widths:
        pieces, filled = (pieces, filled + width) if filled + width <= most else (pieces + 1, width)
    return pieces


def _even_ends(bounds: Sequence[int], count: int, most: int) -> list[int]:
    """Return where ``count`` pieces end, none of which is wider than ``most``, whose squared widths sum to the least.

    Args:
        bounds: Where a piece may end: 0, and behind each feature.
        count: Number of pieces, each of one feature at least.
        most: Width of the widest.
    """
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}  # by bound: least sum up to there, and the ends
    for _ in range(count):
        longer: dict[int, tuple[int, list[int]]] = {}
        for first, (total, ends) in best.items():
            for last in range(first + 1, len(bounds)):
                width = bounds[last] - bounds[first]
                if width > most:
                    break
                found = (total + width * width, [*ends, bounds[last]])
                longer[last] = min(found, longer.get(last, found))
        best = longer
    return best[len(bounds) - 1][1]
