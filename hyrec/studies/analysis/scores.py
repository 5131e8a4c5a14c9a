"""Saved predictions as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from hyrec.metrics import RankingMetric
from hyrec.parquet import read_parquet
from hyrec.studies.plan.study import StudyError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Scores:
    """Labels and scores of one task, sorted by row.

    Args:
        row: Place of each sample in its split, ascending.
        label: 1, 0, or NaN for unknown.
        score: Probability.
        group: What query-level metrics group by. None: the data has no groups.
        weight: Sample weights. None: every sample weighs one.
    """

    row: Ints
    label: Floats
    score: Floats
    group: Ints | None
    weight: Floats | None

    @classmethod
    def read(cls, parts: Sequence[Path], task: str = "") -> Scores:
        """Read all parts of what a run saved, without columns that it does not need; arguments as for ``of``."""
        tables = [_read_needed(part) for part in parts]
        return cls.of(pa.concat_tables(tables, promote_options="default"), task)

    @classmethod
    def of(cls, predictions: pa.Table, task: str = "") -> Scores:
        """Read what ``hyrec predict`` or ``hyrec fit --save_predictions true`` wrote: all parts, in any order.

        Without a task, labels and scores are those of the first one, which is the primary task.

        Raises:
            ValueError: For a task that the table does not have, a row that occurs twice, or a score that is missing.
        """
        tasks = [name.removeprefix("score_") for name in predictions.column_names if name.startswith("score_")]
        chosen = task or (tasks[0] if tasks else "")
        if chosen not in tasks or f"label_{chosen}" not in predictions.column_names:
            known = ", ".join(predictions.column_names)
            raise ValueError(f"The predictions have no label and score of task {chosen!r}. Columns: {known}.")
        if "row" not in predictions.column_names:
            raise ValueError("The predictions have no column 'row': they cannot be compared row by row.")
        row = _numbers(predictions, "row", np.int64)
        order: Any = slice(None)
        if (row[1:] <= row[:-1]).any():
            order = np.argsort(row, kind="stable")
            row = row[order]
        if twice := int((row[1:] == row[:-1]).sum()):
            raise ValueError(f"The predictions hold {twice} rows more than once; remove parts of an earlier run.")
        score = _numbers(predictions, f"score_{chosen}", np.float64)[order]
        if missing := int(np.isnan(score).sum()):
            raise ValueError(f"{missing} of {len(score)} predictions are missing or NaN.")
        optional = {
            name: _numbers(predictions, name, dtype)[order] if name in predictions.column_names else None
            for name, dtype in (("group", np.int64), ("weight", np.float64))
        }
        label = _numbers(predictions, f"label_{chosen}", np.float64)[order]
        return cls(row, label, score, optional["group"], optional["weight"])

    def take(self, keep: npt.NDArray[Any]) -> Scores:
        """Return some of the rows: by a mask over them, or by their places in ascending order."""
        group = None if self.group is None else self.group[keep]
        weight = None if self.weight is None else self.weight[keep]
        return Scores(self.row[keep], self.label[keep], self.score[keep], group, weight)

    def metric(self, metric: RankingMetric) -> float:
        """Return a metric of these rows, as ``hyrec test`` does; NaN where undefined, ``ValueError`` without groups."""
        if metric.needs_group and self.group is None:
            raise ValueError(f"{metric.name} needs groups, and the predictions have no column 'group'.")
        metric.reset()
        group, weight = (None if column is None else torch.from_numpy(column) for column in (self.group, self.weight))
        metric.update(torch.from_numpy(self.score), torch.from_numpy(self.label), group, weight)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is undefined, which the caller sees
            return float(metric.compute())

    def num_ranked_groups(self) -> int:
        """Return how many groups hold both labels; 0 without groups."""
        if self.group is None:
            return 0
        positive, negative = self.group[self.label == 1], self.group[self.label == 0]
        return len(np.intersect1d(positive, negative))


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


def _numbers(table: pa.Table, name: str, dtype: Any) -> npt.NDArray[Any]:
    column = table.column(name)
    if np.issubdtype(dtype, np.integer) and column.null_count:
        raise ValueError(f"The predictions have {column.null_count} nulls in column {name!r}.")
    numbers = np.asarray(column.to_numpy(), dtype=dtype)
    return numbers if numbers.flags.writeable else numbers.copy()


def _read_needed(part: Path) -> pa.Table:
    """Read the columns of one file that comparisons need."""
    try:
        names = pq.read_schema(part).names
        needed = [n for n in names if n in ("row", "group", "weight") or n.startswith(("label_", "score_"))]
        return read_parquet(part, needed)
    except OSError as error:  # pages whose checksum differs, or a file that cannot be read
        raise ValueError(f"{part.name} cannot be read: {error}") from error
