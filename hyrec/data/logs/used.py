"""Which columns of which log and table a recipe reads, and which tables are joined to which log."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hyrec.data.logs.negative_rule import REQUEST
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import DAY, LOG, Column


class Use(NamedTuple):
    """A column that something in a recipe reads.

    Args:
        log: The log with whose rows it is read.
        source: ``LOG``, that log itself, or the table that holds it.
        column: Its name there.
        where: What reads it, as the recipe's keys say: ``sequences.clicks.features.item``.
    """

    log: str
    source: str
    column: str
    where: str


def log_columns(recipe: Recipe) -> set[str]:
    """Return the columns of the impression log that anything in the recipe reads."""
    log, read = recipe.log, _own_columns(recipe, LOG)
    columns = {log.user, log.item, log.time, *recipe.group_by, *read}
    if DAY in recipe.group_by and DAY not in {log.user, log.item, log.time, *read}:
        columns.remove(DAY)
    if recipe.negatives and REQUEST in recipe.group_by:
        columns.remove(REQUEST)
    columns |= {*recipe.labels.values(), *log.unique}
    columns |= {join_column(recipe, LOG, table) for table in tables_of(recipe, LOG)}
    return columns | ({log.day} if log.day else set())


def event_columns(recipe: Recipe, name: str) -> set[str]:
    """Return the columns of an event log that anything in the recipe reads."""
    spec = recipe.event_logs[name]
    joined = {join_column(recipe, name, table) for table in tables_of(recipe, name)}
    return {spec.user, spec.time, *spec.unique, *joined, *_own_columns(recipe, name)}


def table_columns(recipe: Recipe, table: str) -> set[str]:
    """Return the columns of a table that anything in the recipe reads."""
    return {use.column for use in uses(recipe) if use.source == table} | {recipe.tables[table].key}


def tables_of(recipe: Recipe, log: str) -> list[str]:
    """Return the tables that are joined to a log: to the impression log all that are not for event logs alone."""
    used = {use.source for use in uses(recipe) if use.log == log}
    elsewhere = {use.source for use in uses(recipe) if use.log != log}
    return [table for table in recipe.tables if table in used or (log == LOG and table not in elsewhere)]


def join_column(recipe: Recipe, log: str, table: str) -> str:
    """Return the column of a log that refers to a table."""
    spec = recipe.tables[table]
    return recipe.name_in(log, spec.on or spec.key)


def _own_columns(recipe: Recipe, log: str) -> set[str]:
    return {use.column for use in uses(recipe) if use.log == log and use.source == LOG}


def uses(recipe: Recipe) -> Iterator[Use]:
    """Yield what features, side information, counters and conditions read."""
    named: list[tuple[str, str, Column, str]] = [
        (LOG, name, column, f"features.{name}") for name, column in recipe.features.items()
    ]
    plain = [(LOG, condition.column, "log.keep") for condition in recipe.log.keep]
    for log, events in recipe.event_logs.items():
        plain += [(log, condition.column, f"event_logs.{log}.keep") for condition in events.keep]
    for sequence, spec in recipe.sequences.items():
        where = f"sequences.{sequence}"
        named += [(spec.log, name, column, f"{where}.features.{name}") for name, column in spec.features.items()]
        plain += [(spec.log, condition.column, f"{where}.where") for condition in spec.where]
    for name, counter in recipe.counters.items():
        where = f"counters.{name}"
        keys = [(log, recipe.name_in(log, key)) for log in (LOG, counter.log) for key in counter.keys]
        plain += [(log, key, f"{where}.keys") for log, key in keys]
        plain += [(counter.log, condition.column, f"{where}.positive") for condition in counter.positive]
        plain += [(counter.log, condition.column, f"{where}.where") for condition in counter.where]
    for log, name, column, where in named:
        if column.columns and column.source == LOG:
            plain += [(log, read, where) for read in column.columns]
        else:
            yield from (Use(log, column.source, read, where) for read in column.reads(name))
    for log, name, where in plain:
        table, _, inner = name.partition(".")
        of_table = bool(inner) and table in recipe.tables
        yield Use(log, table, inner, where) if of_table else Use(log, LOG, name, where)
