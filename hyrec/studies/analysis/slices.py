"""A metric by history length, user activity or item frequency, with differences to the baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from hyrec.messages import suggest
from hyrec.metrics import AUC, RankingMetric
from hyrec.studies.analysis.bootstrap import OtherRowsError, check_same_rows
from hyrec.studies.analysis.scores import Floats, Scores
from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.rows import ROWS_FILE

if TYPE_CHECKING:
    from hyrec.studies.analysis.results import StudyResults

MAX_BINS = 5


@dataclass(frozen=True)
class SliceRow:
    """A metric of one variant on the test rows of one bin.

    Args:
        variant: Name of the variant.
        column: What the rows are binned by.
        bin_label: The bin in words, such as ``4 to 12``.
        low: Smallest value in the bin.
        high: Largest value in the bin.
        num_rows: Test rows in the bin.
        num_groups: Groups that hold both labels inside the bin; 0 when the data has no groups.
        values: Metric by seed; NaN where it is undefined.
        mean: Mean over seeds; NaN when none is defined.
        difference: Paired difference to the baseline at the same grid point, with an interval over seeds. None for
            the baseline itself, and when no seed has both.
        metric: What was computed: the metric asked for, or ``auc`` in its place (see ``slice_metric``).
        direction: 1 when larger is better, −1 when smaller is, 0 when neither is.
    """

    variant: str
    column: str
    bin_label: str
    low: float
    high: float
    num_rows: int
    num_groups: int
    values: Mapping[int, float]
    mean: float
    difference: Interval | None
    metric: str
    direction: int


@dataclass(frozen=True)
class Bin:
    """A set of rows with similar values.

    Args:
        label: The bin in words.
        low: Smallest value.
        high: Largest value.
        rows: Mask over all rows.
    """

    label: str
    low: float
    high: float
    rows: npt.NDArray[np.bool_]


def slice_metric(results: StudyResults, metric: str, column: str) -> list[SliceRow]:
    """Return a metric by bin and variant, from saved predictions and ``rows.parquet``.

    Bins hold about equally many test rows; rows of the same value share a bin. ``history_*`` and ``user_activity``
    are properties of a request or a user. Where groups are coarser than requests (groups by user), all rows of a
    group go to the bin of its median row, so that no group is torn apart. Other columns, such as ``item_frequency``,
    differ between the candidates of a group: few groups then have both labels inside one bin, so a metric inside
    groups is replaced by the AUC over all rows of the bin, and ``SliceRow.metric`` says so.

    Args:
        results: A study that ran.
        metric: A metric of the runs; a task and a slash before it choose the task.
        column: Column of ``rows.parquet``.

    Returns:
        Variants in the order of the plan, and their bins from small to large values.

    Raises:
        StudyError: When there are no rows or predictions, the column or the metric does not exist, or a prediction is
            of a row that ``rows.parquet`` does not have.
    """
    of_group = column.startswith("history_") or column == "user_activity"
    task, slash, _ = metric.rpartition("/")
    computed = results.plan.metric(metric)
    if computed.needs_group and not of_group:
        computed = AUC()
    shown = f"{task}{slash}{computed.name}"
    bins, num_groups, values = _values_by_bin(results, computed, task, column, of_group)
    out = []
    for variant in results.plan.study.variants:
        baseline = results.plan.study.baseline_of(variant).name
        theirs = values.get(baseline, {}) if baseline != variant.name else {}
        for number, part in enumerate(bins if variant.name in values else []):
            mine = {seed: by_bin[number] for seed, by_bin in values[variant.name].items()}
            known = [value for value in mine.values() if not np.isnan(value)]
            out.append(
                SliceRow(
                    variant=variant.name,
                    column=column,
                    bin_label=part.label,
                    low=part.low,
                    high=part.high,
                    num_rows=int(part.rows.sum()),
                    num_groups=num_groups[number],
                    values=mine,
                    mean=float(np.mean(known)) if known else float("nan"),
                    difference=_difference(mine, {seed: by_bin[number] for seed, by_bin in theirs.items()}),
                    metric=shown,
                    direction=computed.direction,
                )
            )
    return out


def _values_by_bin(
    results: StudyResults, metric: RankingMetric, task: str, column: str, of_group: bool
) -> tuple[list[Bin], list[int], dict[str, dict[int, list[float]]]]:
    """Return the bins, their groups with both labels, and the metric by variant, seed and bin."""
    row, value = _read_column(results, column)
    bins: list[Bin] = []
    num_groups: list[int] = []
    values: dict[str, dict[int, list[float]]] = {}
    for (variant, seed), cell in results.cells.items():
        table = cell.predictions()
        if table is None:
            continue
        scores = Scores.of(table, task or cell.primary_task or "")
        if not values:
            first = scores
            bins = bins_of(_values_of(scores, row, value, of_group))
            num_groups = [scores.take(part.rows).num_ranked_groups() for part in bins]
        try:
            check_same_rows(first, scores)
        except OtherRowsError as error:
            raise StudyError(f"{variant} s{seed} cannot be set beside the first cell that was read. {error}") from error
        values.setdefault(variant, {})[seed] = [scores.take(part.rows).metric(metric) for part in bins]
    if not values:
        raise StudyError("No finished cell has saved predictions.")
    return bins, num_groups, values


def bins_of(values: Floats, max_bins: int = MAX_BINS) -> list[Bin]:
    """Sort rows into bins of about equal size; equal values share a bin, and NaN (unknown) is left out.

    A run of equal values goes to the bin of its middle, so a value that many rows have gets a bin of its own.

    Args:
        values: Value of each row.
        max_bins: Most bins.

    Example:
        >>> [(b.label, int(b.rows.sum())) for b in bins_of(np.array([0.0, 0, 0, 0, 1, 2, 3, 4, 5, 6]), 5)]
        [('0', 4), ('1 to 2', 2), ('3 to 4', 2), ('5 to 6', 2)]
    """
    known = ~np.isnan(values)
    distinct, index, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    if not len(distinct):
        return []
    middle = np.cumsum(counts) - counts / 2
    bin_of_value = np.minimum((middle / counts.sum() * max_bins).astype(int), max_bins - 1)
    bin_of_row = np.full(len(values), -1)
    bin_of_row[known] = bin_of_value[index]
    bins = []
    for number in np.unique(bin_of_value):
        inside = distinct[bin_of_value == number]
        low, high = float(inside[0]), float(inside[-1])
        label = f"{low:,.6g}" if low == high else f"{low:,.6g} to {high:,.6g}"
        bins.append(Bin(label, low, high, bin_of_row == number))
    return bins


def group_medians(values: Floats, group: npt.NDArray[Any]) -> Floats:
    """Return for each row the median value of its group's rows (the lower one of two); NaN sorts last.

    Example:
        >>> group_medians(np.array([5.0, 1, 9, 2]), np.array([7, 7, 7, 3])).tolist()
        [5.0, 5.0, 5.0, 2.0]
    """
    order = np.lexsort((values, group))
    _, first, inverse, counts = np.unique(group[order], return_index=True, return_inverse=True, return_counts=True)
    medians = values[order][first + (counts - 1) // 2]
    out = np.empty_like(values)
    out[order] = medians[inverse]
    return out


def _read_column(results: StudyResults, column: str) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return row numbers, ascending, and a column of ``rows.parquet``."""
    path = results.folder / ROWS_FILE
    if not path.is_file():
        raise StudyError(f"{path} does not exist: hyrec ablate run writes it before the first cell.")
    names = pq.read_schema(path).names
    known = [name for name in names if name not in ("row", "group")]
    if column not in known:
        raise StudyError(f"{path} has no column {column!r}.{suggest(column, known)} Columns: {', '.join(known)}.")
    table = pq.read_table(path, columns=["row", column])
    row = np.asarray(table.column("row").to_numpy(), dtype=np.int64)
    value = np.array(table.column(column).to_numpy(), dtype=np.float64)
    order = np.argsort(row)
    return row[order], value[order]


def _values_of(scores: Scores, row: npt.NDArray[np.int64], value: Floats, of_group: bool) -> Floats:
    """Return the value that each predicted row is binned by."""
    place = np.minimum(np.searchsorted(row, scores.row), max(len(row) - 1, 0))
    absent = row[place] != scores.row if len(row) else np.ones(len(scores.row), bool)
    if absent.any():
        raise StudyError(
            f"{int(absent.sum())} of {len(scores.row)} predicted rows are not in {ROWS_FILE}: it was written for other "
            "test rows. Remove it and resume the study."
        )
    values = value[place]
    return group_medians(values, scores.group) if of_group and scores.group is not None else values


def _difference(mine: Mapping[int, float], theirs: Mapping[int, float]) -> Interval | None:
    differences = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
    differences = [d for d in differences if not np.isnan(d)]
    return paired_t(differences) if differences else None
