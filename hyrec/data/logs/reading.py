"""Reads the files that a recipe names and lays them out as rows in time order."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.logs.history import Ints
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Column, Condition, RecipeError
from hyrec.data.logs.times import check_zone, day_starts, midnights, whole_times
from hyrec.data.logs.vocabulary import id_values
from hyrec.messages import suggest

LIST = "snapshot list"
"""Column of ``Logs.past``: the list of the snapshot that the event stood in."""
_KEY = "table key"
_OPERATORS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda column, value: column.is_in(value),
    "not in": lambda column, value: ~column.is_in(value),
}


@dataclass(frozen=True)
class Logs:
    """Everything that was read.

    Args:
        rows: The log, sorted by time, then user, item and the other columns, with the columns of the tables
            as ``table.column``.
        time: Time of each row in the log's unit.
        moment: What the split goes by: ``time``, or midnight of the row's day by ``log.day``.
        day_start: Midnight before each row, by ``log.day`` where there is one.
        past: Events of the snapshot, in the order of their lists, with the columns of the tables; untimed.
        snapshot: The snapshot without its lists, or None when it was not read.
        files: Files that were read.
        dropped: Rows of the log that were left out, by reason.
    """

    rows: pl.DataFrame
    time: Ints
    moment: Ints
    day_start: Ints
    past: pl.DataFrame
    snapshot: pl.DataFrame | None
    files: list[str]
    dropped: dict[str, int]


def read_logs(recipe: Recipe, directory: Path) -> Logs:
    """Read the log, the tables and the snapshot.

    Raises:
        RecipeError: When a file or column is missing, with what there is instead.
    """
    log, files, dropped = recipe.log, [], {}
    columns = _log_columns(recipe)
    check_zone(log.time_zone)
    rows, paths = _read(log.files, directory, "log.files", columns)
    files += paths
    rows = rows.with_columns(
        whole_times(rows[log.time], log.time_unit, "log.time"),
        id_values(rows[log.user], f"log.user, column {log.user!r},"),
        id_values(rows[log.item], f"log.item, column {log.item!r},"),
    )
    known = rows.drop_nulls([log.user, log.item, log.time])
    dropped["user, item or time missing"], rows = rows.height - known.height, known
    for condition in log.keep:
        kept = rows.filter(matching(rows, [condition], "log.keep"))
        dropped[f"not {condition.column} {condition.op} {condition.value}"], rows = (
            rows.height - kept.height,
            kept,
        )
    first = [log.time, log.user, log.item]
    rows = rows.sort([*first, *(c for c in sorted(columns) if c not in first and not rows[c].dtype.is_nested())])
    time = rows[log.time].to_numpy().astype(np.int64)
    moment = midnights(rows[log.day], log.time_zone, log.time_unit) if log.day else time
    day_start = moment if log.day else day_starts(time, log.time_zone, log.time_unit)
    past, snapshot, paths = _read_snapshot(recipe, directory, rows)
    files += paths
    for name, table in recipe.tables.items():
        on = table.on or table.key
        wanted = sorted({*_columns_of(recipe, name), table.key})
        frame, paths = _read(table.files, directory, f"tables.{name}.files", wanted)
        files += paths
        frame = frame.with_columns(id_values(frame[table.key], f"tables.{name}.key, column {table.key!r},"))
        frame = frame.drop_nulls(table.key)
        if frame[table.key].n_unique() < frame.height:
            raise RecipeError(f"tables.{name}: {paths[0]} holds some {table.key} more than once; one row each.")
        renamed = frame.rename({column: f"{name}.{column}" for column in frame.columns})
        frame = renamed.with_columns(frame[table.key].alias(_KEY))
        rows = _join(rows.with_columns(id_values(rows[on], f"Column {on!r}")), frame, on, name)
        if on in past.columns:
            past = _join(past, frame, on, name)
    return Logs(rows, time, moment, day_start, past, snapshot, files, dropped)


def _join(rows: pl.DataFrame, table: pl.DataFrame, on: str, name: str) -> pl.DataFrame:
    if rows[on].dtype != table[_KEY].dtype:
        raise RecipeError(
            f"tables.{name} cannot be joined: {on!r} is {rows[on].dtype} in the log and {table[_KEY].dtype} "
            "in the table."
        )
    return rows.join(table, left_on=on, right_on=_KEY, how="left", maintain_order="left")


def matching(frame: pl.DataFrame, conditions: Iterable[Condition], where: str) -> NDArray[np.bool_]:
    """Return which rows fulfil all conditions."""
    mask: NDArray[np.bool_] = np.ones(frame.height, dtype=np.bool_)
    for condition in conditions:
        mask &= _checked(frame, condition, where).to_numpy()
    return mask


def _read(patterns: list[str], directory: Path, where: str, columns: Iterable[str]) -> tuple[pl.DataFrame, list[str]]:
    for pattern in patterns:
        paths = sorted(p for p in directory.glob(pattern) if p.is_file())
        if paths:
            break
    else:
        there = sorted(p.name for p in directory.iterdir()) if directory.is_dir() else []
        hint = suggest(patterns[0], there) if patterns else ""
        raise RecipeError(
            f"{where}: {directory} holds none of {', '.join(patterns)}.{hint} "
            f"It holds: {', '.join(there[:12]) or 'nothing'}."
        )
    frames = []
    for path in paths:
        frame = _read_file(path)
        for column in columns:
            if column not in frame.columns:
                raise RecipeError(
                    f"{where}: {path.name} has no column {column!r}.{suggest(column, frame.columns)} "
                    f"Columns: {', '.join(frame.columns)}."
                )
        frames.append(frame.select(sorted(columns)))
    return pl.concat(frames, how="vertical_relaxed"), [path.name for path in paths]


def _read_file(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path, glob=False)
        return pl.read_csv(path, infer_schema_length=None, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise RecipeError(
            f"{path} cannot be read as {'Parquet' if path.suffix == '.parquet' else 'CSV'}: {error}"
        ) from error


def _checked(frame: pl.DataFrame, condition: Condition, where: str) -> pl.Series:
    if condition.column not in frame.columns:
        hint = suggest(condition.column, frame.columns)
        raise RecipeError(f"{where} compares {condition.column!r}, which is no column.{hint}")
    try:
        compared = _OPERATORS[condition.op](pl.col(condition.column), condition.value)
        return frame.select(compared.fill_null(False)).to_series()
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise RecipeError(
            f"{where}: {condition.column!r} ({frame[condition.column].dtype}) cannot be compared by "
            f"{condition.op!r} with {condition.value!r}."
        ) from error


def _read_snapshot(
    recipe: Recipe, directory: Path, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame | None, list[str]]:
    log, spec = recipe.log, recipe.snapshot
    empty = pl.DataFrame(schema={log.user: rows[log.user].dtype, log.item: rows[log.item].dtype, LIST: pl.String})
    if spec is None or not any(p.is_file() for pattern in spec.files for p in directory.glob(pattern)):
        return empty, None, []
    used = {s.snapshot for s in recipe.sequences.values()}
    used |= {c for counter in recipe.counters.values() for c in (counter.snapshot_positives, counter.snapshot_events)}
    columns = sorted(({spec.user, spec.last_time} | used) - {""})
    frame, paths = _read(spec.files, directory, "snapshot.files", columns)
    frame = frame.with_columns(id_values(frame[spec.user], "snapshot.user").alias(log.user)).sort(log.user)
    if frame[log.user].n_unique() < frame.height:
        raise RecipeError(f"snapshot: {paths[0]} holds some {spec.user} more than once; one row a user.")
    if spec.last_time:
        frame = frame.with_columns(whole_times(frame[spec.last_time], log.time_unit, "snapshot.last_time"))
    lists = [c for c in columns if frame[c].dtype == pl.List]
    if wrong := sorted({s.snapshot for s in recipe.sequences.values()} - {"", *lists}):
        raise RecipeError(f"snapshot column {wrong[0]!r} is {frame[wrong[0]].dtype}; a sequence needs a list column.")
    parts = [
        frame.select(log.user, pl.col(name).alias(log.item), pl.lit(name).alias(LIST)).explode(log.item)
        for name in lists
    ]
    past = pl.concat(parts).drop_nulls(log.item) if parts else empty
    past = past.with_columns(id_values(past[log.item], "Items of the snapshot")) if past.height else empty
    for column, name in ((log.user, spec.user), (log.item, ", ".join(lists))):
        if past[column].dtype != rows[column].dtype:
            raise RecipeError(
                f"snapshot: {name} holds {past[column].dtype}, but {column!r} of the log is {rows[column].dtype}."
            )
    return past, frame.drop(lists), paths


def _log_columns(recipe: Recipe) -> set[str]:
    log = recipe.log
    columns = {log.user, log.item, log.time, recipe.group_column, *_columns_of(recipe, LOG)}
    columns |= {task.column or name for name, task in recipe.tasks.items()}
    columns |= {table.on or table.key for table in recipe.tables.values()}
    return columns | ({log.day} if log.day else set())


def _columns_of(recipe: Recipe, source: str) -> set[str]:
    """Return the columns of the log or of a table that anything in the recipe reads."""
    named: list[tuple[str, Column]] = list(recipe.features.items())
    conditions = list(recipe.log.keep)
    plain: list[str] = []
    for spec in recipe.sequences.values():
        named += spec.features.items()
        conditions += spec.where
    for counter in recipe.counters.values():
        plain += counter.keys
        conditions += [*counter.positive, *counter.where]
    columns = set()
    for name, column in named:
        if column.source == source:
            if column.derive not in ("hour", "weekday"):
                columns.add(column.column or name)
            columns |= {column.per} - {""}
    for name in [*plain, *(condition.column for condition in conditions)]:
        table, _, column_name = name.partition(".")
        if table in recipe.tables:
            columns |= {column_name} if source == table else set()
        elif source == LOG:
            columns.add(name)
    return columns
