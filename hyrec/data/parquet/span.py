"""Spans of time that part the rows of files into splits."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hyrec.data.base import Split
from hyrec.data.moments import UNITS, parse_iso
from hyrec.data.packing import Array
from hyrec.data.parquet.policy import DataError
from hyrec.schema import Schema


@dataclass(frozen=True)
class TimeSpan:
    """Half-open span of impression times, ``start <= time < stop``, in seconds since 1970."""

    start: float = -math.inf
    stop: float = math.inf

    def holds(self, times: Array) -> Array:
        """Return which of the times lie in the span."""
        return np.asarray((times >= self.start) & (times < self.stop))

    def __str__(self) -> str:
        limits = [f"from {_told(self.start)} on"] if math.isfinite(self.start) else []
        limits += [f"before {_told(self.stop)}"] if math.isfinite(self.stop) else []
        return f"{', '.join(limits)}, UTC"


def parse_moment(text: str, unit: Literal["s", "ms", "us"]) -> float:
    """Return a moment in seconds since 1970 from a day, an ISO date-time (UTC) or a number in ``unit``.

    Eight digits that are a day (20220503) are one, as in recipes.

    Raises:
        DataError: For a text that is none of them.
    """
    moment = parse_iso(text) if len(text.strip()) == 8 or not text.strip().isdigit() else None
    if moment is not None:
        return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()
    try:
        return int(text) / UNITS[unit]
    except ValueError:
        raise DataError(
            f"split: {text!r} is neither a day or ISO date-time such as 2022-05-03 nor a whole number in the "
            f"schema's time_unit {unit!r}."
        ) from None


def span_of(split: Split, schema: Schema) -> TimeSpan | None:
    """Return the span of a split of files that hold all rows; None if the schema's split does not name it.

    Raises:
        DataError: For limits that cannot be read, or of which the second is not later.
    """
    unit, limits = schema.time_unit, schema.split
    validate = parse_moment(limits.validate_from, unit) if limits.validate_from else None
    test = parse_moment(limits.test_from, unit) if limits.test_from else None
    if validate is not None and test is not None and validate >= test:
        raise DataError(
            f"split.validate_from ({limits.validate_from}) must lie before split.test_from ({limits.test_from})."
        )
    first = validate if validate is not None else test
    assert first is not None
    if split == "train":
        return TimeSpan(stop=first)
    if split == "validate":
        return None if validate is None else TimeSpan(validate, math.inf if test is None else test)
    return None if test is None else TimeSpan(test)


def _told(seconds: float) -> str:
    """Return a moment in words."""
    try:
        return f"{datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g} seconds since 1970"
