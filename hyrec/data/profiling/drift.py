"""How far the rows of evaluation are from those of training: PSI, and ids that training never saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyrec.data.packing import Array
from hyrec.data.profiling.figures import binned
from hyrec.data.profiling.rows import IdCounts, SplitRows
from hyrec.schema import NUM_RESERVED_IDS, Feature

_BINS, _LARGEST_IDS, _LEAST = 10, 20, 1e-4


@dataclass(frozen=True)
class Drift:
    """Training against evaluation.

    Args:
        psi: Population stability index: sum of ``(q - p) log(q / p)`` over ten bins of equal training rows, or over the
            20 ids that training has most, the reserved ones and all others. Below .1 is little, above .25 is much.
        by_chance: What it would be about if nothing but chance were at work.
        coverage: Share of the ids of evaluation that training saw. None for numbers.
        new_ids: Share of the rows (or entries) of evaluation that have an id which training never saw, the reserved
            ids left out.
    """

    psi: float
    by_chance: float
    coverage: float | None = None
    new_ids: float | None = None


def feature_drift(train: SplitRows, test: SplitRows, name: str, feature: Feature) -> Drift:
    """Compare a feature in two splits."""
    if feature.kind == "dense":
        return _of_numbers(train.dense[name], test.dense[name])
    return id_drift(train.id_counts[name], test.id_counts[name])


def id_drift(before: IdCounts, after: IdCounts) -> Drift:
    """Compare how often ids occur."""
    usual = before.ids >= NUM_RESERVED_IDS
    order = np.argsort(-before.counts[usual], kind="stable")[:_LARGEST_IDS]
    bins = np.unique(np.concatenate([np.arange(NUM_RESERVED_IDS), before.ids[usual][order]]))
    shares = []
    for counts in (before, after):
        at = np.searchsorted(bins, counts.ids)
        at[(at == len(bins)) | (bins[np.minimum(at, len(bins) - 1)] != counts.ids)] = len(bins)
        shares.append(np.bincount(at, counts.counts, len(bins) + 1))
    known = np.isin(after.ids, before.ids)
    named = after.ids >= NUM_RESERVED_IDS
    coverage = float(known[named].mean()) if named.any() else None
    new = float(after.counts[named & ~known].sum() / max(1, after.total))
    return Drift(*_psi(shares[0], shares[1]), coverage, new)


def _of_numbers(before: Array, after: Array) -> Drift:
    """Compare numbers; of a feature with several, return the one that moved most."""
    found = []
    for column in range(before.shape[1]):
        old, new, size = binned(before[:, column], after[:, column], _BINS)
        found.append(_psi(np.bincount(old, minlength=size), np.bincount(new, minlength=size)))
    return Drift(*max(found))


def _psi(before: Array, after: Array) -> tuple[float, float]:
    used = (before > 0) | (after > 0)
    rows = float(before.sum()), float(after.sum())
    if not all(rows):
        return 0.0, 0.0
    p, q = (np.maximum(c[used] / n, _LEAST) for c, n in zip((before, after), rows, strict=True))
    chance = (int(used.sum()) - 1) * (1 / rows[0] + 1 / rows[1])
    return float(((q - p) * np.log(q / p)).sum()), chance
