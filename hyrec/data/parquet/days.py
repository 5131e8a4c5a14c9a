"""Days of training rows, for a run that trains on one after the other."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from hyrec.data.packing import Array
from hyrec.data.parquet.decode import Decoder
from hyrec.data.parquet.policy import DataError
from hyrec.data.parquet.source import SplitIndex, index_split, times_in
from hyrec.data.parquet.span import TimeSpan
from hyrec.schema import Schema

_QUARTER = 900  # seconds: midnight is at a quarter of an hour in every zone since 1990


@dataclass(frozen=True)
class Day:
    """A day and its training rows."""

    date: datetime.date
    index: SplitIndex


def zone_of(name: str, schema: Schema) -> ZoneInfo:
    """Return the time zone that ``by_day`` names.

    Raises:
        DataError: When there is no such zone, or no column of times.
    """
    if not schema.time_column:
        raise DataError("by_day needs the schema's time_column, the column of the impression's time.")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        told = f"by_day is {name!r}, which is no time zone. Write one such as UTC or Asia/Shanghai."
        raise DataError(told) from error


def days_of(files: Sequence[str], decoder: Decoder, span: TimeSpan | None, zone: ZoneInfo) -> list[Day]:
    """Return the days that have rows of a span of time, in their order.

    Raises:
        DataError: As :func:`index_split`, and for times that are of no day.
    """
    days, schema = [], decoder.schema
    for date in sorted({date for times in times_in(files, decoder) for date in _dates(times, span, zone, schema)}):
        start, stop = _midnight(date, zone), _midnight(date + datetime.timedelta(days=1), zone)
        if span is not None:
            start, stop = max(start, span.start), min(stop, span.stop)
        days.append(Day(date, index_split(files, decoder, TimeSpan(start, stop))))
    return days


def _dates(times: Array, span: TimeSpan | None, zone: ZoneInfo, schema: Schema) -> set[datetime.date]:
    inside = times if span is None else times[span.holds(times)]
    quarters = np.unique(inside // _QUARTER) * _QUARTER
    try:
        return {datetime.datetime.fromtimestamp(quarter, zone).date() for quarter in quarters.tolist()}
    except (ValueError, OverflowError, OSError) as error:
        told = f"{schema.time_column!r} has times of no day such as {times.max():g} s: {error}"
        raise DataError(f"by_day: {told}. The schema's time_unit is {schema.time_unit!r}.") from error


def _midnight(date: datetime.date, zone: ZoneInfo) -> float:
    return datetime.datetime.combine(date, datetime.time(), zone).timestamp()
