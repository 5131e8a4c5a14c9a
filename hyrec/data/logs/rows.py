"""Rows whose columns are read one at a time, with the columns of the tables that they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.condition import COMPARISONS, Condition
from hyrec.data.logs.files import Source
from hyrec.data.logs.history import Positions, slices
from hyrec.data.logs.ids import one_form
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.messages import suggest

Mask = NDArray[np.bool_]
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    **COMPARISONS,
    "in": lambda column, value: column.is_in(value),
    "not in": lambda column, value: ~column.is_in(value),
}


@dataclass(frozen=True)
class Values:
    """A column of rows, written once for each row of the table that it comes from.

    Args:
        entries: The values.
        index: The entry of each row, null for none. None: the entries are the rows.
    """

    entries: pl.Series
    index: pl.Series | None = None

    def by_row(self) -> pl.Series:
        """Return the value of each row."""
        return self.entries if self.index is None else self.entries.gather(self.index)

    def take(self, encoded: NDArray[Any], missing: float) -> NDArray[Any]:
        """Return what became of each row's entry; ``missing`` for rows without one."""
        if self.index is None:
            return encoded
        return np.append(encoded, encoded.dtype.type(missing))[self.positions()]

    def positions(self) -> Positions:
        """Return the entry of each row, the number of entries for none."""
        assert self.index is not None
        found: Positions = self.index.fill_null(len(self.entries)).to_numpy()
        return found

    def weights(self, mask: Mask) -> NDArray[np.int64]:
        """Return how many of the marked rows have each entry."""
        if self.index is None:
            return mask.astype(np.int64)
        return np.bincount(self.positions()[mask], minlength=len(self.entries) + 1)[:-1]


@dataclass(frozen=True)
class Rows:
    """Rows that are held as a way to read their columns.

    Args:
        height: How many there are.
        names: Their own columns.
        read: Reads one of these: its name, and whether it is wanted as ids.
        tables: By name, a table and the row of it that each row refers to.
    """

    height: int
    names: frozenset[str]
    read: Callable[[str, bool], pl.Series]
    tables: dict[str, tuple[Source, pl.Series]] = field(default_factory=dict)

    def values(self, name: str, *, as_id: bool = False) -> Values:
        """Return a column, of a table as ``table.column``; nulls where there is none."""
        table, _, column = name.partition(".")
        if name in self.names:
            return Values(self.read(name, as_id))
        if table in self.tables:
            source, index = self.tables[table]
            return Values(source.read(column, as_id=as_id), index)
        return Values(pl.repeat(None, self.height, dtype=pl.Null, eager=True).alias(name))

    def column(self, name: str, *, as_id: bool = False) -> pl.Series:
        """Return the value of each row."""
        return self.values(name, as_id=as_id).by_row()

    def at(self, some: Positions) -> Rows:
        """Return some of the rows."""
        tables = {name: (source, index.gather(some)) for name, (source, index) in self.tables.items()}
        return Rows(len(some), self.names, lambda name, as_id: self.read(name, as_id).gather(some), tables)

    def has(self, name: str) -> bool:
        """Whether there is such a column, or one may be asked of a table."""
        return name in self.names or name.partition(".")[0] in self.tables


def matching(rows: Rows, conditions: Iterable[Condition], where: str) -> Mask:
    """Return which rows fulfil all conditions."""
    mask: Mask = np.ones(rows.height, dtype=np.bool_)
    for condition in conditions:
        column, value = condition.column, condition.value
        if not rows.has(column):
            raise RecipeError(f"{where} compares {column!r}, which is no column.{suggest(column, rows.names)}")
        texts = any(isinstance(part, str) for part in (value if isinstance(value, list) else [value]))
        values = rows.values(column, as_id=texts)
        try:
            compared = _OPERATORS[condition.op](pl.col(column), value).fill_null(False)
            fulfilled = values.entries.alias(column).to_frame().select(compared).to_series().to_numpy()
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise RecipeError(
                f"{where}: {column!r} ({values.entries.dtype}) cannot be compared by {condition.op!r} with {value!r}."
            ) from error
        mask &= values.take(fulfilled, False)
    return mask


def rows_of(values: pl.Series, keys: pl.Series, *, written: bool) -> pl.Series | None:
    """Return the row of a table that holds each value as its key, null where none does; None for kinds that never fit.

    Keys are distinct but for nulls, which nothing finds. ``written``: both were written as text, so that numbers and
    text may be compared.
    """
    values, keys = one_form([values, keys], written=written)
    if values.null_count() == len(values) or keys.null_count() == len(keys):
        return pl.repeat(None, len(values), dtype=pl.UInt32, eager=True)
    if values.dtype != keys.dtype:
        return None
    table = keys.alias("key").to_frame().with_row_index("row").drop_nulls("key")
    values = values.alias("key")
    parts = [
        values[some].to_frame().join(table, on="key", how="left", maintain_order="left")["row"]
        for some in slices(len(values))
    ]
    return pl.concat(parts)
