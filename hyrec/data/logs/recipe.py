"""The recipe: one YAML file that says how a data set's logs become training data. Data only, never code."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import yaml

from hyrec.data.logs.derived_rules import validate_derived
from hyrec.data.logs.event_log import EventLog
from hyrec.data.logs.log_split import LogSplit
from hyrec.data.logs.negative_rule import REQUEST, Negatives
from hyrec.data.logs.recipe_parts import (
    LOG,
    Column,
    Counter,
    EventSequence,
    Log,
    RecipeError,
    Refresh,
    Snapshot,
    Table,
)
from hyrec.mappings import build_dataclass, plain_dataclass, read_as
from hyrec.messages import unknown
from hyrec.schema import Task


@dataclass(frozen=True)
class Recipe:
    """How logs become training data.

    Args:
        log: The impression log.
        split: Which rows train, validate and test, in one of four ways: by moments (``validate_from``, ``test_from``),
            by shares (``validate_share``, ``test_share``), by the last rows of each user (``leave_one_out``), or by a
            ``column``. Vocabularies and statistics see the rows that train only. By moments and by shares these are
            the earliest; otherwise a row that trains may see earlier events that validate or test for others.
        features: Features of an impression by name.
        tasks: Labels by task name; their columns count as outcomes.
        tables: User and item tables by name.
        snapshot: Histories from before the log.
        event_logs: Logs of other events by name, for sequences and counters: searches, purchases, plays.
        negatives: Where the log holds positives only: items drawn beside each row. The log then has no column of the
            one task's label, which becomes 1 and for drawn rows 0. A drawn row is no event; it has the columns of its
            positive, but properties of items have to come from tables, which are joined to the drawn item. The column
            ``request`` numbers the positives; drawn rows have the number of theirs, and ``group`` is ``request`` unless
            something else is written. What is fitted sees the log's own rows only. As nothing that a user has taken is
            drawn, a counter by user and item tells a positive that is taken again.
        counters: Point-in-time counters by name.
        sequences: Behaviour sequences by name.
        groups: Order of the semantic groups.
        group: Column of the log that query-level AUC groups by, such as a request's id, or several, whose combination
            counts: ``[user_id, day]``. ``day`` is the impression's day: ``log.day``, or that of its time in
            ``log.time_zone``. Empty: ``log.user``. Rows of one group are compared with one another, so what is known
            should not move between them; the build tells which counters do.

    Raises:
        RecipeError: For anything that cannot be used: what, where and the remedy.
    """

    log: Log
    split: LogSplit
    features: dict[str, Column]
    tasks: dict[str, Task]
    tables: dict[str, Table] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    event_logs: dict[str, EventLog] = field(default_factory=dict)
    negatives: Negatives | None = None
    counters: dict[str, Counter] = field(default_factory=dict)
    sequences: dict[str, EventSequence] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    group: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if isinstance(cast(object, self.group), str):
            object.__setattr__(self, "group", [self.group] if self.group else [])
        _validate(self)

    @property
    def outcomes(self) -> set[str]:
        """Columns of the log that are known only after the impression, labels included."""
        return {*self.log.outcomes, *self.labels.values()}

    @property
    def labels(self) -> dict[str, str]:
        """Column of the log that holds the label, by task."""
        return {name: task.column or name for name, task in self.tasks.items()}

    @property
    def group_by(self) -> list[str]:
        """Columns of the log, and ``day``, that query-level AUC groups by."""
        return list(dict.fromkeys(self.group)) or [REQUEST if self.negatives else self.log.user]

    @property
    def group_column(self) -> str:
        """Column of the data set that holds the group."""
        return "_".join(self.group_by)

    def name_in(self, log: str, column: str) -> str:
        """Return what a log calls a column of the impression log."""
        if log == LOG:
            return column
        spec = self.event_logs[log]
        return spec.names.get(column, spec.user if column == self.log.user else column)

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read and check a recipe.

        Raises:
            RecipeError: When the file is missing, is not YAML, has an unknown key or a value that cannot be
                used.
        """
        return read_as(cls.from_dict, Path(path), "recipe", RecipeError)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Recipe:
        """Build a recipe from plain mappings, as ``yaml.safe_load`` returns them."""
        if isinstance(content, Mapping) and isinstance(content.get("group"), str):
            content = {**content, "group": [content["group"]] if content["group"] else []}
        return build_dataclass(cls, content, "recipe", RecipeError)

    def save(self, path: str | Path) -> None:
        """Write the recipe without the entries that equal their defaults."""
        Path(path).write_text(yaml.safe_dump(plain_dataclass(self), sort_keys=False), encoding="utf-8")


def _validate(recipe: Recipe) -> None:
    for kind in ("features", "tasks", "tables", "event_logs", "counters", "sequences"):
        for name in getattr(recipe, kind):
            if not re.fullmatch(r"\w[\w-]*", name):
                raise RecipeError(f"{kind} has the name {name!r}; names are letters, digits, '_' and '-'.")
    _validate_event_logs(recipe)
    made = {f"{name}_{value}": name for name, counter in recipe.counters.items() for value in counter.values}
    if clash := sorted(set(made) & set(recipe.features)):
        raise RecipeError(f"counters.{made[clash[0]]} makes the feature {clash[0]!r}, which features has already.")
    for name, column in recipe.features.items():
        _validate_column(recipe, name, column, f"features.{name}", may_be_outcome=False)
    for sequence, spec in recipe.sequences.items():
        where = f"sequences.{sequence}"
        _refuse_snapshot(recipe, spec.snapshot, spec.log, where)
        for name, column in spec.features.items():
            _validate_column(recipe, name, column, f"{where}.features.{name}", may_be_outcome=True)
            if column.kind == "multi_id" and not column.max_length:
                raise RecipeError(
                    f"{where}.features.{name} of kind 'multi_id' needs a max_length, for example 8: the lists of all "
                    "events take as much room as the longest. Or use derive: first."
                )
    for condition in recipe.log.keep:
        _refuse_outcome(recipe, condition.column, "log.keep", "would select impressions by what came of them")
    for unique in recipe.log.unique:
        _refuse_outcome(recipe, unique, "log.unique", "would choose among rows by what came of them")
    _validate_repeated(recipe.log, "log")
    for name, events in recipe.event_logs.items():
        _validate_repeated(events, f"event_logs.{name}")
    _validate_split(recipe)
    if recipe.negatives:
        _validate_negatives(recipe)
    for grouped in recipe.group:
        _refuse_outcome(recipe, grouped, "group", "would compare impressions by what came of them")
    for name, counter in recipe.counters.items():
        _validate_counter(recipe, name, counter)
    if not recipe.log.delay >= 0:
        raise RecipeError(f"log.delay must be 0 or more seconds, got {recipe.log.delay}.")


def _validate_split(recipe: Recipe) -> None:
    for column in sorted(recipe.split.columns):
        _refuse_outcome(recipe, column, "split", "would part impressions by what came of them")
        if late := [where for where, refresh in _refreshed(recipe) if refresh == "train"]:
            raise RecipeError(
                f"{late[0]}.refresh is 'train': figures that freeze at the moment from which on rows validate. A split "
                f"by {column!r} has no such moment. Use event or day, or split by moments or shares."
            )


def _refreshed(recipe: Recipe) -> list[tuple[str, Refresh]]:
    """Return how often counters and sequences are refreshed."""
    counters = [(f"counters.{name}", counter.refresh) for name, counter in recipe.counters.items()]
    return [*counters, *((f"sequences.{name}", spec.refresh) for name, spec in recipe.sequences.items())]


def _validate_negatives(recipe: Recipe) -> None:
    if len(recipe.tasks) != 1 or any(task != Task(column=task.column) for task in recipe.tasks.values()):
        raise RecipeError(
            "negatives make the label of one task, 1 and 0: name one without a rule of its positives, as in "
            "tasks: {taken: {}}."
        )
    item = recipe.log.item
    for name, column in recipe.features.items():
        of_log = column.source == LOG and not column.columns
        if of_log and column.role in ("item", "cross") and (column.column or name) != item:
            raise RecipeError(
                f"features.{name} is a property of items in the log, and negatives are items without a row of it: read "
                f"it from a table with the key {item!r}."
            )
    for name, table in recipe.tables.items():
        if table.role == "item" and (table.on or table.key) != item:
            raise RecipeError(
                f"tables.{name} is of items but joined by {table.on or table.key!r} of the log, and negatives are "
                f"items without a row of it: join it by {item!r}, or give it the role context."
            )


def _validate_repeated(log: Log | EventLog, where: str) -> None:
    allowed = ("first", "last", "error") if log.unique else ("keep", "drop", "error")
    if log.repeated not in allowed:
        so = f"with {where}.unique" if log.unique else f"without {where}.unique"
        raise RecipeError(f"{where}.repeated is {log.repeated!r}; {so} it is one of {', '.join(allowed)}.")


def _validate_column(recipe: Recipe, name: str, column: Column, where: str, *, may_be_outcome: bool) -> None:
    sources = [LOG, *recipe.tables]
    if column.source not in sources:
        raise RecipeError(unknown(f"{where}.source is", column.source, sources))
    validate_derived(column, where)
    if column.source == LOG and not may_be_outcome:
        for used in column.reads(name):
            _refuse_outcome(recipe, used, where, "is not known when the impression is scored")
    if column.per and column.kind != "dense":
        raise RecipeError(f"{where}.per is a division: it goes with kind 'dense', got {column.kind!r}.")
    if column.derive == "age" and column.kind != "dense":
        raise RecipeError(f"{where} derives an age in days: it needs kind 'dense', got {column.kind!r}.")
    if column.derive == "age" and may_be_outcome:
        raise RecipeError(f"{where} derives an age; the age of an event comes from its time, leave it out.")
    limited = bool(column.num_buckets or (column.boundaries and column.derive != "bins"))
    if (column.transform == "bucketize") != limited:
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
        _refuse_snapshot(recipe, column, counter.log, where)
    earlier = list(recipe.counters)[: list(recipe.counters).index(name)]
    if counter.backoff and counter.backoff not in earlier:
        raise RecipeError(
            unknown(f"{where}.backoff is", counter.backoff, earlier, why=", which is no counter above it")
        )


def _refuse_outcome(recipe: Recipe, column: str, where: str, why: str) -> None:
    if any(column == outcome or column.startswith(f"{outcome}.") for outcome in recipe.outcomes):
        raise RecipeError(
            f"{where} uses {column!r}, an outcome of the impression: it {why}. Outcomes may be labels, "
            "conditions and side information of earlier events, and counted in counters."
        )


def _validate_event_logs(recipe: Recipe) -> None:
    if LOG in recipe.event_logs:
        raise RecipeError(f"event_logs has the name {LOG!r}, which is the impression log's; give it another one.")
    made = {f"sequences.{name}": spec.log for name, spec in recipe.sequences.items()}
    made |= {f"counters.{name}": counter.log for name, counter in recipe.counters.items()}
    known = [LOG, *recipe.event_logs]
    for where, log in made.items():
        if log not in known:
            raise RecipeError(unknown(f"{where}.log is", log, known))
    for name, spec in recipe.event_logs.items():
        where = f"event_logs.{name}"
        if name not in made.values():
            raise RecipeError(f"{where} is used by nothing: write sequences.NAME.log: {name}, or leave it out.")
        if not 0 <= spec.delay < math.inf:
            raise RecipeError(f"{where}.delay must be 0 or more seconds, got {spec.delay}.")
        named = {table.on or table.key for table in recipe.tables.values()}
        named |= {key for counter in recipe.counters.values() if counter.log == name for key in counter.keys}
        for column in spec.names:
            if column not in named:
                why = f", by which no table is joined and no counter of {name!r} counts"
                raise RecipeError(unknown(f"{where}.names has", column, sorted(named), why=why))


def _refuse_snapshot(recipe: Recipe, column: str, log: str, where: str) -> None:
    if column and log != LOG:
        raise RecipeError(f"{where} reads {column!r} of the snapshot, which is of the impression log, not of {log!r}.")
    if column and recipe.snapshot is None:
        raise RecipeError(f"{where} reads {column!r} of a snapshot, but the recipe has no 'snapshot'.")
