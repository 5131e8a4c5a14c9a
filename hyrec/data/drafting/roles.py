"""Which files and columns are the log, its user, item, time and labels, what comes of an impression, and the groups."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import polars as pl

from hyrec.data.drafting.alone import auc_alone, is_there
from hyrec.data.drafting.columns import (
    FRACTIONS,
    ITEM,
    LABELS,
    OUTCOME,
    REQUEST,
    USER,
    Guess,
    is_binary,
    is_named,
    share,
    words,
)
from hyrec.data.drafting.raw_table import RawTable
from hyrec.data.drafting.unread import of_words, unread_times
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.messages import listed, suggest

_ORDER = frozenset(["order", "step", "sequence", "seq", "index", "turn"])
_DATED = frozenset(["time", "timestamp", "date", "day", "dt", "ts", "at"])
_TELLS = 0.9
"""AUC from which a column tells the label."""
_KEYS = 10
"""Users or items with several rows that it takes to say that these determine a column."""


class Why(NamedTuple):
    """Why something was guessed, and whether nothing else came into question."""

    text: str
    sure: bool = True


GIVEN = Why("")


@dataclass(frozen=True)
class Label:
    """A label: its column, the value above which it is positive, and the share of positives."""

    column: str
    threshold: float
    rate: float

    @property
    def options(self) -> dict[str, Any]:
        """A task of it, as recipes and schemas write one."""
        return {"column": self.column, **({"threshold": self.threshold} if self.threshold else {})}


@dataclass(frozen=True)
class Roles:
    """What the log's columns are.

    Args:
        log: The log.
        user: Column of the user.
        item: Column of the item.
        time: Column of the time.
        unit: Its unit.
        is_clock: Whether it tells hours and days, or only the order.
        labels: By task name.
        others: Columns that could be labels, too.
        outcomes: What is known only after the impression, labels included, and why.
        group: What is compared with one another.
        belongs: ``user`` or ``item`` for columns that these determine.
        why: Of user, item, time, label and group.
    """

    log: RawTable
    user: str
    item: str
    time: str
    unit: str
    is_clock: bool
    labels: dict[str, Label]
    others: list[str]
    outcomes: dict[str, Why]
    group: list[str]
    belongs: dict[str, str]
    why: dict[str, Why] = field(default_factory=dict)


def find_roles(tables: list[RawTable], given: dict[str, list[str]]) -> Roles:
    """Find the log among the tables, and what its columns are; ``given`` is what ``--user`` and the like name.

    Raises:
        RecipeError: When no column can be the user, item, time or label: which there are, and the option that names it.
    """
    for option, names in given.items():
        for name in names:
            if not any(name in table.columns for table in tables):
                known = [column for table in tables for column in table.columns]
                raise RecipeError(f"--{option}: no file has a column {name!r}.{suggest(name, known)}")
    found = [_user_item_time(table, given, _keys_of_others(table, tables)) for table in tables]
    has_labels = [all(name in table.columns for name in given.get("label", [])) for table in tables]
    looks_labelled = [
        any(words(name) & OUTCOME and is_binary(table.sample[name]) for name in table.columns) for table in tables
    ]
    best = max(
        range(len(tables)),
        key=lambda place: (has_labels[place], len(found[place]), looks_labelled[place], tables[place].num_rows),
    )
    log, roles, guesses = tables[best], found[best], tables[best].guesses
    if not log.num_rows:
        raise RecipeError(f"{log.pattern} holds a header and no rows.")
    for role in ("user", "item", "time"):
        if role not in roles:
            raise RecipeError(_not_found(role, log))
    if told := unread_times(log, [roles["time"][0]]):
        raise RecipeError(f"--time: {told}")
    (user, why_user), (item, why_item), (time, why_time) = (roles[role] for role in ("user", "item", "time"))
    taken = {user, item, time}
    belongs = _determined(log.sample, {"user": user, "item": item}, taken)
    labels, others, why_label = find_labels(log, given.get("label", []), taken, belongs)
    is_clock = guesses[time].kind in ("time", "day")
    group, why_group = _group(log, user, taken, is_clock)
    rest = [name for name in log.columns if name not in {*taken, *group} and guesses[name].kind != "none"]
    outcomes = find_outcomes(log.sample, rest, next(iter(labels.values())), others, belongs)
    outcomes |= {label.column: Why("the label") for label in labels.values()}
    return Roles(
        log, user, item, time, guesses[time].unit or "s", is_clock, labels, others, outcomes, group, belongs,
        {"user": why_user, "item": why_item, "time": why_time, "label": why_label, "group": why_group},
    )  # fmt: skip


def _not_found(role: str, log: RawTable) -> str:
    """Say what no column looks like, which columns there are, and what helps."""
    told = [f"No column of {log.pattern} looks like the {role}; name it with --{role} COLUMN."]
    told += [
        f"{name!r} holds {seen.why}." for name, seen in log.guesses.items() if role == "time" and seen.why == FRACTIONS
    ]
    if role == "time" and (unread := unread_times(log, log.columns)):
        return f"No column of {log.pattern} is a time that can be read. {unread}"
    told.append(listed(log.columns, "Columns"))
    if log.separators and any(re.fullmatch(r"[\d.]+", name) for name in log.columns):
        return "\n".join(
            [
                *told,
                "The first line of a CSV file names its columns; where it holds values, name them: --columns a,b,c.",
            ]
        )
    return "\n".join(
        [*told, "If the rows are training rows already, with features and labels, draft their schema: --schema."]
    )


def is_determined(keys: pl.Series, values: pl.Series) -> bool:
    """Whether rows of one key hold one value, and other keys hold others."""
    frame = pl.DataFrame([keys.alias("key"), values.hash().alias("value")])
    by_key = frame.group_by("key").agg(pl.len(), pl.col("value").n_unique().alias("n"), pl.col("value").first())
    by_key = by_key.filter(pl.col("len") > 1)
    others = by_key.filter(pl.col("value") != by_key["value"].mode().first()) if by_key.height else by_key
    return by_key.height >= _KEYS and others.height >= 3 and bool((by_key["n"] == 1).all())


def _keys_of_others(table: RawTable, tables: list[RawTable]) -> dict[str, set[str]]:
    """Return the columns that are unique in another table, with the words of its name."""
    found: dict[str, set[str]] = {}
    for other in [other for other in tables if other is not table]:
        for name in {*table.columns} & {*other.columns}:
            values = other.sample[name]
            if not values.dtype.is_nested() and not values.is_duplicated().any():
                found.setdefault(name, set()).update(words(other.name))
    return found


def _user_item_time(
    table: RawTable, given: dict[str, list[str]], keys: dict[str, set[str]]
) -> dict[str, tuple[str, Why]]:
    found = {role: (given[role][0], GIVEN) for role in given if role != "label" and given[role][0] in table.columns}
    taken = {name for name, _ in found.values()}
    if "time" not in given and (time := time_column(table)):
        found["time"] = time
    taken |= {name for name, _ in found.values()}
    free = [
        name for name in table.columns if name not in taken and _may_be_key(table.sample[name], table.guesses[name])
    ]
    for role, vocabulary in (("user", USER), ("item", ITEM)):
        named = [name for name in free if is_named(name, vocabulary) and not words(name) & REQUEST]
        named = named or [name for name in free if keys.get(name, set()) & vocabulary]
        if role not in given and named:
            best = max(
                named, key=lambda name: (words(name) <= vocabulary | {"id"}, "id" in words(name), -named.index(name))
            )
            found[role] = best, Why(f"{_reason(best, keys)}; {table.sample[best].n_unique():,} values", len(named) == 1)
            free.remove(best)
    left = [name for name in free if (name in keys or "id" in words(name)) and not words(name) & REQUEST]
    missing = {"user", "item"} - {*found, *given}
    if len(missing) == 1 and left:
        best = max(left, key=lambda name: table.sample[name].n_unique())
        found[missing.pop()] = best, Why("of the other ids the one with the most values", sure=False)
    return found


def _reason(name: str, keys: dict[str, set[str]]) -> str:
    return "its name" if is_named(name, USER | ITEM) else f"the key of {'_'.join(sorted(keys[name]))}"


def time_column(table: RawTable) -> tuple[str, Why] | None:
    """Return the column of the time; without a clock one that counts, as a place in a user's history."""
    guesses = table.guesses
    times = [name for name, seen in guesses.items() if seen.kind == "time"]
    if times:
        best = max(times, key=lambda name: (not words(name) & OUTCOME, guesses[name].sure, guesses[name].distinct))
        return best, Why(guesses[best].why, guesses[best].sure and len(times) == 1)
    days = [name for name, seen in guesses.items() if seen.kind == "day" and not seen.unit and words(name) & _DATED]
    if days:
        return days[0], Why("it holds days only: rows of one day do not see one another", sure=False)
    for name in table.columns:
        counts = table.sample[name].dtype.is_integer() and guesses[name].distinct > 2
        if counts and words(name) & (_ORDER | {"time", "timestamp"}) and not words(name) & {"id", *OUTCOME}:
            return name, Why("no column is a clock; this one seems to count", sure=False)
    return None


def _may_be_key(values: pl.Series, seen: Guess) -> bool:
    return seen.kind in ("id", "none", "dense") and not values.dtype.is_nested() and values.n_unique() > 3


def _determined(sample: pl.DataFrame, keys: dict[str, str], taken: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for role, key in keys.items():
        for name in set(sample.columns) - {*taken}:
            by_name = words(name) & (USER if role == "user" else ITEM)
            if (name not in found or by_name) and is_determined(sample[key], sample[name]):
                found[name] = role
    return found


def find_labels(
    log: RawTable, given: list[str], taken: Collection[str], belongs: dict[str, str]
) -> tuple[dict[str, Label], list[str], Why]:
    """Return the labels by task name, other columns that might be, and why it is these."""
    sample, guesses = log.sample, log.guesses
    free = [name for name in log.columns if name not in taken and guesses[name].distinct > 1]
    binary = [name for name in free if is_binary(sample[name])]
    named = [name for name in binary if words(name) & OUTCOME]
    graded = frozenset(["rating", "overall", "stars", "score", "rate", "grade", "response", "label"])
    numbers = [name for name in free if sample[name].dtype.is_numeric() and name not in binary]
    named += [name for name in numbers if words(name) & graded and guesses[name].distinct <= 20]
    named.sort(key=lambda name: next((i for i, of in enumerate(LABELS) if words(name) & of), len(LABELS)))
    others = [name for name in binary if name not in belongs and name not in named]
    chosen, why = given, GIVEN
    if not given and named:
        several = f"; {len(named) - 1} others could be, too" if len(named) > 1 else ""
        chosen, why = named[:1], Why(f"its name and values{several}", not several)
    elif not given and len(others) == 1:
        chosen, why = others, Why("the only column of two values that neither user nor item determines", sure=False)
    if not chosen:
        raise RecipeError(
            f"No column of {log.pattern} looks like a label; name it with --label COLUMN.\n"
            f"A label is a number, or true and false. {listed(others, 'Columns of two values')}"
            f"{of_words(sample[free])}\n"
            f"{listed(log.columns, 'All columns')}"
        )
    if lost := [name for name in chosen if name not in log.columns]:
        raise RecipeError(f"--label: {log.pattern}, the log, has no column {lost[0]!r}.{suggest(lost[0], log.columns)}")
    labels = {_task_name(name): _label(sample[name]) for name in chosen}
    return labels, [name for name in named if name not in chosen], why


def _task_name(column: str) -> str:
    short = column.partition(":")[0].lower().removeprefix("is_").removeprefix("has_")
    return "".join(c if c.isalnum() else "_" for c in short) or "label"


def _label(values: pl.Series) -> Label:
    """Put the limit of a label's values where the positives are closest to a half."""
    known = values.drop_nulls()
    if not (known.dtype.is_numeric() or known.dtype == pl.Boolean):
        words_of = ", ".join(map(repr, known.unique().sort().head(3).to_list()))
        raise RecipeError(
            f"--label {values.name}: a label is a number or true and false, the column is {known.dtype} ({words_of}). "
            "Write 0 and 1."
        )
    known = known.cast(pl.Float64)
    limits = known.unique().sort()[:-1] if known.n_unique() <= 100 else known.quantile(0.5)
    limits = limits if isinstance(limits, pl.Series) else pl.Series([limits])
    if not len(limits):
        raise RecipeError(f"--label {values.name}: the column holds one value only.")
    rates = {float(limit): share(known > limit) for limit in limits}
    best = min(rates, key=lambda limit: abs(rates[limit] - 0.5))
    return Label(values.name, best, rates[best])


def _group(log: RawTable, user: str, taken: Collection[str], is_clock: bool) -> tuple[list[str], Why]:
    sample = log.sample
    for name in sample.columns:
        if name in taken or not words(name) & REQUEST or log.guesses[name].kind not in ("id", "dense"):
            continue
        rows = sample.height / max(1, sample[name].n_unique())
        if rows > 1.2 and is_determined(sample[name], sample[user]):
            return [name], Why(f"its name; {rows:.1f} rows each, all of one user")
    if not is_clock:
        return [user], Why("a user's rows are compared; the time tells no days", sure=False)
    return [user, "day"], Why("no column is a request: a user's rows of a day are compared")


def find_outcomes(
    sample: pl.DataFrame, names: Iterable[str], label: Label, others: Collection[str], belongs: dict[str, str]
) -> dict[str, Why]:
    """Return the columns that seem to be known only after the impression."""
    found: dict[str, Why] = {}
    known = sample.filter(pl.col(label.column).is_not_null())
    positive = (known[label.column].cast(pl.Float64) > label.threshold).to_numpy()
    for name in names:
        if name in others:
            found[name] = Why("could be a label, too")
        elif words(name) & OUTCOME and name not in belongs:
            found[name] = Why("its name: what came of the impression")
        elif name != label.column:
            there = auc_alone(is_there(known[name]), positive)
            tells = max(there, 0.0 if known[name].dtype.is_nested() else auc_alone(known[name], positive))
            if tells > _TELLS:
                how = "whether it is there" if tells == there else "it"
                found[name] = Why(f"{how} tells the label (AUC {tells:.2f})", sure=False)
    return found
