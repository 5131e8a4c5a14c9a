"""The recipe: one YAML file that says how a data set's logs become training data. Data only, never code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from hyrec.files import read_yaml
from hyrec.mappings import build_dataclass, plain_dataclass
from hyrec.messages import suggest
from hyrec.schema import Role, Task, Transform

LOG = "log"
Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not in"]


class RecipeError(ValueError):
    """A recipe that cannot be used, or logs that do not fit it."""


@dataclass(frozen=True)
class Condition:
    """One comparison of a column with a value. A missing value fulfils no condition.

    Args:
        column: Column of the log, or ``table.column``.
        op: The comparison.
        value: What the column is compared with; a list for ``in`` and ``not in``.
    """

    column: str
    op: Comparison = "=="
    value: Any = 1


@dataclass(frozen=True)
class Log:
    """The impression log: one row for each candidate that was shown.

    Args:
        files: File names or globs in the order of preference; the first that matches anything is read, all
            its matches. Parquet and CSV (also gzipped) by suffix.
        user: Column of the user's id.
        item: Column of the item's id.
        time: Column of the impression's time, a number since 1970 (UTC).
        outcomes: Columns that are known only after the impression. They may be labels, conditions and side
            information of earlier events, and are refused as features of the impression itself.
        time_unit: Unit of ``time``.
        time_zone: Zone of days and hours, for example ``Asia/Shanghai``.
        day: Column with the day a row belongs to, as 20220425 or 2022-04-25, which then decides the split.
            Empty: the row's time decides.
        keep: Conditions that every row must fulfil, for impressions and histories. Not on outcomes.
        delay: Seconds until an event becomes visible: an impression at t sees the events before t - delay.
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


@dataclass(frozen=True)
class Table:
    """Properties of users or items, joined to every row of the log. Its state must precede the log.

    Args:
        files: As ``log.files``.
        key: Column of the table that the log refers to; its values must be unique.
        on: Column of the log. Empty: the same name as ``key``.
        role: Role of its features, unless a feature says otherwise.
    """

    files: list[str]
    key: str
    on: str = ""
    role: Role = "item"


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
    """

    files: list[str]
    user: str
    last_time: str = ""
    before: str = ""


@dataclass(frozen=True)
class LogSplit:
    """Moments that part the log's rows by time; a day or an ISO date-time in ``log.time_zone``.

    Args:
        validate_from: Rows before it train. Vocabularies and statistics see these rows only.
        test_from: Rows from ``validate_from`` to it validate; rows from it on test.
        train_from: Earlier rows are history only. Empty: all train.
        until: Rows from this moment on are not used. Empty: all are.
    """

    validate_from: str
    test_from: str
    train_from: str = ""
    until: str = ""


@dataclass(frozen=True)
class Column:
    """One feature, or one piece of side information of an event.

    Args:
        source: ``log`` or the name of a table.
        column: Column of the source. Empty: the feature's own name.
        kind: ``id``, ``multi_id`` (a list, or a string with ``separator``) or ``dense``.
        derive: ``hour`` or ``weekday`` of the impression, ``age`` = days from the column's date to the
            impression, or ``first`` entry of a list.
        per: Divide by this column of the same source; a zero there gives a missing value.
        separator: Parts the entries of a list that is stored as a string.
        min_count: Rows of the training span that a value needs for an id of its own; rarer ones are out of
            vocabulary. 0: 1, or what another user of the same table says.
        max_length: Longest list that is kept. 0 keeps all.
        transform: What the model does to a ``dense`` value. Statistics come from the training span.
        num_buckets: For ``bucketize``: buckets of equal mass on the training span.
        boundaries: For ``bucketize``: limits, instead of ``num_buckets``.
        group: Semantic group.
        role: Empty: the table's role, or ``context`` for the log.
        table: Embedding table, to share it.
    """

    source: str = LOG
    column: str = ""
    kind: Literal["id", "multi_id", "dense"] = "id"
    derive: Literal["", "hour", "weekday", "age", "first"] = ""
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


@dataclass(frozen=True)
class Counter:
    """What happened before the impression to rows with the same keys: strictly earlier events only.

    Each value becomes a dense feature ``<counter>_<value>``. ``rate`` is the log-odds of the smoothed rate
    ``(positives + strength * prior) / (events + strength)``, ``count`` is ``log(1 + events)`` and ``age`` is
    ``log(1 + seconds since the last event)``, missing when there was none.

    Args:
        keys: Columns of the log or ``table.column``, together the key. Not outcomes.
        positive: Conditions of a positive event. Empty: only ``count`` and ``age`` make sense.
        where: Conditions of the events that are counted at all.
        values: Which features to make.
        prior: Rate of a key without events, between 0 and 1.
        backoff: Another counter whose rate at that time takes the place of ``prior``.
        strength: Weight of the prior in events.
        refresh: ``event`` sees every earlier event; ``day`` sees the events of earlier days, as figures that
            are computed every night do. A rate of one's own that moves within the day goes up after a click
            and down after none, so that it ranks a user's few impressions of a day backwards: it helps AUC
            and hurts an AUC by user.
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
    refresh: Literal["event", "day"] = "event"
    snapshot_positives: str = ""
    snapshot_events: str = ""
    transform: Literal["none", "standardize", "bucketize"] = "standardize"
    num_buckets: int = 0
    group: str = ""
    role: Role = "user"


@dataclass(frozen=True)
class EventSequence:
    """One behaviour sequence: the user's earlier log rows that fulfil the conditions, oldest first.

    Args:
        features: Side information of an event. Outcomes are allowed here: the events are over.
        where: Conditions, for example ``[{column: is_click}]``. Empty: every impression.
        snapshot: List column of the snapshot that precedes the log's events. Those events have no time and no
            columns of the log but the item.
        refresh: ``event`` or ``day``, as for a counter.
        max_length: Most recent events that are kept.
    """

    features: dict[str, Column]
    where: list[Condition] = field(default_factory=list)
    snapshot: str = ""
    refresh: Literal["event", "day"] = "event"
    max_length: int = 50


@dataclass(frozen=True)
class Recipe:
    """How logs become training data.

    Args:
        log: The impression log.
        split: Time split.
        features: Features of an impression by name.
        tasks: Labels by task name; their columns count as outcomes.
        tables: User and item tables by name.
        snapshot: Histories from before the log.
        counters: Point-in-time counters by name.
        sequences: Behaviour sequences by name.
        groups: Order of the semantic groups.
        group: Column of the log that query-level AUC groups by. Empty: ``log.user``.

    Raises:
        RecipeError: For anything that cannot be used: what, where and the remedy.
    """

    log: Log
    split: LogSplit
    features: dict[str, Column]
    tasks: dict[str, Task]
    tables: dict[str, Table] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    counters: dict[str, Counter] = field(default_factory=dict)
    sequences: dict[str, EventSequence] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    group: str = ""

    def __post_init__(self) -> None:
        _validate(self)

    @property
    def outcomes(self) -> set[str]:
        """Columns of the log that are known only after the impression, labels included."""
        return {*self.log.outcomes, *(task.column or name for name, task in self.tasks.items())}

    @property
    def group_column(self) -> str:
        """Column that query-level AUC groups by."""
        return self.group or self.log.user

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read and check a recipe.

        Raises:
            RecipeError: When the file is missing, is not YAML, has an unknown key or a value that cannot be
                used.
        """
        path = Path(path)
        if not path.is_file():
            near = [str(p) for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
            raise RecipeError(f"There is no recipe {str(path)!r}.{suggest(str(path), near)}")
        try:
            return cls.from_dict(read_yaml(path.read_text(encoding="utf-8")))
        except yaml.YAMLError as error:
            raise RecipeError(f"{path} is not valid YAML: {error}") from error
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain mappings, as ``yaml.safe_load`` returns them."""
        recipe = build_dataclass(cls, content, "recipe", RecipeError)
        assert isinstance(recipe, Recipe)
        return recipe

    def save(self, path: str | Path) -> None:
        """Write the recipe without the entries that equal their defaults."""
        Path(path).write_text(yaml.safe_dump(plain_dataclass(self), sort_keys=False), encoding="utf-8")


def _validate(recipe: Recipe) -> None:
    for kind in ("features", "tasks", "tables", "counters", "sequences"):
        for name in getattr(recipe, kind):
            if not re.fullmatch(r"\w[\w-]*", name):
                raise RecipeError(f"{kind} has the name {name!r}; names are letters, digits, '_' and '-'.")
    made = {f"{name}_{value}": name for name, counter in recipe.counters.items() for value in counter.values}
    if clash := sorted(set(made) & set(recipe.features)):
        raise RecipeError(f"counters.{made[clash[0]]} makes the feature {clash[0]!r}, which features has already.")
    for name, column in recipe.features.items():
        _validate_column(recipe, name, column, f"features.{name}", may_be_outcome=False)
    for sequence, spec in recipe.sequences.items():
        where = f"sequences.{sequence}"
        _refuse_without_snapshot(recipe, spec.snapshot, where)
        for name, column in spec.features.items():
            _validate_column(recipe, name, column, f"{where}.features.{name}", may_be_outcome=True)
            if column.kind == "multi_id":
                raise RecipeError(f"{where}.features.{name}: an event holds one id each; use derive: first.")
    for condition in recipe.log.keep:
        _refuse_outcome(recipe, condition.column, "log.keep", "would select impressions by what came of them")
    for name, counter in recipe.counters.items():
        _validate_counter(recipe, name, counter)
    if not recipe.log.delay >= 0:
        raise RecipeError(f"log.delay must be 0 or more seconds, got {recipe.log.delay}.")


def _validate_column(recipe: Recipe, name: str, column: Column, where: str, *, may_be_outcome: bool) -> None:
    sources = [LOG, *recipe.tables]
    if column.source not in sources:
        hint = suggest(column.source, sources)
        raise RecipeError(f"{where}.source is {column.source!r}.{hint} Allowed: {', '.join(sources)}.")
    if column.source == LOG and not may_be_outcome and column.derive not in ("hour", "weekday"):
        for used in (column.column or name, column.per):
            _refuse_outcome(recipe, used, where, "is not known when the impression is scored")
    if column.per and column.kind != "dense":
        raise RecipeError(f"{where}.per is a division: it goes with kind 'dense', got {column.kind!r}.")
    if column.derive == "age" and column.kind != "dense":
        raise RecipeError(f"{where} derives an age in days: it needs kind 'dense', got {column.kind!r}.")
    if column.derive == "age" and may_be_outcome:
        raise RecipeError(f"{where} derives an age; the age of an event comes from its time, leave it out.")
    if (column.transform == "bucketize") != bool(column.num_buckets or column.boundaries):
        raise RecipeError(f"{where}: transform 'bucketize' goes with num_buckets or boundaries, and only with it.")
    if column.transform != "none" and column.kind != "dense":
        raise RecipeError(f"{where} has a transform, which is for kind 'dense', but its kind is {column.kind!r}.")


def _validate_counter(recipe: Recipe, name: str, counter: Counter) -> None:
    where = f"counters.{name}"
    if not counter.keys:
        raise RecipeError(f"{where}.keys is empty: name at least one column, for example [{recipe.log.item}].")
    for key in counter.keys:
        _refuse_outcome(recipe, key, where, "is not known when the impression is scored")
    if "rate" in counter.values and not counter.positive:
        raise RecipeError(f"{where} has a rate of what? Give it positive, or values: [count].")
    if not (0 < counter.prior < 1 and counter.strength > 0):
        raise RecipeError(
            f"{where} needs a prior between 0 and 1 and a strength above 0, got {counter.prior} and {counter.strength}."
        )
    if (counter.transform == "bucketize") != bool(counter.num_buckets):
        raise RecipeError(f"{where}: transform 'bucketize' goes with num_buckets, and only with it.")
    for column in (counter.snapshot_positives, counter.snapshot_events):
        _refuse_without_snapshot(recipe, column, where)
    earlier = list(recipe.counters)[: list(recipe.counters).index(name)]
    if counter.backoff and counter.backoff not in earlier:
        raise RecipeError(
            f"{where}.backoff is {counter.backoff!r}, which is no counter above it."
            f"{suggest(counter.backoff, earlier)} Allowed: {', '.join(earlier) or 'none'}."
        )


def _refuse_outcome(recipe: Recipe, column: str, where: str, why: str) -> None:
    if column in recipe.outcomes:
        raise RecipeError(
            f"{where} uses {column!r}, an outcome of the impression: it {why}. Outcomes may be labels, "
            "conditions and side information of earlier events, and counted in counters."
        )


def _refuse_without_snapshot(recipe: Recipe, column: str, where: str) -> None:
    if column and recipe.snapshot is None:
        raise RecipeError(f"{where} reads {column!r} of a snapshot, but the recipe has no 'snapshot'.")
