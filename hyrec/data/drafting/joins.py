"""The tables beside the log: which column of the log refers to which of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from hyrec.data.drafting.columns import ITEM, USER, share, words
from hyrec.data.drafting.raw_table import RawTable
from hyrec.data.drafting.roles import Roles, Why

REFERS = 0.3
"""Share of the log's values that a table needs to hold."""


@dataclass(frozen=True)
class Joined:
    """A table that the log refers to.

    Args:
        name: What the recipe calls it.
        table: The table.
        key: Its key.
        on: Column of the log.
        role: Whose properties it holds.
        why: How it was found.
        histories: Columns that hold lists of the log's items: the table is a snapshot of earlier histories.
    """

    name: str
    table: RawTable
    key: str
    on: str
    role: str
    why: Why
    histories: tuple[str, ...] = ()


def join(roles: Roles, others: list[RawTable]) -> tuple[list[Joined], list[RawTable]]:
    """Find the unique column of each other table that the log refers to; return also the tables without one."""
    found: list[Joined] = []
    unused: list[RawTable] = []
    for table in others:
        known, key, on = max(((0.0, "", ""), *_candidates(roles, table)))
        if not key or table.ids(key).drop_nulls().is_duplicated().any():
            unused.append(table)
            continue
        role = "user" if on == roles.user else "item" if on == roles.item else roles.belongs.get(on, "context")
        histories = _histories(roles, table) if role == "user" else ()
        taken = {of.name for of in found if not of.histories} | {"context"}
        name = re.sub(r"\W", "_", table.name) if histories or role in taken else role
        why = Why(f"{key} is unique and has {known % 2:.0%} of the log's {on}")
        found.append(Joined(name, table, key, on, role, why, histories))
    return found, unused


def _candidates(roles: Roles, table: RawTable) -> Iterator[tuple[float, str, str]]:
    """Yield keys of a table with the log's column, and the share of its values that they hold; 2 more for one name."""
    for key in table.columns:
        if table.sample[key].dtype.is_nested() or table.sample[key].is_duplicated().any():
            continue
        if key == roles.time or table.guesses[key].kind == "time":  # two logs of one clock share moments
            continue
        for on in {key, roles.user, roles.item} & {*roles.log.columns}:
            vocabulary = USER if on == roles.user else ITEM if on == roles.item else frozenset()
            named = bool(words(key) & vocabulary) or ("id" in words(key) and bool(words(table.name) & vocabulary))
            known = share_known(roles.log.ids(on), table.ids(key)) if named or key == on else 0.0
            if known > REFERS:
                yield known + 2 * (key == on), key, on


def share_known(values: pl.Series, keys: pl.Series) -> float:
    """Return the share of distinct values that are among the keys, both as text."""
    distinct = values.drop_nulls().unique().cast(pl.String)
    return share(distinct.is_in(keys.cast(pl.String).implode()))


def _histories(roles: Roles, table: RawTable) -> tuple[str, ...]:
    items = roles.log.sample[roles.item]
    lists = [column for column in table.sample.head(1000) if isinstance(column.dtype, pl.List)]
    return tuple(column.name for column in lists if share_known(column.explode(), items) > REFERS)
