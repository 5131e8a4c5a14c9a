"""Reads the logs beside the impression log, and lays each out as rows in time order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hyrec.data.logs.files import Source, find_files, open_files
from hyrec.data.logs.history import Ints
from hyrec.data.logs.ids import id_values, one_form
from hyrec.data.logs.joins import join_tables
from hyrec.data.logs.order import ordered_rows
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.rows import Mask, Rows
from hyrec.data.logs.state import State, event_log
from hyrec.data.logs.times import SECONDS_A_DAY, check_unit, check_zone, day_starts, whole_times
from hyrec.data.logs.used import event_columns, join_column, tables_of
from hyrec.data.logs.writer import Store
from hyrec.data.moments import UNITS


@dataclass(frozen=True)
class Events:
    """An event log.

    Args:
        where: Its place in the recipe.
        rows: Its events, sorted by time, then user and the other columns.
        user: Column of the user.
        time: Time of each event in the unit of the impression log: of finer times the whole units that have passed.
        delay: How long an event stays invisible, in that unit.
        is_kept: Events that an earlier build has kept.
        written: Whether numbers and text of this log and the impression log may be compared: both were written as text.
        names: Files that were read.
        dropped: Rows that were left out, by reason.
        repeated: Rows that are kept although they repeat another in all columns.
        notes: What is odd about the times.
    """

    where: str
    rows: Rows
    user: str
    time: Ints
    delay: int
    is_kept: Mask
    written: bool
    names: list[str]
    dropped: dict[str, int]
    repeated: int
    notes: list[str]

    def together(self, own: pl.Series, of_log: pl.Series) -> pl.Series:
        """Return a column of the impression log followed by one of this log, in one form.

        Raises:
            RecipeError: When one holds numbers and the other text.
        """
        first, second = one_form([of_log, own], written=self.written)
        if len({first.dtype, second.dtype} - {pl.Null}) > 1:
            raise RecipeError(
                f"{self.where}: {own.name!r} is {second.dtype}, and {of_log.name!r} of the log is {first.dtype}. Write "
                "both alike; numbers with leading zeros, as 0012, are text."
            )
        dtype = second.dtype if first.dtype == pl.Null else first.dtype
        both: pl.Series = pl.concat([first.cast(dtype), second.cast(dtype)])
        return both


def read_events(
    recipe: Recipe,
    name: str,
    directory: Path,
    store: Store,
    tables: dict[str, tuple[Source, pl.Series]],
    *,
    log_is_text: bool,
    built: State | None = None,
    keep: State | None = None,
) -> Events:
    """Read an event log and join its tables; columns wait in the store.

    What an earlier build has kept of it is ``built``; new events, if any are given, come behind it. All is kept in
    ``keep``. ``log_is_text``: the impression log is of CSV files.

    Raises:
        RecipeError: When a file or column is missing, and for times of another unit.
    """
    spec, where, unit = recipe.event_logs[name], f"event_logs.{name}", recipe.log.time_unit
    check_zone(spec.time_zone, f"{where}.time_zone")
    source = _open(recipe, name, directory, store, built)
    raw = source.read(spec.time)
    time = whole_times(raw, spec.time_unit, f"{where}.time", spec.time_zone)
    user = id_values(source.read(spec.user, as_id=True), f"{where}.user, column {spec.user!r},")
    keys = pl.DataFrame([time.alias("time"), user.alias("user")])
    order, dropped, repeated = ordered_rows(spec, source, keys, {spec.time: "time", spec.user: "user"}, where)
    moment, is_kept = keys["time"].gather(order).to_numpy(), source.is_kept()[order]
    waiting = store.put(keys["user"].gather(order).rechunk().to_arrow())
    del time, user, keys
    place = f"{where}.time, column {spec.time!r}"
    notes = check_unit(moment[~is_kept], spec.time_unit, place, f"{where}.time_unit")
    zones = {spec.time_zone, recipe.log.time_zone}
    midnight = any((day_starts(moment, zone, spec.time_unit) == moment).all() for zone in zones)
    if len(moment) and midnight and spec.delay < SECONDS_A_DAY:
        notes.append(
            f"{place}: all times are midnights, as those of days are. Events count from then on, before they may have "
            f"happened: {where}.delay: {SECONDS_A_DAY} makes them count from the next day on."
        )
    if keep is not None:
        keep.keep(event_log(name), source, store, order)
    joined = {join_column(recipe, name, table) for table in tables_of(recipe, name)}

    def read(column: str, as_id: bool) -> pl.Series:
        if column == spec.user:
            return pl.Series(column, waiting.load())
        values = source.read(column, as_id=as_id or column in joined)
        return (id_values(values, f"{where}: column {column!r}") if column in joined else values).gather(order)

    rows = Rows(len(order), source.columns, read)
    join_tables(recipe, name, [rows], source, tables)
    return Events(
        where,
        rows,
        spec.user,
        _in_unit(moment, spec.time_unit, unit),
        math.ceil(round(spec.delay * UNITS[unit], 6)),
        is_kept,
        built is not None or (log_is_text and not source.parquet),
        source.names,
        dropped,
        repeated,
        notes,
    )


def _open(recipe: Recipe, name: str, directory: Path, store: Store, built: State | None) -> Source:
    spec, where, columns = recipe.event_logs[name], f"event_logs.{name}.files", event_columns(recipe, name)
    if built is None:
        return open_files(spec, directory, where, columns, store.folder)
    held = built.open(event_log(name), where, columns)
    if not find_files(spec.files, directory):
        return held
    files = open_files(spec, directory, where, columns, store.folder, may_be_empty=True)
    return files.after(held)


def _in_unit(time: Ints, unit: str, wanted: str) -> Ints:
    """Return times in another unit. Rounded down, a time stays before just those whole units that it was before."""
    if UNITS[wanted] >= UNITS[unit]:
        return time * (UNITS[wanted] // UNITS[unit])
    return time // (UNITS[unit] // UNITS[wanted])
