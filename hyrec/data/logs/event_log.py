"""What a recipe says of a log beside the impression log: searches, purchases, plays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hyrec.condition import Condition
from hyrec.data.logs.recipe_parts import Repeated


@dataclass(frozen=True)
class EventLog:
    """A log of what users did elsewhere: searches, purchases, plays. Sequences and counters may be made of it.

    Args:
        files: As ``log.files``.
        user: Column of the user's id, the same ids as those of ``log.user``.
        time: Column of the event's time, as ``log.time``. A time in a coarser unit, or a day, stands for its first
            moment; ``delay`` then hides what happened within it.
        time_unit: Unit of ``time``, which may be another than the log's.
        time_zone: Zone of date-times that do not say theirs, for example ``Asia/Shanghai``. Hours and weekdays are
            those of ``log.time_zone``.
        delay: Seconds until an event becomes visible, rounded up to ``log.time_unit``: an impression at t sees the
            events before t - delay.
        keep: Conditions that every event must fulfil, on columns of this log.
        names: What this log calls a column that a table is joined on or that counters have as key, where the impression
            log or the table calls it otherwise: ``{item_id: product_id}``.
        unique: As ``log.unique``.
        repeated: As ``log.repeated``.
        separator: As ``log.separator``.
        columns: As ``log.columns``.
    """

    files: list[str]
    user: str
    time: str
    time_unit: Literal["s", "ms", "us"] = "s"
    time_zone: str = "UTC"
    delay: float = 0.0
    keep: list[Condition] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    unique: list[str] = field(default_factory=list)
    repeated: Repeated = "keep"
    separator: str = ""
    columns: list[str] = field(default_factory=list)
