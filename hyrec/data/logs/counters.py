"""Point-in-time counters: how often, how successfully and how long ago, by strictly earlier events."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.logs.groups import Groups
from hyrec.data.logs.history import EventIndex, Ints, Positions, key_codes
from hyrec.data.logs.ids import one_form
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Counter, RecipeError
from hyrec.data.logs.roles import Roles, of_user
from hyrec.data.logs.rows import Rows, matching
from hyrec.data.logs.snapshot import LIST
from hyrec.data.moments import UNITS

Floats = NDArray[np.float64]


def counter_values(
    recipe: Recipe, rows: Roles, groups: Groups | None = None
) -> Iterator[tuple[Counter, str, NDArray[np.float32]]]:
    """Yield every value of every counter, with the name of its feature, for the rows that are asked for.

    ``groups`` are told of counters that move inside them.
    """
    rates: dict[str, Floats] = {}
    for name, counter in recipe.counters.items():
        prior = rates.get(counter.backoff, counter.prior)
        rate, made = _counter(recipe, rows, counter, f"counters.{name}", prior, groups)
        if any(other.backoff == name for other in recipe.counters.values()):
            rates[name] = rate
        del rate
        for value in counter.values:
            yield counter, f"{name}_{value}", made.pop(value)


def _counter(
    recipe: Recipe, rows: Roles, counter: Counter, where: str, prior: Floats | float, groups: Groups | None
) -> tuple[Floats, dict[str, NDArray[np.float32]]]:
    """Return the rate of every row that is asked for, and each value that the counter has."""
    logs, unit = rows.logs, UNITS[recipe.log.time_unit]
    keys = [_key(logs.rows, key, where) for key in counter.keys]
    history, code = rows.history(counter.log), key_codes(keys)
    of_event = code
    if counter.log != LOG:
        own = [_key(history.rows, recipe.name_in(counter.log, key), where) for key in counter.keys]
        together = logs.events[counter.log].together
        code, of_event = np.split(key_codes(list(map(together, own, keys))), [logs.rows.height])
    event = history.is_event & matching(history.rows, counter.where, f"{where}.where")
    positive = matching(history.rows, counter.positive, f"{where}.positive") & bool(counter.positive)
    # Only logged days, and rows that never count, make rows count later than at their time.
    late = counter.refresh == "train" or (counter.refresh == "day" and recipe.log.day)
    known = rows.known(counter.refresh, counter.log)[event] if late else None
    with_age = "age" in counter.values
    earlier = EventCounts(of_event[event], history.time[event], positive[event], known, with_age=with_age)
    past_events = _snapshot_counts(recipe, rows, counter, counter.snapshot_events, where)
    past_positives = _snapshot_counts(recipe, rows, counter, counter.snapshot_positives, where)
    rate = np.empty(rows.num_asked)
    made: dict[str, NDArray[np.float32]] = {value: np.empty(len(rate), np.float32) for value in counter.values}
    for place, some in rows.asked_parts():
        seen = rows.seen_by(counter.refresh, some, counter.log)
        events, positives, age = earlier.before(code[some], logs.time[some], seen)
        events, positives = events + past_events[some], positives + past_positives[some]
        leaning = counter.strength * (prior if isinstance(prior, float) else prior[place])
        rate[place] = (positives + leaning) / (events + counter.strength)
        for value, floats in made.items():
            if value == "rate":
                floats[place] = log_odds(rate[place].clip(1e-6, 1 - 1e-6))
            else:
                floats[place] = np.log1p(events if value == "count" else age / unit)
    if groups is not None:
        groups.look(where, counter.refresh, keys, code, {value: made[value] for value in made if value != "age"})
    return rate, made


def _key(rows: Rows, key: str, where: str) -> pl.Series:
    values = rows.column(key, as_id=True)
    if values.dtype.is_nested():
        raise RecipeError(f"{where}.keys names {key!r}, a column of {values.dtype}; a key is a number or a string.")
    return values


def _snapshot_counts(recipe: Recipe, rows: Roles, counter: Counter, column: str, where: str) -> Floats:
    """Return how many events of the snapshot each row's key has, 0 for rows that do not see it."""
    logs, user = rows.logs, recipe.log.user
    if not column or logs.snapshot is None:
        return np.broadcast_to(0.0, logs.rows.height)
    seen = rows.sees_snapshot if user in counter.keys else rows.sees_all_snapshots
    if column in logs.snapshot.columns:
        if counter.keys != [user]:
            raise RecipeError(f"{where} counts the numbers of {column!r}: that is for keys [{user}] alone.")
        known = of_user(recipe, logs, logs.snapshot[column]).fill_null(0).cast(pl.Float64).to_numpy()
        return np.where(seen, known, 0.0)
    if absent := [key for key in counter.keys if not logs.past.has(key)]:
        raise RecipeError(f"{where} counts the snapshot by {absent[0]!r}, but its events have users and items only.")
    listed = pl.Series(logs.past.column(LIST) == column)
    pairs = [(_key(logs.rows, key, where), logs.past.column(key, as_id=True).filter(listed)) for key in counter.keys]
    code = key_codes([pl.concat(one_form([*pair])) for pair in pairs])
    counted = np.bincount(code[logs.rows.height :], minlength=int(code.max(initial=0)) + 1)
    return np.where(seen, counted[code[: logs.rows.height]], 0).astype(np.float64)


class EventCounts:
    """The events of each key, ready to be counted up to any moment; all arguments ``(N,)``.

    An event counts from the moment ``known`` on, at least its time; None: its time. ``with_age``: the time since the
    last event is wanted, which needs the times in memory.
    """

    def __init__(
        self,
        key: Positions,
        time: Ints,
        positive: NDArray[np.bool_],
        known: Ints | None = None,
        *,
        with_age: bool = True,
    ) -> None:
        self._index = EventIndex(key, time if known is None else known)
        order = self._index.order
        self._positives = np.concatenate([np.zeros(1, np.uint32), np.cumsum(positive[order], dtype=np.uint32)])
        self._latest = time[order] if with_age else None
        if self._latest is not None and known is not None:  # the last event to be known need not be the latest
            times, rank = np.unique(self._latest, return_inverse=True)
            before = key[order].astype(np.int64) * len(times)
            self._latest = times[np.maximum.accumulate(before + rank) - before]

    def before(self, key: Positions, time: Ints, seen: Ints) -> tuple[Floats, Floats, Floats]:
        """Count the events of the same key before ``seen``, the first moment that is not seen, all ``(B,)``.

        Returns:
            How many they are, how many of them were positive, and the time since the last one, NaN if there is none.
        """
        start, end = self._index.before(key, seen)
        age, some = np.full(len(key), np.nan), end > start
        if self._latest is not None:
            age[some] = time[some] - self._latest[end[some] - 1]
        positives = (self._positives[end] - self._positives[start]).astype(np.float64)
        return (end - start).astype(np.float64), positives, age


def log_odds(rate: Floats) -> Floats:
    """Return ``log(rate / (1 - rate))``."""
    return np.log(rate) - np.log1p(-rate)
