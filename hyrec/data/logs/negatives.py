"""Negatives for a log that holds positives only: rows for items that a user did not take, beside those that were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from hyrec.data.logs.history import Positions, key_codes, slices
from hyrec.data.logs.negative_rule import REQUEST
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG
from hyrec.data.logs.rows import Mask, Rows
from hyrec.data.logs.sampling import Sampler
from hyrec.data.logs.splitting import split_numbers
from hyrec.data.logs.used import join_column


def with_negatives(recipe: Recipe, logs: Logs) -> Logs:
    """Return the log with rows of drawn items behind each row that is more than history; they are no events.

    A drawn row has the columns of its positive but for the item, what tables say of it, and the label.
    """
    spec, rows = recipe.negatives, logs.rows
    if spec is None:
        return logs
    number, item = split_numbers(recipe, logs), key_codes([rows.column(recipe.log.item)])
    sampler = Sampler(
        key_codes([rows.column(recipe.log.user)]),
        item,
        logs.time,
        number == 0,
        count=spec.count,
        by_popularity=spec.by == "popularity",
        seed=spec.seed,
    )
    every = np.arange(rows.height, dtype=np.uint32)
    written = every[number >= 0]
    drawn = [sampler.draw(written[some]) for some in slices(len(written))]
    of_row, drawn_item = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    order = np.argsort(np.concatenate([every, of_row]), kind="stable")
    is_event, place = order < rows.height, np.concatenate([every, of_row])[order]
    holder = np.zeros(int(item.max()) + 1, dtype=np.uint32)
    holder[item] = every  # some row that has the item
    fewer = int((np.bincount(of_row, minlength=rows.height)[written] < spec.count).sum())
    note = f"Negatives: {len(of_row):,} items drawn by {spec.by} of {len(sampler.pool):,} in rows that train"
    if fewer:
        note += f"; {fewer:,} of {len(written):,} rows have fewer than {spec.count}, as their users took the others"
    if new := int((~np.isin(item[number > 0], sampler.pool)).sum()):
        note += f"; {new:,} rows that validate or test hold other items, which are never drawn: there a new item tells"
        note += " the positive"
    return replace(
        logs,
        rows=_expanded(recipe, rows, place, np.concatenate([every, holder[drawn_item]])[order], is_event),
        time=logs.time[place],
        moment=logs.moment[place],
        day_start=logs.day_start[place],
        is_kept=logs.is_kept[place],
        is_event=is_event,
        notes=[*logs.notes, f"{note}."],
        warnings=[*logs.warnings, *_item_properties(recipe, rows, item)],
    )


def with_known_positives(recipe: Recipe, logs: Logs) -> Logs:
    """Return the log of a build with new rows: all rows of the build are events, and new ones with the label 1.

    New rows of one user and moment are candidates of one request.
    """
    if recipe.negatives is None:
        return logs
    rows, (label,) = logs.rows, recipe.labels.values()
    known = rows.column(label).cast(pl.Float64).set(pl.Series(logs.is_kept), 1.0)
    request = pl.Series(key_codes([rows.column(recipe.log.user), pl.Series(logs.time)]), dtype=pl.Int64)
    made = {label: known, REQUEST: request}
    is_event = (known > 0).fill_null(False).to_numpy()
    return replace(logs, rows=_with_columns(rows, made), is_event=is_event)


def _expanded(recipe: Recipe, rows: Rows, place: Positions, item_row: Positions, is_event: Mask) -> Rows:
    """Return rows by the row that each is of, with items and what is joined to them from another."""
    item, (label,) = recipe.log.item, recipe.labels.values()

    def read(name: str, as_id: bool) -> pl.Series:
        return rows.read(name, as_id).gather(item_row if name == item else place)

    tables = {
        name: (source, index.gather(item_row if join_column(recipe, LOG, name) == item else place))
        for name, (source, index) in rows.tables.items()
    }
    made = {label: pl.Series(is_event, dtype=pl.Int8), REQUEST: pl.Series(place, dtype=pl.Int64)}
    return _with_columns(Rows(len(place), rows.names, read, tables), made)


def _with_columns(rows: Rows, made: dict[str, pl.Series]) -> Rows:
    def read(name: str, as_id: bool) -> pl.Series:
        return made[name].alias(name) if name in made else rows.read(name, as_id)

    return Rows(rows.height, rows.names | made.keys(), read, rows.tables)


def _item_properties(recipe: Recipe, rows: Rows, item: Positions) -> Iterator[str]:
    """Tell of features that are the same in all rows of an item: beside another item they give it away."""
    num_items = len(np.unique(item))
    of_log = {
        read: name
        for name, column in recipe.features.items()
        for read in column.reads(name)
        if column.source == LOG and read in rows.names - {recipe.log.item, recipe.log.user, recipe.log.time}
    }
    for read, name in of_log.items():
        values = rows.column(read, as_id=True)
        if values.dtype.is_nested() or values.n_unique() == 1 or num_items == len(item):
            continue
        if len(np.unique(key_codes([pl.Series(item), values]))) == num_items:
            yield (
                f"features.{name} is the same in all rows of an item, but beside a drawn item it is that of the "
                f"positive, which gives the drawn ones away: move {read!r} to a table of items."
            )
