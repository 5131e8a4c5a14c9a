"""Data sets in the formats of others, as a schema and Parquet or as a recipe: one file a format."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrec.data.importing.imported import Imported, ImportedLog, ImportedRows
from hyrec.data.importing.shipped_recipe import describe_log
from hyrec.data.parquet.policy import DataError
from hyrec.plugins.functions import IMPORTERS, find_function, function_names

__all__ = ["FORMATS", "Format", "Imported", "ImportedLog", "ImportedRows", "import_data", "known_formats"]


@dataclass(frozen=True)
class Format:
    """A format that can be imported.

    Args:
        text: What it is.
        signs: Globs, of which a folder in this format holds one. Empty: nothing tells it.
        importer: ``module:function``. It takes the folder that holds the data and the one that is written to, into
            which it writes Parquet where the files cannot be read as they are; it returns what was found, as
            ``Imported``.
        recipe: In place of an importer: a shipped recipe, which reads the files.
    """

    text: str
    signs: tuple[str, ...] = ()
    importer: str = ""
    recipe: str = ""

    def sign_in(self, folder: Path) -> str:
        """Return a file of the folder that tells the format, or nothing."""
        found = (path.relative_to(folder) for sign in self.signs for path in sorted(folder.glob(sign)))
        return str(next(found, ""))


FORMATS = {
    "taac": Format(
        "TAAC-2026: schema.json and flat Parquet, read where it lies",
        ("*schema.json",),
        "hyrec.data.importing.taac:import_taac",
    ),
    "fuxictr": Format(
        "FuxiCTR and BARS: dataset_config.yaml with CSV or Parquet, or feature_map.json with encoded Parquet",
        ("dataset_config.yaml", "config/dataset_config.yaml", "dataset_config/*.yaml", "feature_map.json"),
        "hyrec.data.importing.fuxictr:import_fuxictr",
    ),
    "unirank": Format(
        "UniRank: blocks of rows, whole histories of users and items, with meta_data.json",
        ("meta_data.json", "train/data/part-*.parquet"),
        "hyrec.data.importing.unirank:import_unirank",
    ),
    "recbole": Format(
        "RecBole's atomic files (NAME.inter, .user, .item), as a recipe",
        ("*.inter",),
        "hyrec.data.importing.recbole:import_recbole",
    ),
    "kuairand": Format(
        "KuaiRand-Pure, by the recipe that ships", ("log_standard_*",), recipe="pkg:hyrec/recipes/kuairand_pure.yaml"
    ),
}
"""hyrec's own formats by name."""


def known_formats() -> dict[str, Format]:
    """Return all formats by name, also those of installed packages under other names; no package is imported."""
    others = [name for name in function_names(IMPORTERS) if name not in FORMATS]
    return {**FORMATS, **{name: Format("from an installed package") for name in others}}


def import_data(
    name: str, folder: Path, out: Path, find_recipe: Callable[[str], Path] = Path
) -> tuple[Imported, list[Path]]:
    """Read a data set of a known format; return what was found, and the files that later commands take.

    Args:
        name: The format.
        folder: Where the data set lies.
        out: Where to write.
        find_recipe: Finds a recipe that ships.

    Raises:
        DataError: For files that are not what the format says.
        PluginError: When the package that has the format cannot be imported.
    """
    chosen = known_formats()[name]
    if not chosen.sign_in(folder):
        for other, known in FORMATS.items():
            if sign := known.sign_in(folder):
                needs = f" (it needs {' or '.join(chosen.signs)})" if chosen.signs else ""
                raise DataError(
                    f"{folder} is not in the format {name}{needs}. With {sign} it looks like {other}: "
                    f"hyrec data import {other} {folder}"
                )
    if chosen.recipe:
        found: Imported = describe_log(chosen.recipe, find_recipe(chosen.recipe), folder)
    else:
        importer: Any = pkgutil.resolve_name(chosen.importer) if chosen.importer else find_function(name, IMPORTERS)
        found = importer(folder, out)
    return found, found.write(out)
