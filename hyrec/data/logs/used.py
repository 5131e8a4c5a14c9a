"""Which columns of which log and table a recipe reads, and which tables are joined to which log."""

from __future__ import annotations

from collections.abc import Iterator

from hyrec.data.logs.negative_rule import REQUEST
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import DAY, LOG, Column


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
    return {column for _, source, column in _uses(recipe) if source == table} | {recipe.tables[table].key}


def tables_of(recipe: Recipe, log: str) -> list[str]:
    """Return the tables that are joined to a log: to the impression log all that are not for event logs alone."""
    used = {source for of, source, _ in _uses(recipe) if of == log}
    elsewhere = {source for of, source, _ in _uses(recipe) if of != log}
    return [table for table in recipe.tables if table in used or (log == LOG and table not in elsewhere)]


def join_column(recipe: Recipe, log: str, table: str) -> str:
    """Return the column of a log that refers to a table."""
    spec = recipe.tables[table]
    return recipe.name_in(log, spec.on or spec.key)


def _own_columns(recipe: Recipe, log: str) -> set[str]:
    return {column for of, source, column in _uses(recipe) if of == log and source == LOG}


def _uses(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """Yield a log, what is read with its rows (``LOG``: the log itself, or a table), and the column."""
    named: list[tuple[str, str, Column]] = [(LOG, name, column) for name, column in recipe.features.items()]
    plain = [(LOG, condition.column) for condition in recipe.log.keep]
    for log, events in recipe.event_logs.items():
        plain += [(log, condition.column) for condition in events.keep]
    for spec in recipe.sequences.values():
        named += [(spec.log, name, column) for name, column in spec.features.items()]
        plain += [(spec.log, condition.column) for condition in spec.where]
    for counter in recipe.counters.values():
        plain += [(log, recipe.name_in(log, key)) for log in (LOG, counter.log) for key in counter.keys]
        plain += [(counter.log, condition.column) for condition in (*counter.positive, *counter.where)]
    for log, name, column in named:
        if column.columns and column.source == LOG:
            plain += [(log, read) for read in column.columns]
        else:
            yield from ((log, column.source, read) for read in column.reads(name))
    for log, name in plain:
        table, _, column_name = name.partition(".")
        yield (log, table, column_name) if column_name and table in recipe.tables else (log, LOG, name)
