"""Checks that the cells of a difference were tested on the same rows, without computing a metric."""

from __future__ import annotations

from collections.abc import Iterable

from hyrec.studies.analysis.bootstrap import OtherRowsError, check_same_rows
from hyrec.studies.analysis.results import ROW_COLUMNS, CellResult
from hyrec.studies.analysis.scores import Scores


def other_rows(cells: Iterable[CellResult], task: str = "") -> str:
    """Return what differs between the test rows of cells; empty where nothing does, or nothing is known.

    Rows, labels, groups and weights are compared by their hashes, which a cell computes once for all metrics. Cells
    without predictions, or whose predictions cannot be read or are not numbered, are left out: nothing can be said.

    Args:
        cells: The first one is what the others are compared with.
        task: Task of the labels. Empty: the primary task of each cell.
    """
    first: CellResult | None = None
    for cell in cells:
        try:
            if "row" not in cell.row_hashes:
                continue
            first = first or cell
            if _hashes(cell, task) != _hashes(first, task):
                check_same_rows(_scores(first, task), _scores(cell, task))
        except OtherRowsError as error:
            return str(error)
        except (ValueError, OSError):  # damaged predictions; sections of the report that need them say so
            continue
    return ""


def _hashes(cell: CellResult, task: str) -> list[str | None]:
    chosen = task or cell.primary_task
    labels = [name for name in cell.row_hashes if name.startswith("label_")]  # the primary task's first
    label = f"label_{chosen}" if chosen else "".join(labels[:1])
    return [cell.row_hashes.get(name) for name in (*ROW_COLUMNS, label)]


def _scores(cell: CellResult, task: str) -> Scores:
    table = cell.predictions()
    assert table is not None
    return Scores.of(table, task or cell.primary_task or "")
