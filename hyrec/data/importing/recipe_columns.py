"""What a recipe makes of every column of its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hyrec.data.logs.files import column_names, find_files
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import DAY, LOG, Column, RecipeError
from hyrec.data.logs.used import Use, join_column, tables_of, uses

_UNREAD = "the recipe does not read it"


def columns_of(
    recipe: Recipe, folder: Path, reasons: Mapping[str, str]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[str]]:
    """Return the columns that a recipe reads with what they are, those that it does not with the reason, and the files.

    Columns of tables are written ``table.column``. A reason that is not given is that the recipe does not read it.

    Raises:
        RecipeError: When files are missing.
    """
    parts = {LOG: (recipe.log.files, recipe.log.separator)}
    parts |= {name: (table.files, table.separator) for name, table in recipe.tables.items()}
    if recipe.snapshot and find_files(recipe.snapshot.files, folder):
        parts["snapshot"] = (recipe.snapshot.files, recipe.snapshot.separator)
    known = _what_is_read(recipe)
    mapped, left_out, read = [], [], []
    for part, (patterns, separator) in parts.items():
        files = find_files(patterns, folder)
        if not files:
            raise RecipeError(_missing(patterns, folder))
        read += [file.name for file in files]
        wanted = [column for of, column in known if of == part]
        for column in column_names(files[0], wanted, f"{part}.files", separator):
            name = column if part == LOG else f"{part}.{column}"
            if found := known.get((part, column)):
                mapped.append((name, ", ".join(dict.fromkeys(found))))
            else:
                left_out.append((name, reasons.get(name, _UNREAD)))
    return mapped, left_out, read


def _missing(patterns: list[str], folder: Path) -> str:
    below = next((path.parent for pattern in patterns for path in sorted(folder.glob(f"*/{pattern}"))), None)
    hint = f" {below} does: name that folder." if below else ""
    return f"{folder} holds none of {', '.join(patterns)}, which the recipe reads.{hint}"


def _what_is_read(recipe: Recipe) -> dict[tuple[str, str], list[str]]:
    """Return what columns of the log, the tables and the snapshot are, by source and column."""
    log, found = recipe.log, dict[tuple[str, str], list[str]]()

    def add(source: str, column: str, what: str) -> None:
        found.setdefault((source, column), []).append(what)

    for column, part in ((log.user, "user"), (log.item, "item"), (log.time, "time"), (log.day, "day")):
        if column:
            add(LOG, column, f"{part} of the impression")
    for name, task in recipe.tasks.items():
        add(LOG, recipe.labels[name], f"task {name}: positive {task.rule}")
    for column in log.outcomes:
        if column not in recipe.labels.values():
            add(LOG, column, "outcome, of earlier events only")
    for name, table in recipe.tables.items():
        add(name, table.key, "key of the table")
    read = [use for use in uses(recipe) if use.source != LOG or use.log == LOG]
    for use in read:
        if told := _told(recipe, use):
            add(use.source, use.column, told)
    for name in tables_of(recipe, LOG):
        found.setdefault((LOG, join_column(recipe, LOG, name)), [f"refers to the table {name}"])
    for use in read:  # conditions are on columns of which there is mostly more to say
        found.setdefault((use.source, use.column), [f"condition ({use.where})"])
    for column in (*log.unique, *recipe.group):
        if column != DAY:
            found.setdefault((LOG, column), ["log.unique" if column in log.unique else "what metrics group by"])
    for name, sequence in recipe.sequences.items():
        if sequence.snapshot:
            add("snapshot", sequence.snapshot, f"earlier events of {name}")
    for counter in recipe.counters.values():
        for column in filter(None, (counter.snapshot_positives, counter.snapshot_events)):
            add("snapshot", column, "earlier events of counters")
    if recipe.snapshot:
        for column in filter(None, (recipe.snapshot.user, recipe.snapshot.last_time)):
            add("snapshot", column, "user and time of the snapshot")
    return found


def _told(recipe: Recipe, use: Use) -> str:
    """Say what a column is read for; nothing of a condition."""
    part, name, *rest = use.where.split(".")
    if part == "features":
        feature = recipe.features[name]
        role = feature.role or (recipe.tables[feature.source].role if feature.source != LOG else "context")
        return f"feature of the {role} ({_kind(feature)})"
    if part == "sequences" and rest[0] == "features":
        return "side information of events"
    return "key of counters" if part == "counters" and rest == ["keys"] else ""


def _kind(feature: Column) -> str:
    transform = f", {feature.transform}" if feature.transform != "none" else ""
    return f"{feature.derive or feature.kind}{transform}"
