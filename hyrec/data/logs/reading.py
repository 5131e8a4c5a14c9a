"""Reads the files that a recipe names and lays them out as rows in time order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from hyrec.data.logs.files import Source, find_files, open_files
from hyrec.data.logs.history import Ints, Positions
from hyrec.data.logs.ids import id_values
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import DAY, LOG, Column, Log, RecipeError
from hyrec.data.logs.rows import Mask, Rows, matching, rows_of
from hyrec.data.logs.snapshot import read_snapshot
from hyrec.data.logs.state import LOG as BUILT_LOG
from hyrec.data.logs.state import State, table
from hyrec.data.logs.times import bound, check_unit, check_zone, day_starts, midnights, whole_times
from hyrec.data.logs.writer import Store

_TIE, _PLACE = "number of the tie", "row of the ties"


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
        is_event: Rows that may be events for later ones; of new rows those that have a label.
        asked: Rows to encode in the order of the files, where others are known already. None: all.
        input_row: Where each of these stood in the files, from 0 on.
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

    @property
    def asked_rows(self) -> tuple[Rows, Ints]:
        """The rows to encode, and their times."""
        if self.asked is None:
            return self.rows, self.time
        return self.rows.at(self.asked), self.time[self.asked]


def read_logs(
    recipe: Recipe, directory: Path, store: Store, *, built: State | None = None, keep: State | None = None
) -> Logs:
    """Read the log, the tables and the snapshot; columns wait in the store.

    What an earlier build has kept is ``built``. The log's rows then come behind those: they may lack outcomes, and
    tables that are given again take the place of the kept ones row by row. All of it but rows without a label is kept
    in ``keep``.

    Raises:
        RecipeError: When a file or column is missing, with what there is instead.
    """
    log, split = recipe.log, recipe.split
    check_zone(log.time_zone)
    columns = _log_columns(recipe)
    optional = recipe.outcomes | (split.columns - columns) if built is not None else frozenset[str]()
    columns |= split.columns
    source = open_files(log.files, directory, "log.files", columns, store.folder, log.separator, optional)
    if built is not None:
        _refuse_half_outcomes(recipe, source)
        source = source.after(built.open(BUILT_LOG, "log.files", columns))
    if DAY in recipe.group_by and DAY in source.columns and log.day != DAY:
        raise RecipeError(
            f"group: {DAY!r} is the day of an impression, and the log has a column {DAY!r} of its own. Where that is "
            f"the day, say so as log.day: {DAY}; otherwise give the column another name."
        )
    keys = pl.DataFrame(
        [
            whole_times(source.read(log.time), log.time_unit, "log.time").alias("time"),
            id_values(source.read(log.user, as_id=True), f"log.user, column {log.user!r},").alias("user"),
            id_values(source.read(log.item, as_id=True), f"log.item, column {log.item!r},").alias("item"),
        ]
    )
    order, dropped = _kept(recipe, source, keys)
    kept = keys if len(order) == keys.height else keys[order]
    order = order[kept.select(pl.arg_sort_by("time", "user", "item")).to_series().to_numpy()]
    del kept
    order, repeated = _break_ties(log, source, keys, order)
    if log.repeated == "drop":
        dropped["repeats another row"] = repeated
    moment = time = keys["time"].gather(order).to_numpy()
    if log.day:
        moment = midnights(source.read(log.day).gather(order), log.time_zone, log.time_unit)
    if split.until and built is None:
        early = moment < bound(split.until, recipe, "split.until")
        dropped[f"from split.until {split.until} on"] = int((~early).sum())
        order, time, moment = order[early], time[early], moment[early]
    asked = input_row = None
    is_kept = source.is_kept()[order]
    is_event = np.ones(len(order), dtype=np.bool_)
    if built is not None:
        new_rows = np.flatnonzero(~is_kept)
        place = source.places()[order[new_rows]]
        by_place = np.argsort(place)
        asked, input_row = (values[by_place].astype(np.uint32) for values in (new_rows, place))
        is_event = is_kept.copy()
        for label in {*recipe.labels.values()}:
            is_event |= source.read(label).is_not_null().to_numpy()[order]
    notes = check_unit(time if asked is None else time[asked], log.time_unit, f"log.time, column {log.time!r}")
    day_start = moment if log.day else day_starts(time, log.time_zone, log.time_unit)
    waiting = {
        name: store.put(keys[key].gather(order).rechunk().to_arrow())
        for name, key in ((log.user, "user"), (log.item, "item"))
    }
    del keys
    if keep is not None:
        keep.keep(BUILT_LOG, source, store, order if built is None else order[is_event])
    joined = {spec.on or spec.key for spec in recipe.tables.values()}

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
    for name, spec in recipe.tables.items():
        on = spec.on or spec.key
        held, key = _read_table(recipe, name, directory, store, built, keep)
        files += held.names
        for side in (rows, past):
            if on in side.names:
                values = side.column(on)
                index = rows_of(values, key, written=built is not None or not (source.parquet or held.parquet))
                if index is None:
                    raise RecipeError(
                        f"tables.{name} cannot be joined: {on!r} is {values.dtype} in the log and {key.dtype} in the "
                        "table. Write both alike; numbers with leading zeros, as 0012, are text."
                    )
                side.tables[name] = held, index
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


def _read_table(
    recipe: Recipe, name: str, directory: Path, store: Store, built: State | None, keep: State | None
) -> tuple[Source, pl.Series]:
    """Return a table and its key, which is null for rows of the build that are given again."""
    spec = recipe.tables[name]
    where, wanted = f"tables.{name}.files", {*_columns_of(recipe, name), spec.key}
    given = built is None or bool(find_files(spec.files, directory))
    if built is not None:
        held = built.open(table(name), where, wanted)
    if given:
        files = open_files(spec.files, directory, where, wanted, store.folder, spec.separator)
        held = files if built is None else files.after(held)
    key = id_values(held.read(spec.key, as_id=True), f"tables.{name}.key, column {spec.key!r},")
    again = np.zeros(len(key), dtype=np.bool_)
    if built is not None and given:
        is_kept = pl.Series(held.is_kept())
        again = (is_kept & key.is_in(key.filter(~is_kept).drop_nulls().implode())).fill_null(False).to_numpy()
        key = key.set(pl.Series(again), None)
    if key.drop_nulls().is_duplicated().any():
        raise RecipeError(f"tables.{name}: {held.names[0]} holds some {spec.key} more than once; one row each.")
    if keep is not None:
        keep.keep(table(name), held, store, np.flatnonzero(~again))
    return held, key


def _kept(recipe: Recipe, source: Source, keys: pl.DataFrame) -> tuple[Positions, dict[str, int]]:
    """Return the rows that are used, and how many are not, by reason."""
    log, named = recipe.log, {recipe.log.time: "time", recipe.log.user: "user", recipe.log.item: "item"}
    keep = keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy().copy()
    dropped = {"user, item or time missing": int((~keep).sum())}
    as_stored = Rows(
        keys.height,
        source.columns,
        lambda name, as_id: keys[named[name]] if name in named else source.read(name, as_id=as_id),
    )
    for condition in log.keep:
        fulfilled = matching(as_stored, [condition], "log.keep")
        dropped[f"not {condition.column} {condition.op} {condition.value}"] = int((keep & ~fulfilled).sum())
        keep &= fulfilled
    return np.flatnonzero(keep).astype(np.uint32), dropped


def _break_ties(log: Log, source: Source, keys: pl.DataFrame, order: Positions) -> tuple[Positions, int]:
    """Order rows of one time, user and item by their other columns; treat those that repeat another, and count them.

    Of rows that are alike in all columns those that a build has kept come first, then those of earlier lines.
    """
    same = np.ones(len(order), dtype=np.bool_)
    same[:1] = False
    for key in keys.columns:
        ordered = keys[key].gather(order)
        same &= (ordered == ordered.shift(1)).fill_null(False).to_numpy()
    tied = np.flatnonzero(same | np.append(same[1:], False))
    if not len(tied):
        return order, 0
    others = sorted(source.columns - {log.time, log.user, log.item})
    by_line = np.lexsort((order[tied], ~source.is_kept()[order[tied]]))
    rows = order[tied][by_line]
    number = pl.Series(_TIE, np.cumsum(~same)[tied][by_line])
    frame = pl.DataFrame([number, *(source.read(name).gather(rows) for name in others)])
    by = [name for name in frame.columns if not frame[name].dtype.is_nested()]
    frame = frame.with_row_index(_PLACE).sort(by, maintain_order=True)
    order = order.copy()
    order[tied] = rows[frame[_PLACE].to_numpy()]
    repeats = ~frame.select(pl.struct(_TIE, *others).is_first_distinct()).to_series().to_numpy()
    if log.repeated == "error" and repeats.any():
        first = keys.row(int(order[tied[np.flatnonzero(repeats)[0]]]), named=True)
        raise RecipeError(
            f"log.repeated is 'error', and {int(repeats.sum()):,} rows repeat another in all {len(others) + 3} columns "
            f"that the recipe reads; one of them has {first}. Write 'keep' or 'drop', or mend the log."
        )
    if log.repeated == "drop":
        order = np.delete(order, tied[repeats])
    return order, int(repeats.sum())


def _log_columns(recipe: Recipe) -> set[str]:
    log = recipe.log
    columns = {log.user, log.item, log.time, *recipe.group_by, *_columns_of(recipe, LOG)}
    if DAY in recipe.group_by and DAY not in {log.user, log.item, log.time, *_columns_of(recipe, LOG)}:
        columns.remove(DAY)
    columns |= {*recipe.labels.values()}
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
