"""Parts the rows of a log into those that train, validate and test, and tells of splits that are of no use."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.condition import Condition
from hyrec.data.logs.history import Ints, key_codes, runs
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.rows import Mask, matching
from hyrec.data.logs.times import bound, local_times
from hyrec.files import yaml_line
from hyrec.mappings import plain_dataclass
from hyrec.messages import listed

SPLITS = ("train", "validate", "test")
_FEWEST = 3
"""Moments of a user that leave-one-out needs: one for each split."""
Numbers = NDArray[np.int8]


def with_moments(recipe: Recipe, logs: Logs) -> Recipe:
    """Return the recipe with the moments that its shares mean for these rows, so that later rows are split alike."""
    split = recipe.split
    if not (split.validate_share or split.test_share):
        return recipe
    moments, counts = np.unique(logs.moment[_used(recipe, logs)], return_counts=True)
    if not len(moments):
        raise RecipeError(f"No row is left to train: the log's days are {day_range(logs, recipe)}.")
    at_least = np.append(np.cumsum(counts[::-1])[::-1], 0)  # rows from each moment on, and after the last
    tested = _first(at_least, split.test_share, 0)
    validated = _first(at_least, split.validate_share, int(at_least[tested]))
    limits = [_iso(recipe, moments, place) for place in (validated, tested)]
    return replace(
        recipe, split=replace(split, validate_share=0.0, test_share=0.0, validate_from=limits[0], test_from=limits[1])
    )


def _first(at_least: Ints, share: float, later: int) -> int:
    """Return the place of the latest moment from which on there are ``later`` rows and a share of all."""
    wanted = later + math.ceil(Fraction(str(share)) * int(at_least[0]))
    return int(np.flatnonzero(at_least >= wanted)[-1]) if wanted <= at_least[0] else 0


def _iso(recipe: Recipe, moments: Ints, place: int) -> str:
    """Write a moment in the log's zone; for the place after the last, a second more than the last."""
    log = recipe.log
    found = local_times(moments[[min(place, len(moments) - 1)]], log.time_zone, log.time_unit)[0]
    written: str = (found if place < len(moments) else found + timedelta(seconds=1)).isoformat()
    return written


def split_numbers(recipe: Recipe, logs: Logs) -> Numbers:
    """Return 0, 1, 2 for rows that train, validate, test; -1 for history only.

    Raises:
        RecipeError: When no row trains, or the column that decides has a value that nothing is said of.
    """
    split = recipe.split
    if split.columns and logs.asked is not None:  # new rows are in no split, and nothing asks for that of others
        return np.zeros(logs.rows.height, dtype=np.int8)
    used = _used(recipe, logs)
    if split.leave_one_out:
        number = _last_moments(recipe, logs, used)
    elif split.column:
        number = _by_column(recipe, logs, used)
    else:
        number = np.searchsorted(_limits(recipe), logs.moment, side="right").astype(np.int8)
    number[~used] = -1
    if not (number == 0).any():
        way = yaml_line(plain_dataclass(split))
        raise RecipeError(f"No row trains: the log's days are {day_range(logs, recipe)}, and split is {way}.")
    return number


def _limits(recipe: Recipe) -> Ints:
    split = recipe.split
    limits = np.array([bound(getattr(split, key), recipe, f"split.{key}") for key in ("validate_from", "test_from")])
    if limits[0] > limits[1]:
        raise RecipeError(f"split.validate_from {split.validate_from} is after split.test_from {split.test_from}.")
    return limits


def _used(recipe: Recipe, logs: Logs) -> Mask:
    """Return which rows are more than history."""
    if not recipe.split.train_from:
        return np.ones(logs.rows.height, dtype=np.bool_)
    return logs.moment >= bound(recipe.split.train_from, recipe, "split.train_from")


def _last_moments(recipe: Recipe, logs: Logs, used: Mask) -> Numbers:
    number = np.zeros(logs.rows.height, dtype=np.int8)
    rows, _, left, moments = _moments_left(recipe, logs, used)
    number[rows] = np.where(moments >= _FEWEST, np.maximum(2 - left, 0), 0)
    return number


def _moments_left(recipe: Recipe, logs: Logs, used: Mask) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the rows that have a value, its number, how many later moments it has, and how many in all."""
    values = logs.rows.column(recipe.split.leave_one_out, as_id=True)
    code = key_codes([values]).astype(np.int64)
    rows = np.flatnonzero(used & values.is_not_null().to_numpy())
    rows = rows[np.lexsort((logs.time[rows], code[rows]))]
    starts, ends = runs(code[rows], logs.time[rows])
    moment = np.repeat(np.arange(len(starts)), ends - starts)
    begin, end = runs(code[rows])
    last, size = moment[end - 1], end - begin
    return rows, code[rows], np.repeat(last, size) - moment, np.repeat(last - moment[begin] + 1, size)


def _by_column(recipe: Recipe, logs: Logs, used: Mask) -> Numbers:
    split = recipe.split
    number = np.full(logs.rows.height, -1, dtype=np.int8)
    for place, name in enumerate(SPLITS):
        named = Condition(split.column, "in", getattr(split, name))
        number[matching(logs.rows, [named] if named.value else [], f"split.{name}") & bool(named.value)] = place
    if (unnamed := used & (number < 0)).any():
        values = logs.rows.column(split.column).filter(pl.Series(unnamed))
        counted = values.value_counts(sort=True).rows()
        kinds = [f"{'no value' if value is None else repr(value)} ({rows:,} rows)" for value, rows in counted]
        raise RecipeError(
            f"split.column: rows with these values of {split.column!r} are in no split. {listed(kinds, 'Values')} Name "
            "them in split.train, validate or test, or leave those rows out with log.keep."
        )
    return number


def day_range(logs: Logs, recipe: Recipe) -> str:
    """Say from when to when the log goes."""
    if not len(logs.moment):
        return "none (no rows)"
    ends = np.array([logs.moment.min(), logs.moment.max()])
    first, last = local_times(ends, recipe.log.time_zone, recipe.log.time_unit).dt.strftime("%Y-%m-%d")
    return f"{first} to {last}"


def split_notes(asked: Recipe, found: Recipe, logs: Logs) -> list[str]:
    """Return what shares came to, and what became of users with few rows; ``found`` has the moments of the shares."""
    if asked.split != found.split:
        return [f"By shares: rows from {found.split.validate_from} on validate, from {found.split.test_from} on test."]
    if not asked.split.leave_one_out:
        return []
    _, value, _, moments = _moments_left(asked, logs, _used(asked, logs))
    few = moments < _FEWEST
    if not few.any():
        return []
    return [
        f"split.leave_one_out: {len(np.unique(value[few])):,} of {len(np.unique(value)):,} values of "
        f"{asked.split.leave_one_out!r} have fewer than {_FEWEST} moments: all their {int(few.sum()):,} rows train."
    ]
