"""The snapshot: histories from before the log, without times."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from hyrec.data.logs.files import find_files, open_files
from hyrec.data.logs.ids import id_values, one_form
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.rows import Rows
from hyrec.data.logs.state import SNAPSHOT, State
from hyrec.data.logs.times import whole_times
from hyrec.data.logs.writer import Store

LIST = "snapshot list"
"""Column of the snapshot's events: the list that the event stood in."""


def read_snapshot(
    recipe: Recipe, directory: Path, rows: Rows, store: Store, built: State | None, keep: State | None
) -> tuple[Rows, pl.DataFrame | None, list[str]]:
    """Return the snapshot's events in the order of their lists, all else that it holds of a user, and its files.

    It is that of an earlier build, ``built``, where there is one, and is kept in ``keep``.
    """
    log, spec = recipe.log, recipe.snapshot
    user, item = rows.column(log.user).head(0), rows.column(log.item).head(0)
    empty = pl.DataFrame([user, item, pl.Series(LIST, [], dtype=pl.String)])
    if spec is None or not (find_files(spec.files, directory) if built is None else built.has(SNAPSHOT)):
        return _in_memory(empty), None, []
    used = {s.snapshot for s in recipe.sequences.values()}
    used |= {c for counter in recipe.counters.values() for c in (counter.snapshot_positives, counter.snapshot_events)}
    columns = sorted(({spec.user, spec.last_time} | used) - {""})
    if built is None:
        source = open_files(spec, directory, "snapshot.files", columns, store.folder)
    else:
        source = built.open(SNAPSHOT, "snapshot.files", columns)
    if keep is not None:
        keep.keep(SNAPSHOT, source, store)
    frame = pl.DataFrame([source.read(name) for name in columns])
    users = id_values(source.read(spec.user, as_id=True), "snapshot.user")
    frame = frame.with_columns(users.alias(log.user)).sort(log.user)
    if frame[log.user].is_duplicated().any():
        raise RecipeError(f"snapshot: {source.names[0]} holds some {spec.user} more than once; one row a user.")
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
    if built is not None:  # one new id that is text makes text of the whole column
        texts = [pl.col(own.name).cast(pl.String) for own in (user, item) if own.dtype == pl.String]
        past = past.with_columns(texts)
        frame = frame.with_columns(pl.col(log.user).cast(past[log.user].dtype))
    for own, column, name in ((user, log.user, spec.user), (item, log.item, ", ".join(lists))):
        alike = one_form([own, past[column]])
        if alike[0].dtype != alike[1].dtype:
            raise RecipeError(f"snapshot: {name} holds {past[column].dtype}, but {column!r} of the log is {own.dtype}.")
    return _in_memory(past), frame.drop(lists), source.names


def _in_memory(frame: pl.DataFrame) -> Rows:
    return Rows(frame.height, frozenset(frame.columns), lambda name, as_id: frame[name])
