"""Data sets in the formats of others, as a schema and Parquet: one file a format."""

from __future__ import annotations

import pkgutil
from pathlib import Path

from hyrec.data.importing.imported import Imported

__all__ = ["FORMATS", "Imported", "import_data"]

FORMATS = {
    "taac": ("hyrec.data.importing.taac:import_taac", "TAAC-2026: schema.json and flat Parquet, read where it lies"),
}
"""Every format by name: ``module:function``, and what it is. The function takes the folder that holds the data and the
one that is written to, into which it writes Parquet where the files cannot be read as they are; it returns what was
found, as ``Imported``."""


def import_data(name: str, folder: Path, out: Path) -> Imported:
    """Read a data set of one of the ``FORMATS``, and write its ``schema.yaml`` and ``data.yaml``.

    Raises:
        DataError: For files that are not what the format says.
    """
    found: Imported = pkgutil.resolve_name(FORMATS[name][0])(folder, out)
    found.write(out)
    return found
