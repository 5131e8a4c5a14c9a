"""What happens to values that cannot be used as they are, and how often it happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

import torch.distributed

from hyrec.data.moments import UNITS
from hyrec.messages import suggest

Handled = tuple[str, str]
"""(column, reason): what was handled, and where."""


class DataError(ValueError):
    """Data that cannot be used; the message names file, row group, row and column where it can."""


REASONS = {
    "null": "null, read as missing (id 1, or NaN)",
    "null_list": "null list, read as an empty list or as missing",
    "negative": "negative id",
    "out_of_range": "id at or above vocab_size",
    "not_finite": "infinite or too large for float32, read as missing (NaN)",
    "null_time": "null event time, read as unknown (NaN)",
    "null_weight": "null weight of a weighted id, read as 0",
    "truncated": "entries cut because the lists of one sequence differ in length",
    "at_threshold": "label that equals the task's threshold, read as 0: only values above it are positive",
    "odd_time": "moment outside 1990 to 2100, in every unit",
    **{
        f"odd_time_{unit}": f"moment outside 1990 to 2100, which it would not be in {unit!r}" for unit in (*UNITS, "ns")
    },
    "null_label": "null label, read as unknown (NaN)",
    "null_id_column": "null id, -1 in the batch; predictions keep it null",
    "out_of_order": "event older than the one before it: does 'order' say how the file is written?",
    "not_before_impression": "event at or after its impression, kept: the label may leak into the history",
    "empty_file": "file without rows, skipped",
    "empty_request": "request without candidates, skipped",
}
"""Every reason that can be counted, in words."""

ORDINARY = frozenset({"null", "null_list", "null_time", "null_weight", "null_label", "null_id_column"})
"""Reasons that sound data has too: told in one line, while each of the others is a warning."""


@dataclass(frozen=True)
class Policies:
    """What to do with ids and lists that cannot be used as they are; nulls are always read as missing.

    Args:
        negative: Negative ids where there is a ``vocab_size``: read as missing, as out of vocabulary, or an
            error. With a ``hash_size`` every whole number of 64 bits is an id, the negative ones too.
        out_of_range: Ids at or above ``vocab_size``, after ``offset`` is added: out of vocabulary, or an
            error.
        unequal_lengths: Lists of one sequence (or ids and weights) that differ in length: an error, or cut
            all to the shortest. Events are aligned at the most recent one, ids and weights at the first.

    Raises:
        ValueError: For a policy that does not exist.
    """

    negative: Literal["missing", "oov", "error"] = "missing"
    out_of_range: Literal["oov", "error"] = "oov"
    unequal_lengths: Literal["error", "truncate"] = "error"

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            value, allowed = getattr(self, field.name), get_args(hints[field.name])
            if value not in allowed:
                raise ValueError(
                    f"There is no policy {field.name}={value!r}.{suggest(str(value), allowed)} "
                    f"Allowed: {', '.join(allowed)}."
                )


class PolicyCounts:
    """Count the values that a policy handled, by column and reason.

    Example:
        >>> counts = PolicyCounts()
        >>> counts.add({("price", "null"): 3})
        >>> print(counts.report())
        price: 3 x null, read as missing (id 1, or NaN)
    """

    def __init__(self) -> None:
        self._counts: Counter[Handled] = Counter()

    def add(self, handled: dict[Handled, int]) -> None:
        """Add counts of what was handled."""
        self._counts.update(handled)

    def as_dict(self) -> dict[Handled, int]:
        """Return ``{(column, reason): number of values}``."""
        return {key: count for key, count in self._counts.items() if count}

    def reset(self) -> None:
        """Forget everything."""
        self._counts.clear()

    def report(self) -> str:
        """Return a line for each column and reason, the most frequent reason of a column first."""
        lines = sorted(self.as_dict().items(), key=lambda item: (item[0][0], -item[1]))
        return "\n".join(f"{column}: {count:,} x {REASONS[reason]}" for (column, reason), count in lines)

    def parted(self) -> tuple[PolicyCounts, PolicyCounts]:
        """Return the ordinary counts, and those that may be a mistake in the data."""
        ordinary, suspicious = PolicyCounts(), PolicyCounts()
        for key, count in self.as_dict().items():
            (ordinary if key[1] in ORDINARY else suspicious).add({key: count})
        return ordinary, suspicious

    def summary(self) -> str:
        """Return one line: how many values in how many columns."""
        counted = self.as_dict()
        return f"{sum(counted.values()):,} nulls in columns: {', '.join(sorted({column for column, _ in counted}))}"

    def __bool__(self) -> bool:
        return any(self._counts.values())


def counted_together(counts: Mapping[str, PolicyCounts], world_size: int) -> dict[str, dict[Handled, int]]:
    """Return what policies handled in each split on all processes."""
    mine = {split: of_split.as_dict() for split, of_split in counts.items()}
    if world_size == 1 or not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return mine
    everyone: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(everyone, mine)
    totals = {split: PolicyCounts() for split in mine}
    for theirs in everyone:
        for split, handled in theirs.items():
            totals[split].add(handled)
    return {split: of_split.as_dict() for split, of_split in totals.items()}


def with_skipped(
    handled: Mapping[str, Mapping[Handled, int]], skipped: Mapping[str, Mapping[Handled, int]]
) -> dict[str, PolicyCounts]:
    """Add the files that were skipped to what was handled in rows, by split."""
    total = {}
    for split, counted in handled.items():
        total[split] = PolicyCounts()
        total[split].add(dict(counted))
        total[split].add(dict(skipped.get(split, {})))
    return total
