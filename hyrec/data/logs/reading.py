"""Reads the files that a recipe names and lays them out as rows in time order."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from hyrec.data.logs.events import Events, read_events
from hyrec.data.logs.files import Source, open_files
from hyrec.data.logs.history import Ints, Positions
from hyrec.data.logs.ids import id_values
from hyrec.data.logs.joins import join_tables, read_table
from hyrec.data.logs.negative_rule import REQUEST
from hyrec.data.logs.order import ordered_rows
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import DAY, LOG, RecipeError
from hyrec.data.logs.rows import Mask, Rows
from hyrec.data.logs.snapshot import read_snapshot
from hyrec.data.logs.state import LOG as BUILT_LOG
from hyrec.data.logs.state import State
from hyrec.data.logs.times import bound, check_unit, check_zone, day_starts, midnights, whole_times
from hyrec.data.logs.used import join_column, log_columns, tables_of
from hyrec.data.logs.writer import Store


@dataclass(frozen=True)
class Logs:
    """Everything that was read.

    Args:
        rows: The log, sorted by time, then user, item and the other columns.
        time: Time of each row in the log's unit.
        moment: What the split goes by: ``time``, or midnight of the row's day by ``log.day``.
        day_start: Midnight before each row, by ``log.day`` where there is one.
        past: Events of the snapshot, in the order of their lists; untimed.
        snapshot: The snapshot without its lists, or None when it was not read.
        files: Files that were read.
        dropped: Rows of the log that were left out, by reason.
        repeated: Rows that are kept although they repeat another in all columns.
        notes: What is odd about the times.
        is_kept: Rows that an earlier build has kept.
        is_event: Rows that may be events for later ones; of new rows those that have a label, of drawn ones none.
        asked: Rows to encode in the order of the files, where others are known already. None: all.
        input_row: Where each of these stood in the files, from 0 on.
        events: Event logs by name.
        warnings: What may be a mistake in the recipe.
    """

    rows: Rows
    time: Ints
    moment: Ints
    day_start: Ints
    past: Rows
    snapshot: pl.DataFrame | None
    files: list[str]
    dropped: dict[str, int]
    repeated: int
    notes: list[str]
    is_kept: Mask
    is_event: Mask
    asked: Positions | None = None
    input_row: Positions | None = None
    events: dict[str, Events] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def asked_rows(self) -> tuple[Rows, Ints]:
        """The rows to encode, and their times."""
        if self.asked is None:
            return self.rows, self.time
        return self.rows.at(self.asked), self.time[self.asked]


def read_logs(
    recipe: Recipe, directory: Path, store: Store, *, built: State | None = None, keep: State | None = None
) -> Logs:
    """Read the log, the event logs, the tables and the snapshot; columns wait in the store.

    What an earlier build has kept is ``built``. The log's rows then come behind those: they may lack outcomes,
    event logs go on, and tables that are given again take the place of the kept ones row by row. All of it but rows
    without a label is kept in ``keep``.

    Raises:
        RecipeError: When a file or column is missing, with what there is instead.
    """
    log, split = recipe.log, recipe.split
    check_zone(log.time_zone)
    check_zone(log.naive_zone, "log.naive_zone")
    columns = log_columns(recipe)
    made = {*recipe.labels.values()} if recipe.negatives else set()
    optional = recipe.outcomes | (split.columns - columns) if built is not None else made
    columns |= split.columns
    source = open_files(log, directory, "log.files", columns, store.folder, optional)
    for path in source.absent if made and built is None else ():
        if present := sorted(made - source.absent[path]):
            raise RecipeError(
                f"log.files: {', '.join(source.names[:3])} has the column {present[0]!r}, which negatives make of logs "
                f"without one. Give the task another name, and leave rows that are no positives out with log.keep."
            )
    if REQUEST in columns and recipe.negatives:
        raise RecipeError(
            f"The recipe reads the log's column {REQUEST!r}, a name that negatives give to their requests."
        )
    if built is not None:
        _refuse_half_outcomes(recipe, source)
        source = source.after(built.open(BUILT_LOG, "log.files", columns))
    if DAY in recipe.group_by and DAY in source.columns and log.day != DAY:
        raise RecipeError(
            f"group: {DAY!r} is the day of an impression, and the log has a column {DAY!r} of its own. Where that is "
            f"the day, say so as log.day: {DAY}; otherwise give the column another name."
        )
    _refuse_words(recipe, source)
    keys = pl.DataFrame(
        [
            whole_times(source.read(log.time), log.time_unit, "log.time", log.naive_zone).alias("time"),
            id_values(source.read(log.user, as_id=True), f"log.user, column {log.user!r},").alias("user"),
            id_values(source.read(log.item, as_id=True), f"log.item, column {log.item!r},").alias("item"),
        ]
    )
    named = {log.time: "time", log.user: "user", log.item: "item"}
    labelled = None
    if built is not None:
        labelled = source.is_kept()
        for label in {*recipe.labels.values()}:
            labelled |= source.read(label).is_not_null().to_numpy()
    order, dropped, repeated = ordered_rows(log, source, keys, named, "log", labelled)
    moment = time = keys["time"].gather(order).to_numpy()
    if log.day:
        moment = midnights(source.read(log.day).gather(order), log.time_zone, log.time_unit)
    if split.until and built is None:
        early = moment < bound(split.until, recipe, "split.until")
        dropped[f"from split.until {split.until} on"] = int((~early).sum())
        order, time, moment = order[early], time[early], moment[early]
    asked = input_row = None
    is_kept = source.is_kept()[order]
    is_event = np.ones(len(order), dtype=np.bool_) if labelled is None else labelled[order]
    if built is not None:
        new_rows = np.flatnonzero(~is_kept)
        place = source.places()[order[new_rows]]
        by_place = np.argsort(place)
        asked, input_row = (values[by_place].astype(np.uint32) for values in (new_rows, place))
    notes = check_unit(time if asked is None else time[asked], log.time_unit, f"log.time, column {log.time!r}")
    day_start = moment if log.day else day_starts(time, log.time_zone, log.time_unit)
    waiting = {
        name: store.put(keys[key].gather(order).rechunk().to_arrow())
        for name, key in ((log.user, "user"), (log.item, "item"))
    }
    del keys
    if keep is not None:
        keep.keep(BUILT_LOG, source, store, order if built is None else order[is_event])
    joined = {join_column(recipe, LOG, name) for name in tables_of(recipe, LOG)}

    def read(name: str, as_id: bool) -> pl.Series:
        if name in waiting:
            return pl.Series(name, waiting[name].load())
        if name == log.time:
            return pl.Series(name, time)
        values = source.read(name, as_id=as_id or name in joined)
        return (id_values(values, f"Column {name!r}") if name in joined else values).gather(order)

    rows = Rows(len(order), source.columns, read)
    past, snapshot, paths = read_snapshot(recipe, directory, rows, store, built, keep)
    files = [*source.names, *paths]
    if snapshot is not None and recipe.snapshot is not None and recipe.snapshot.last_time:
        last = snapshot[recipe.snapshot.last_time].drop_nulls().to_numpy()
        notes += check_unit(last, log.time_unit, f"snapshot.last_time, column {recipe.snapshot.last_time!r}")
    tables = {name: read_table(recipe, name, directory, store, built, keep) for name in recipe.tables}
    join_tables(recipe, LOG, [rows, past], source, tables)
    is_text = not source.parquet
    events = {
        name: read_events(recipe, name, directory, store, tables, log_is_text=is_text, built=built, keep=keep)
        for name in recipe.event_logs
    }
    files += [name for held, _ in tables.values() for name in held.names]
    files += [name for held in events.values() for name in held.names]
    return Logs(
        rows,
        time,
        moment,
        day_start,
        past,
        snapshot,
        files,
        dropped,
        repeated,
        notes,
        is_kept,
        is_event,
        asked,
        input_row,
        events,
    )


def _refuse_words(recipe: Recipe, source: Source) -> None:
    """Refuse labels that are no numbers, true or false."""
    for task, column in recipe.labels.items() if not recipe.negatives else ():
        label = source.read(column)
        if not (label.dtype.is_numeric() or label.dtype in (pl.Boolean, pl.Null)):
            held = ", ".join(map(repr, label.drop_nulls().head(1000).unique().sort().head(3).to_list()))
            raise RecipeError(
                f"tasks.{task}: column {column!r} is {label.dtype} ({held}). Labels are numbers, or true and false: "
                "write 1 and 0."
            )


def _refuse_half_outcomes(recipe: Recipe, source: Source) -> None:
    """Refuse files with labels that lack other outcomes: their rows are events, which histories would get wrong."""
    labels = {*recipe.labels.values()}
    for path, absent in source.absent.items():
        lacking = sorted(absent & source.columns & recipe.outcomes)
        for label in sorted(labels - absent) if lacking else []:
            if source.column_of(path, label).null_count() < source.num_rows([path])[0]:
                raise RecipeError(
                    f"log.files: {', '.join(source.names[:3])}: rows have the label {label!r}, so that they are events "
                    f"for later rows, but not the outcome {lacking[0]!r}, which histories and counters read.\n"
                    f"Give all outcomes ({', '.join(sorted(recipe.outcomes & source.columns))}), or no labels."
                )
