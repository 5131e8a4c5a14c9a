"""Label rates of a split: by task, by day, by the values of small features, and inside groups."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np

from hyrec.data.logs.times import local_times
from hyrec.data.moments import SINCE, UNTIL
from hyrec.data.packing import Array
from hyrec.data.parquet.policy import REASONS
from hyrec.data.profiling.rows import SplitRows
from hyrec.schema import Schema

SLICE_IDS = 20
"""A feature with more ids than this is not cut into slices."""
_DAY = 86_400


@dataclass(frozen=True)
class Rate:
    """Label rates of some rows; None where no label is known."""

    value: str
    rows: int
    rates: dict[str, float | None]


@dataclass(frozen=True)
class Groups:
    """Groups of a split, and by task the share of groups that hold both labels and of rows that are in them."""

    count: int
    with_both: dict[str, float]
    rows_in_both: dict[str, float]


@dataclass(frozen=True)
class SplitFigures:
    """A split.

    Args:
        rows: Samples that its files hold.
        rows_read: Samples that the figures are of.
        rates: Share of positives by task.
        unknown: Share of unknown labels by task.
        begin: First moment, as date-time of the profile's zone; empty without times.
        end: Last moment.
        days: Rates by day of that zone.
        groups: None without a group column.
        repeated_rows: Share of rows that repeat an earlier one in everything that was read.
        repeated_impressions: Share that repeats user, item and time of an earlier row. None: not known.
        handled: Values that a policy handled, by column and reason.
    """

    rows: int
    rows_read: int
    rates: dict[str, float | None]
    unknown: dict[str, float]
    begin: str
    end: str
    days: list[Rate]
    groups: Groups | None
    repeated_rows: float
    repeated_impressions: float | None
    handled: dict[str, int]


def describe_split(rows: SplitRows, schema: Schema, zone: str = "UTC") -> SplitFigures:
    """Return the figures of one split, with days and moments of a time zone."""
    times = rows.time if rows.time is not None and len(rows.time) else None
    return SplitFigures(
        rows.in_files,
        rows.num_rows,
        rates_of(rows.labels, np.ones(rows.num_rows, bool)),
        {task: float(np.isnan(labels).mean()) for task, labels in rows.labels.items()},
        "" if times is None else moment(float(times.min()), zone),
        "" if times is None else moment(float(times.max()), zone),
        [] if times is None else _days(rows, times, zone),
        None if rows.group is None else _groups(rows, rows.group),
        _repeated(rows.row_hash),
        _repeated_impressions(rows, schema),
        {f"{column}: {REASONS[reason]}": count for (column, reason), count in rows.handled.items() if count},
    )


def rates_of(labels: dict[str, Array], mask: Array) -> dict[str, float | None]:
    """Return the share of positives among the known labels of the rows of a mask, by task."""
    chosen = {task: values[mask] for task, values in labels.items()}
    return {task: float(np.nanmean(v)) if (~np.isnan(v)).any() else None for task, v in chosen.items()}


def moment(seconds: float, zone: str = "UTC") -> str:
    """Return seconds since 1970 as a date-time of a zone; the number where no calendar holds it."""
    try:
        at = (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)).astimezone(ZoneInfo(zone))
    except (OverflowError, ValueError):
        return f"{seconds:g}"
    return at.strftime("%Y-%m-%d %H:%M:%S")


def slices(rows: SplitRows) -> dict[str, dict[int, Rate]]:
    """Return the rates by id of every feature that has few ids."""
    found: dict[str, dict[int, Rate]] = {}
    for name, ids in rows.ids.items():
        counts = rows.id_counts[name]
        if 2 <= len(counts.ids) <= SLICE_IDS:
            found[name] = {
                value: Rate(str(value), count, rates_of(rows.labels, ids == value))
                for value, count in zip(counts.ids.tolist(), counts.counts.tolist(), strict=True)
            }
    return found


def _days(rows: SplitRows, times: Array, zone: str) -> list[Rate]:
    if zone != "UTC" and times.min() >= SINCE and times.max() < UNTIL:
        numbers = local_times(times.astype(np.int64), zone, "s").dt.date().to_physical().to_numpy()
    else:
        numbers = times // _DAY
    days, day_of = np.unique(numbers, return_inverse=True)
    if len(days) > 1000:  # no log has so many: the unit is wrong, which the policies tell
        return []
    order = np.argsort(day_of, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(day_of[order])) + 1)
    out = []
    for day, part in zip(days, parts, strict=True):
        rates = rates_of({task: labels[part] for task, labels in rows.labels.items()}, np.ones(len(part), bool))
        out.append(Rate(moment(float(day) * _DAY)[:10], len(part), rates))
    return out


def _groups(rows: SplitRows, group: Array) -> Groups:
    keys, of = np.unique(group, return_inverse=True)
    both, inside = {}, {}
    for task, labels in rows.labels.items():
        known = ~np.isnan(labels)
        positive = np.bincount(of[known], labels[known], len(keys))
        count = np.bincount(of[known], minlength=len(keys))
        mixed = (positive > 0) & (positive < count)
        both[task] = float(mixed.mean()) if len(keys) else 0.0
        inside[task] = float(count[mixed].sum() / max(1, count.sum()))
    return Groups(len(keys), both, inside)


def _repeated(hashes: Array) -> float:
    return 1 - len(np.unique(hashes)) / len(hashes) if len(hashes) else 0.0


def _repeated_impressions(rows: SplitRows, schema: Schema) -> float | None:
    """Return the share of rows with user, item and time of an earlier one; ids that stand for many are left out."""
    largest = {
        role: max(
            ((f.num_ids, name) for name, f in schema.features.items() if f.kind == "id" and f.role == role),
            default=(0, ""),
        )[1]
        for role in ("user", "item")
    }
    if rows.time is None or not all(largest.values()):
        return None
    user, item = (rows.ids[largest[role]] for role in ("user", "item"))
    told = (user > 2) & (item > 2)
    if not told.any():
        return None
    keys = np.stack([user[told], item[told], rows.time[told].view(np.int64)], 1).astype(np.int64)
    order = np.lexsort(keys.T)
    return float((np.diff(keys[order], axis=0) == 0).all(1).sum() / len(user))
