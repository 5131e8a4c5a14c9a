"""A metric by history length, user activity or item frequency, with differences to the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow.parquet as pq

from hyrec.messages import unknown
from hyrec.metrics import AUC, RankingMetric, base_name
from hyrec.parquet import read_parquet
from hyrec.studies.analysis.results import StudyResults
from hyrec.studies.analysis.scores import Floats, OtherRowsError, Scores, check_same_rows
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import ROWS_FILE

_MAX_BINS = 5


@dataclass(frozen=True)
class Bin:
    """Rows with values from ``low`` to ``high``, as a mask over all rows."""

    low: float
    high: float
    rows: npt.NDArray[np.bool_]

    @property
    def label(self) -> str:
        """The bin in words, such as ``4 to 12``."""
        return f"{self.low:,.6g}" if self.low == self.high else f"{self.low:,.6g} to {self.high:,.6g}"


@dataclass(frozen=True)
class SliceRow:
    """A metric of one variant on the test rows of one bin.

    Args:
        num_groups: Groups that hold both labels inside the bin; 0 when the data has no groups.
        values: Metric by seed; NaN where it is undefined.
        difference: Paired difference to the baseline at the same grid point, with an interval over seeds. None for
            the baseline itself, and when no seed has both.
        metric: What was computed: the metric asked for, or ``auc`` in its place (see ``slice_metric``).
        direction: That of the metric's facts.
    """

    variant: str
    bin: Bin
    num_groups: int
    values: Mapping[int, float]
    difference: Interval | None
    metric: str
    direction: int

    @property
    def mean(self) -> float:
        """Mean over seeds; NaN when none is defined."""
        known = [value for value in self.values.values() if not np.isnan(value)]
        return float(np.mean(known)) if known else float("nan")


def slice_metric(results: StudyResults, metric: str, column: str) -> list[SliceRow]:
    """Return a metric by bin and variant, from saved predictions and ``rows.parquet``.

    Bins hold about equally many test rows; rows of the same value share a bin. ``history_*`` and ``user_activity``
    are properties of a request or a user. Where groups are coarser than requests (groups by user), all rows of a
    group go to the bin of its median row, so that no group is torn apart. Other columns, such as ``item_frequency``,
    differ between the candidates of a group: few groups then have both labels inside one bin, so a metric inside
    groups is replaced by the AUC over all rows of the bin, and ``SliceRow.metric`` says so. A task and a slash before
    the metric choose the task.

    Raises:
        StudyError: When there are no rows or predictions, the column or the metric does not exist, or a prediction is
            of a row that ``rows.parquet`` does not have.
    """
    of_group = column.startswith("history_") or column == "user_activity"
    task, slash, _ = metric.rpartition("/")
    computed = results.facts(metric)
    if not isinstance(computed, RankingMetric):
        raise StudyError(unknown("There is no metric", base_name(metric), results.metrics, allowed="Metrics"))
    if computed.needs_group and not of_group:
        computed = AUC()
    shown = f"{task}{slash}{computed.name}"
    row, value = _read_column(results, column)
    first: Scores | None = None
    values: dict[str, dict[int, list[float]]] = {}
    for (variant, seed), cell in results.cells.items():
        if (scores := cell.scores(task)) is None:
            continue
        if first is None:
            first, bins = scores, bins_of(_values_of(scores, row, value, of_group))
        try:
            check_same_rows(first, scores)
        except OtherRowsError as error:
            raise StudyError(f"{variant} s{seed} cannot be set beside the first cell that was read. {error}") from error
        values.setdefault(variant, {})[seed] = [scores.take(part.rows).metric(computed) for part in bins]
    if first is None:
        raise StudyError("No finished cell has saved predictions.")
    out = []
    num_groups = [first.take(part.rows).num_ranked_groups() for part in bins]
    for name in (variant.name for variant in results.plan.study.variants if variant.name in values):
        baseline = results.plan.study.baseline_of(results.plan.study.variant(name)).name
        theirs = values.get(baseline, {}) if baseline != name else {}
        for number, part in enumerate(bins):
            mine = {seed: by_bin[number] for seed, by_bin in values[name].items()}
            pairs = [value - theirs[seed][number] for seed, value in mine.items() if seed in theirs]
            found = [difference for difference in pairs if not np.isnan(difference)]
            difference = paired_t(found) if found else None
            out.append(SliceRow(name, part, num_groups[number], mine, difference, shown, computed.direction))
    return out


def bins_of(values: Floats) -> list[Bin]:
    """Sort rows into bins of about equal size; equal values share a bin, and NaN (unknown) is left out.

    A run of equal values goes to the bin of its middle, so a value that many rows have gets a bin of its own.
    """
    known = ~np.isnan(values)
    distinct, index, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    if not len(distinct):
        return []
    middle = np.cumsum(counts) - counts / 2
    bin_of_value = np.minimum((middle / counts.sum() * _MAX_BINS).astype(int), _MAX_BINS - 1)
    bin_of_row = np.full(len(values), -1)
    bin_of_row[known] = bin_of_value[index]
    parts = [(distinct[bin_of_value == number], bin_of_row == number) for number in np.unique(bin_of_value)]
    return [Bin(float(inside[0]), float(inside[-1]), rows) for inside, rows in parts]


def group_medians(values: Floats, group: npt.NDArray[Any]) -> Floats:
    """Return for each row the median value of its group's rows (the lower one of two); NaN sorts last."""
    rows = pl.DataFrame({"group": group, "value": values})
    median = pl.col("value").sort().get((pl.len() - 1) // 2)
    return rows.select(median.over("group")).to_series().to_numpy()


def _read_column(results: StudyResults, column: str) -> tuple[npt.NDArray[np.int64], Floats]:
    path = results.folder / ROWS_FILE
    if not path.is_file():
        raise StudyError(f"{path} does not exist: hyrec ablate run writes it before the first cell.")
    names = pq.read_schema(path).names
    known = [name for name in names if name not in ("row", "group")]
    if column not in known:
        raise StudyError(unknown(f"{path} has no column", column, known, allowed="Columns"))
    table = read_parquet(path, ["row", column]).sort_by("row")
    row, value = table.column("row").to_numpy(), table.column(column).to_numpy()
    return row.astype(np.int64), value.astype(np.float64)


def _values_of(scores: Scores, row: npt.NDArray[np.int64], value: Floats, of_group: bool) -> Floats:
    place = np.minimum(np.searchsorted(row, scores.row), max(len(row) - 1, 0))
    absent = row[place] != scores.row if len(row) else np.ones(len(scores.row), bool)
    if absent.any():
        raise StudyError(
            f"{int(absent.sum())} of {len(scores.row)} predicted rows are not in {ROWS_FILE}: it was written for other "
            "test rows. Remove it and resume the study."
        )
    values = value[place]
    return group_medians(values, scores.group) if of_group and scores.group is not None else values
