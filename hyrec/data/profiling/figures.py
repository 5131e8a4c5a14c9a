"""Figures of features and sequences in each split: ids that occur, missing values, lengths, ranges."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hyrec.data.packing import Array, list_sums
from hyrec.data.parquet.chunk import Packed
from hyrec.data.profiling.rows import EventFacts, IdCounts, SplitRows
from hyrec.schema import MISSING_ID, NUM_RESERVED_IDS, OOV_ID, Feature


@dataclass(frozen=True)
class Lengths:
    """Lengths of lists or histories before they are cut.

    ``full`` is the share as long as ``max_length`` or longer, ``cut`` the share that is longer: histories of a built
    data set were cut when it was built, so the full ones among them are those that may have been.
    """

    mean: float
    p50: float
    p95: float
    max: int
    empty: float
    full: float
    cut: float


@dataclass(frozen=True)
class Values:
    """What one split holds of a feature or of a sequence's side information.

    Args:
        missing: Share of missing values; of lists and histories the share of missing entries.
        oov: Share of entries that the vocabulary does not hold; None for numbers.
        distinct: Ids that occur, reserved ones left out; of numbers the values.
        mean: Of numbers.
        std: Of numbers.
        range: Of numbers: least, 1 %, 50 %, 99 %, largest.
        lengths: Of lists.
    """

    missing: float
    oov: float | None = None
    distinct: int = 0
    mean: float | None = None
    std: float | None = None
    range: list[float] = field(default_factory=list)
    lengths: Lengths | None = None


def length_figures(lengths: Array, max_length: int) -> Lengths:
    """Describe lengths; ``max_length`` 0 keeps all."""
    if not len(lengths):
        return Lengths(0.0, 0.0, 0.0, 0, 0.0, 0.0, 0.0)
    p50, p95 = (float(v) for v in np.quantile(lengths, [0.5, 0.95]))
    full, cut = (float(m.mean()) if max_length else 0.0 for m in (lengths >= max_length, lengths > max_length))
    return Lengths(float(lengths.mean()), p50, p95, int(lengths.max()), float((lengths == 0).mean()), full, cut)


def binned(before: Array, after: Array, most: int) -> tuple[Array, Array, int]:
    """Put numbers into ``most`` bins of equal mass of ``before``, NaN into the last.

    Returns:
        The bins of both, and how many there are.
    """
    known = before[~np.isnan(before)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, most + 1)[1:-1])) if len(known) else np.zeros(0)
    # A value that many rows have (0, above all) is an edge; those rows lie on its left, always.
    old, new = (
        np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
        for values in (before, after)
    )
    return old, new, len(edges) + 2


def feature_values(rows: SplitRows, name: str, feature: Feature) -> Values:
    """Describe a feature of one split."""
    if feature.kind == "dense":
        return _numbers(rows.dense[name])
    lengths = None
    if name in rows.lists:
        lengths = length_figures(np.diff(rows.lists[name].offsets), feature.max_length)
    return _ids(rows.id_counts[name], lengths)


def side_values(facts: EventFacts) -> dict[str, Values]:
    """Describe the side information of a sequence in one split."""
    numbers = {side: Values(lost / max(1, of)) for side, (lost, of) in facts.missing.items()}
    return {side: _ids(counts, None) for side, counts in facts.sides.items()} | numbers


def is_known(rows: SplitRows, name: str) -> Array:
    """Return in which samples a feature has a value, be it out of vocabulary."""
    if name in rows.ids:
        return np.asarray(rows.ids[name] != MISSING_ID)
    if name in rows.dense:
        return np.asarray(~np.isnan(rows.dense[name]).all(1))
    return has_entry(rows.lists[name])


def has_entry(packed: Packed) -> Array:
    """Return which lists hold an entry that is not missing."""
    return np.asarray(list_sums(packed.arrays["ids"] != MISSING_ID, packed.offsets) > 0)


def _ids(counts: IdCounts, lengths: Lengths | None) -> Values:
    total = max(1, counts.total)
    distinct = int((counts.ids >= NUM_RESERVED_IDS).sum())
    return Values(counts.of(MISSING_ID) / total, counts.of(OOV_ID) / total, distinct, lengths=lengths)


def _numbers(values: Array) -> Values:
    known = values[~np.isnan(values)].astype(np.float64)
    missing = float(np.isnan(values).mean()) if values.size else 0.0
    if not len(known):
        return Values(missing)
    limits = [float(v) for v in np.quantile(known, [0, 0.01, 0.5, 0.99, 1])]
    distinct = len(np.unique(known))
    return Values(missing, None, distinct, float(known.mean()), float(known.std()), limits)
