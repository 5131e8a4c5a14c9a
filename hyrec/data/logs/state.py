"""What a build keeps of its logs, so that later rows see them: ``hyrec data apply`` reads it in place of the logs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hyrec.data.logs.files import Source
from hyrec.data.logs.history import RowNumbers
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.writer import Store, column, write

FOLDER = "_state"
"""Begins with ``_``, so that no pattern takes it for logs or training files."""
LOG, SNAPSHOT = "log", "snapshot"
_ROW_GROUP = 65_536


@dataclass(frozen=True)
class State:
    """A folder with the columns that the recipe reads, of the rows of the logs that were used, of tables and snapshot.

    They are kept as they were read, those of CSV files as text: together with further files they read as they would
    have read at once. Counts by key would be no smaller, as most pairs of a user and an item are seen once.

    Args:
        folder: Where.
    """

    folder: Path

    def has(self, what: str) -> bool:
        """Whether something was kept under a name: ``LOG``, ``SNAPSHOT``, or one of the functions below."""
        return any(path.is_file() for path in self._paths(what))

    def keep(self, what: str, source: Source, store: Store, rows: RowNumbers | None = None) -> None:
        """Write rows of files down in the order of ``rows``; None: all of them."""
        num_texts = sum(source.num_rows(source.csv))
        if rows is None:
            rows = np.arange(num_texts + sum(source.num_rows(source.parquet)))
        typed = replace(source, csv=[])
        text_path, typed_path = self._paths(what)
        of_texts, of_typed = rows, rows
        if source.csv and source.parquet:
            of_texts, of_typed = rows[rows < num_texts], (rows[rows >= num_texts] - num_texts).astype(rows.dtype)
        parts = [(text_path, source.csv, source.text, of_texts)]
        parts += [(typed_path, source.parquet, typed.read, of_typed)]
        self.folder.mkdir(exist_ok=True)
        for path, files, read, some in parts:
            if files:
                names = sorted(source.columns)
                columns = {name: column(store.put(read(name).rechunk().to_arrow())) for name in names}
                write(path, some, columns, [], {}, _ROW_GROUP)

    def open(self, what: str, where: str, columns: Iterable[str]) -> Source:
        """Return what was kept; ``where`` is what the recipe calls it.

        Raises:
            RecipeError: When it is gone.
        """
        if not self.has(what):
            raise RecipeError(f"{where}: {self._paths(what)[1]} is gone; build it again from its logs.")
        text, typed = ([path] if path.is_file() else [] for path in self._paths(what))
        return Source(where, [], text, typed, frozenset(columns), kept=frozenset([*text, *typed]))

    def _paths(self, what: str) -> tuple[Path, Path]:
        return self.folder / f"{what}.text.parquet", self.folder / f"{what}.parquet"


def table(name: str) -> str:
    """Return the name under which a table of the recipe is kept."""
    return f"table-{name}"


def event_log(name: str) -> str:
    """Return the name under which an event log is kept."""
    return f"events-{name}"
