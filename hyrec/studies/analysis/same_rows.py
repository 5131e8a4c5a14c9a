"""Checks that predictions are of the same test rows, so that their differences are paired."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hyrec.studies.analysis.results import CellResult
from hyrec.studies.analysis.scores import Scores
from hyrec.studies.plan.study import StudyError


class OtherRowsError(StudyError):
    """Predictions that cannot be paired, since they are not of the same test rows."""


def check_same_rows(first: Scores, other: Scores) -> None:
    """Raise ``OtherRowsError``, with what differs, unless rows, labels, groups and weights are the same."""
    if not np.array_equal(first.row, other.row):
        shared = len(np.intersect1d(first.row, other.row))
        raise OtherRowsError(
            f"The test rows differ: {len(first.row) - shared} are only in the first predictions, "
            f"{len(other.row) - shared} only in the second, {shared} in both. Pairs need the same test rows."
        )
    total = len(first.row)
    if unequal := total - int(np.isclose(first.label, other.label, rtol=0, atol=0, equal_nan=True).sum()):
        raise OtherRowsError(f"The labels of {unequal} of {total} test rows differ between the predictions.")
    for name, mine, theirs in (("groups", first.group, other.group), ("weights", first.weight, other.weight)):
        if (mine is None) != (theirs is None):
            raise OtherRowsError(f"Only one of the predictions has {name}. Pairs need the same test rows.")
        if mine is not None and theirs is not None and (unequal := int((mine != theirs).sum())):
            raise OtherRowsError(f"The {name} of {unequal} of {total} test rows differ between the predictions.")


def other_rows(cells: Iterable[CellResult], task: str = "") -> str:
    """Return what differs between the test rows of cells; empty where nothing does, or nothing is known.

    Rows, labels, groups and weights are compared with the first cell's by a hash, which a cell computes once for all
    metrics. Cells without predictions, or whose predictions cannot be read or are not numbered, are left out: nothing
    can be said. Without a task, labels are those of each cell's primary one.
    """
    first: CellResult | None = None
    for cell in cells:
        try:
            if not (known := cell.rows_hash(task)):
                continue
            first = first or cell
            if known != first.rows_hash(task) and (mine := first.scores(task)) and (other := cell.scores(task)):
                check_same_rows(mine, other)
        except OtherRowsError as error:
            return str(error)
        except (ValueError, OSError):  # damaged predictions; sections of the report that need them say so
            continue
    return ""
