"""Tables of users and items, read once and joined to the logs that refer to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from hyrec.data.logs.files import Source, find_files, open_files
from hyrec.data.logs.ids import id_values
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, RecipeError
from hyrec.data.logs.rows import Rows, rows_of
from hyrec.data.logs.state import State, table
from hyrec.data.logs.used import join_column, table_columns, tables_of
from hyrec.data.logs.writer import Store


def read_table(
    recipe: Recipe, name: str, directory: Path, store: Store, built: State | None, keep: State | None
) -> tuple[Source, pl.Series]:
    """Return a table and its key, which is null for rows of the build that are given again."""
    spec = recipe.tables[name]
    where, wanted = f"tables.{name}.files", table_columns(recipe, name)
    given = built is None or bool(find_files(spec.files, directory))
    if built is not None:
        held = built.open(table(name), where, wanted)
    if given:
        files = open_files(spec, directory, where, wanted, store.folder)
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


def join_tables(
    recipe: Recipe, log: str, sides: list[Rows], source: Source, tables: dict[str, tuple[Source, pl.Series]]
) -> None:
    """Join to rows of a log, read from ``source``, the tables that they refer to.

    Numbers and text may be compared where both were written as text, and where an earlier build has kept rows.

    Raises:
        RecipeError: When one side's ids are numbers and the other's are text.
    """
    for name in tables_of(recipe, log):
        held, key = tables[name]
        written = bool(source.kept) or not (source.parquet or held.parquet)
        for rows in sides:
            if join_column(recipe, log, name) in rows.names:
                _join(recipe, rows, log, name, held, key, written=written)


def _join(recipe: Recipe, rows: Rows, log: str, name: str, held: Source, key: pl.Series, *, written: bool) -> None:
    on = join_column(recipe, log, name)
    values = rows.column(on)
    index = rows_of(values, key, written=written)
    if index is None:
        raise RecipeError(
            f"tables.{name} cannot be joined: {on!r} is {values.dtype} in "
            f"{'the log' if log == LOG else f'event_logs.{log}'} and {key.dtype} in the table. Write both alike; "
            "numbers with leading zeros, as 0012, are text."
        )
    rows.tables[name] = held, index


def poor_joins(recipe: Recipe, log: str, rows: Rows) -> Iterator[str]:
    """Tell of tables that hold less than half of what a log refers to, with an example of either side."""
    for name, (held, index) in rows.tables.items():
        key, on = recipe.tables[name].key, join_column(recipe, log, name)
        refers = rows.column(on, as_id=True)
        known, found = len(refers) - refers.null_count(), len(index) - index.null_count()
        if 2 * found >= known:
            continue
        absent = refers.filter(index.is_null() & refers.is_not_null())[0]
        keys = held.read(key, as_id=True).drop_nulls()
        of = "the log" if log == LOG else f"event_logs.{log}"
        example = f" and hold {keys[0]!r}, for example" if len(keys) else ""
        yield (
            f"tables.{name}: {found:,} of {known:,} rows ({found / known:.1%}) of {of} find their {on!r} in "
            f"{', '.join(held.names[:3])}, whose {len(keys):,} values of {key!r} lack {absent!r}{example}. Are both "
            "the same ids, written alike?"
        )
