"""What a recipe makes of every column of its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hyrec.data.logs.files import column_names, find_files
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Column, RecipeError

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
    uses = _uses(recipe)
    mapped, left_out, read = [], [], []
    for part, (patterns, separator) in parts.items():
        files = find_files(patterns, folder)
        if not files:
            raise RecipeError(_missing(patterns, folder))
        read += [file.name for file in files]
        wanted = [column for of, column in uses if of == part]
        for column in column_names(files[0], wanted, f"{part}.files", separator):
            name = column if part == LOG else f"{part}.{column}"
            if found := uses.get((part, column)):
                mapped.append((name, ", ".join(dict.fromkeys(found))))
            else:
                left_out.append((name, reasons.get(name, _UNREAD)))
    return mapped, left_out, read


def _missing(patterns: list[str], folder: Path) -> str:
    below = next((path.parent for pattern in patterns for path in sorted(folder.glob(f"*/{pattern}"))), None)
    hint = f" {below} does: name that folder." if below else ""
    return f"{folder} holds none of {', '.join(patterns)}, which the recipe reads.{hint}"


def _uses(recipe: Recipe) -> dict[tuple[str, str], list[str]]:
    """Return what columns of the log, the tables and the snapshot are, by source and column."""
    log, found = recipe.log, dict[tuple[str, str], list[str]]()

    def add(source: str, column: str, use: str) -> None:
        table, _, inner = column.partition(".")
        place = (table, inner) if source == LOG and inner and table in recipe.tables else (source, column)
        found.setdefault(place, []).append(use)

    for column, use in ((log.user, "user"), (log.item, "item"), (log.time, "time"), (log.day, "day")):
        if column:
            add(LOG, column, f"{use} of the impression")
    for name, task in recipe.tasks.items():
        add(LOG, recipe.labels[name], f"task {name}: positive {task.rule}")
    for column in log.outcomes:
        if column not in recipe.labels.values():
            add(LOG, column, "outcome, of earlier events only")
    for name, table in recipe.tables.items():
        add(name, table.key, "key of the table")
    for name, feature in recipe.features.items():
        role = feature.role or (recipe.tables[feature.source].role if feature.source != LOG else "context")
        for column in feature.reads(name):
            add(feature.source, column, f"feature of the {role} ({_kind(feature)})")
    for name, sequence in recipe.sequences.items():
        for side, feature in sequence.features.items():
            for column in feature.reads(side) if sequence.log == LOG or feature.source != LOG else ():
                add(feature.source, column, "side information of events")
        if sequence.snapshot:
            add("snapshot", sequence.snapshot, f"earlier events of {name}")
    for counter in recipe.counters.values():
        for column in counter.keys if counter.log == LOG else ():
            add(LOG, column, "key of counters")
        for column in filter(None, (counter.snapshot_positives, counter.snapshot_events)):
            add("snapshot", column, "earlier events of counters")
    if recipe.snapshot:
        for column in filter(None, (recipe.snapshot.user, recipe.snapshot.last_time)):
            add("snapshot", column, "user and time of the snapshot")
    return found


def _kind(feature: Column) -> str:
    transform = f", {feature.transform}" if feature.transform != "none" else ""
    return f"{feature.derive or feature.kind}{transform}"
