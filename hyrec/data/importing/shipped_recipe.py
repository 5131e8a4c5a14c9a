"""Data sets that a shipped recipe reads: which of its files are there, and what becomes of their columns."""

from __future__ import annotations

from pathlib import Path

from hyrec.data.importing.imported import ImportedLog
from hyrec.data.importing.recipe_columns import columns_of
from hyrec.data.logs.recipe import Recipe


def describe_log(name: str, path: Path, folder: Path) -> ImportedLog:
    """Say what the recipe ``name``, which lies at ``path``, makes of the files of a folder.

    Raises:
        RecipeError: When files are missing.
    """
    recipe = Recipe.load(path)
    mapped, left_out, files = columns_of(recipe, folder, {})
    notes = [f"Files: {', '.join(files)}."]
    if recipe.snapshot and not {*recipe.snapshot.files} & {*files}:
        notes.append(f"No snapshot ({', '.join(recipe.snapshot.files)}): histories begin with the log.")
    return ImportedLog(
        origin=f"{folder} by {name}", folder=folder, shipped=name, mapped=mapped, left_out=left_out, notes=notes
    )
