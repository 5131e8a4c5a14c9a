"""The parts of a recipe: what it says of logs, tables, columns, counters and sequences."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from hyrec.condition import Condition
from hyrec.schema import Role, Transform

LOG, DAY = "log", "day"
DERIVED = ("hour", "weekday", "year", "month", "age", "first", "bins", "cross")
"""What a column derives without a plugin."""
Repeated = Literal["keep", "drop", "error", "first", "last"]
Refresh = Literal["event", "day", "train"]


class RecipeError(ValueError):
    """A recipe that cannot be used, or logs that do not fit it."""


@dataclass(frozen=True)
class Log:
    """The impression log: one row for each candidate that was shown.

    Args:
        files: File names or globs in the order of preference; the first that matches anything is read, all
            its matches but names that begin with ``.`` or ``_``. Parquet and CSV (also gzipped) by suffix.
        user: Column of the user's id.
        item: Column of the item's id.
        time: Column of the impression's time: a number since 1970, a timestamp, or an ISO date-time; of
            ``naive_zone`` unless it says its zone.
        outcomes: Columns that are known only after the impression. They may be labels, conditions and side
            information of earlier events, and are refused as features of the impression itself.
        time_unit: Unit of ``time``.
        time_zone: Zone of days and hours, for example ``Asia/Shanghai``.
        day: Column with the day a row belongs to, as 20220425 or 2022-04-25, which then decides the split.
            Empty: the row's time decides.
        keep: Conditions that every row must fulfil, for impressions and histories: ``[price > 0, 'tab in [1, 2]']``
            (YAML asks for the quotes where a list stands in a list). Not on outcomes. Any condition may also be written
            as ``{column: tab, op: in, value: [1, 2]}``; a missing value fulfils none.
        delay: Seconds until an event becomes visible: an impression at t sees the events before t - delay.
        unique: Columns whose values identify a row, such as ``[request_id, item_id]``. Rows without a value in one of
            them never repeat another, and rows without a label that are given to ``hyrec data apply`` do not either.
            Empty: all columns that the recipe reads. Not outcomes.
        repeated: What happens to rows that repeat another in every column that the recipe reads, as a log that
            was delivered twice has them: ``keep`` them all, ``drop`` all but one, or ``error``. With ``unique``: the
            ``first`` of each is used or the ``last``, by time and then by file and line, or ``error``. The report
            counts them.
        separator: Between the columns of CSV files. Empty: of comma, tab, semicolon and ``|`` the one that finds
            the columns in the header.
        columns: Names of the columns of CSV files that have no header, in their order.
        naive_zone: Zone of date-times in ``time`` that do not say theirs, for example ``Europe/Berlin``. It moves no
            numbers.
    """

    files: list[str]
    user: str
    item: str
    time: str
    outcomes: list[str]
    time_unit: Literal["s", "ms", "us"] = "s"
    time_zone: str = "UTC"
    day: str = ""
    keep: list[Condition] = field(default_factory=list)
    delay: float = 0.0
    unique: list[str] = field(default_factory=list)
    repeated: Repeated = "keep"
    separator: str = ""
    columns: list[str] = field(default_factory=list)
    naive_zone: str = "UTC"


@dataclass(frozen=True)
class Table:
    """Properties of users or items, joined to every row of the log. Its state must precede the log.

    Args:
        files: As ``log.files``.
        key: Column of the table that the log refers to; its values must be unique.
        on: Column of the log. Empty: the same name as ``key``.
        role: Role of its features, unless a feature says otherwise.
        separator: As ``log.separator``.
        columns: As ``log.columns``.
    """

    files: list[str]
    key: str
    on: str = ""
    role: Role = "item"
    separator: str = ""
    columns: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Snapshot:
    """Histories from before the log: a row a user, with lists of items, oldest first, without times.

    It is read when one of its files exists; a log that goes back far enough makes it unnecessary.

    Args:
        files: As ``log.files``.
        user: Column of the user's id.
        last_time: Column with the time of the newest event. Impressions that are not later do not see the
            user's snapshot. Empty: all impressions are later than the snapshot.
        before: The snapshot covers everything before this moment: older log rows are left out of the
            histories.
        separator: As ``log.separator``.
        columns: As ``log.columns``.
    """

    files: list[str]
    user: str
    last_time: str = ""
    before: str = ""
    separator: str = ""
    columns: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Column:
    """One feature, or one piece of side information of an event.

    Args:
        source: ``log`` or the name of a table.
        column: Column of the source. Empty: the feature's own name.
        kind: ``id``, ``multi_id`` (a list, or a string with ``separator``) or ``dense``.
        derive: ``hour`` or ``weekday`` of the impression; ``year`` or ``month`` of the column's date, or of the
            impression where no column of the log is named; ``age`` = days from the column's date to the impression;
            ``first`` entry of a list; ``bins``: the number of ``boundaries`` that a number is not below, as an id;
            ``cross``: the combination of ids of ``columns``; or the name of a function that an installed package has
            under the entry point group ``hyrec.derive``: it takes a Polars series for each of ``columns`` and returns
            one, row by row. An expression is none of these: nothing in a recipe is run.
        columns: For ``cross`` and functions: columns of the source, of the log also ``table.column``.
        per: Divide by this column of the same source; a zero there gives a missing value.
        separator: Parts the entries of a list that is stored as a string.
        min_count: Rows of the training span that a value needs for an id of its own; rarer ones are out of
            vocabulary. 0: 1, or what another user of the same table says.
        max_length: Longest list that is kept: its first entries. 0 keeps all, which lists of events cannot.
        transform: What the model does to a ``dense`` value. Statistics come from the training span.
        num_buckets: For ``bucketize``: buckets of equal mass on the training span.
        boundaries: For ``bucketize``: limits, instead of ``num_buckets``; for ``bins``: limits that ascend.
        group: Semantic group.
        role: Empty: the table's role, or for the log ``context``, and ``cross`` for a cross.
        table: Embedding table, to share it.
    """

    source: str = LOG
    column: str = ""
    kind: Literal["id", "multi_id", "dense"] = "id"
    derive: str = ""
    columns: list[str] = field(default_factory=list)
    per: str = ""
    separator: str = ""
    min_count: int = 0
    max_length: int = 0
    transform: Transform = "none"
    num_buckets: int = 0
    boundaries: list[float] = field(default_factory=list)
    group: str = ""
    role: Literal["", "user", "item", "context", "cross"] = ""
    table: str = ""

    @property
    def is_of_moment(self) -> bool:
        """Whether it comes from the impression's time, and no column is read."""
        of_log = self.source == LOG and not self.column
        return self.derive in ("hour", "weekday") or (self.derive in ("year", "month") and of_log)

    def reads(self, name: str) -> list[str]:
        """Return the columns that it reads, as it names them."""
        own = self.columns or ([] if self.is_of_moment else [self.column or name])
        return [*own, *([self.per] if self.per else [])]


@dataclass(frozen=True)
class Counter:
    """What happened before the impression to rows with the same keys: strictly earlier events only.

    Each value becomes a dense feature ``<counter>_<value>``. ``rate`` is the log-odds of the smoothed rate
    ``(positives + strength * prior) / (events + strength)``, ``count`` is ``log(1 + events)`` and ``age`` is
    ``log(1 + seconds since the last event)``, missing when there was none.

    Args:
        keys: Columns of the log or ``table.column``, together the key. Not outcomes.
        positive: Conditions of a positive event, all of which hold, as ``[is_click]``. Empty: only ``count`` and
            ``age`` make sense.
        where: Conditions of the events that are counted at all.
        values: Which features to make.
        prior: Rate of a key without events, between 0 and 1.
        backoff: Another counter whose rate at that time takes the place of ``prior``.
        strength: Weight of the prior in events.
        refresh: ``event`` sees every earlier event; ``day`` sees the events of earlier days, as figures that
            are computed every night do: with ``log.day`` those of earlier logged days that also happened before
            the midnight; ``train`` is frozen with the model: rows that train see every earlier event, rows that
            validate or test what was known at ``split.validate_from``, and no row sees the events of those
            (``age`` goes on to the row's own time). A rate of one's own that moves between the rows of a group goes
            up after a click and down after none, so that it ranks them backwards: it helps AUC and hurts an AUC by
            user. Give it a ``refresh`` that is rarer than a group lasts.
        log: What is counted: ``log``, the impression log, or the name of an event log, which then has the columns of
            the conditions, and those of the keys beside the impression log (``event_logs.NAME.names`` where they are
            called otherwise).
        snapshot_positives: List column of the snapshot whose entries count as earlier positives.
        snapshot_events: List column of the snapshot whose entries count as earlier events; for a counter by
            user also a column of numbers.
        transform: As for a feature.
        num_buckets: As for a feature.
        group: Semantic group.
        role: Whose property this is.
    """

    keys: list[str]
    positive: list[Condition] = field(default_factory=list)
    where: list[Condition] = field(default_factory=list)
    values: list[Literal["rate", "count", "age"]] = field(default_factory=lambda: ["rate", "count"])
    prior: float = 0.5
    backoff: str = ""
    strength: float = 10.0
    refresh: Refresh = "event"
    log: str = LOG
    snapshot_positives: str = ""
    snapshot_events: str = ""
    transform: Literal["none", "standardize", "bucketize"] = "standardize"
    num_buckets: int = 0
    group: str = ""
    role: Role = "user"


@dataclass(frozen=True)
class EventSequence:
    """One behaviour sequence: the user's earlier rows of a log that fulfil the conditions, oldest first.

    Args:
        features: Side information of an event. Outcomes are allowed here: the events are over. Source ``log`` is the
            log that the sequence is made of.
        log: What the events are: ``log``, rows of the impression log, or the name of an event log.
        where: Conditions, for example ``[is_click]`` or ``[play_time_ms >= 10000]``. Empty: every impression.
        snapshot: List column of the snapshot that precedes the log's events. Those events have no time and no
            columns of the log but the item.
        refresh: ``event``, ``day`` or ``train``, as for a counter.
        max_length: Most recent events that are kept.
    """

    features: dict[str, Column]
    log: str = LOG
    where: list[Condition] = field(default_factory=list)
    snapshot: str = ""
    refresh: Refresh = "event"
    max_length: int = 50
