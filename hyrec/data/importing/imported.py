"""What an importer found: what became of every column, and the files that the next commands take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from hyrec.files import write_text
from hyrec.plain_text import table
from hyrec.schema import Schema

_BUILT = "built"


@dataclass(kw_only=True)
class Imported(ABC):
    """A data set of another format, as hyrec reads it.

    Args:
        origin: Where it comes from, in words.
        mapped: Columns with what they became.
        left_out: Columns with the reason.
        notes: What else there is to know, a line each.
        config: A model's config to begin with.
    """

    origin: str
    mapped: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    config: str = "pkg:hyrec/hyformer.yaml"

    @abstractmethod
    def write(self, out: Path) -> list[Path]:
        """Write what later commands read, and return the files."""

    @abstractmethod
    def next_commands(self, out: Path) -> list[str]:
        """Return the commands that use what was written."""

    def report(self) -> str:
        """Return what was mapped to what, and what was left out and why."""
        parts = [table(["became", "columns", "which"], _together(self.mapped), right=[1])]
        if self.left_out:
            parts.append(table(["left out because", "columns", "which"], _together(self.left_out), right=[1]))
        return "\n\n".join([*parts, *(["\n".join(self.notes)] if self.notes else [])])

    def _write_data(self, out: Path, schema: Path, options: dict[str, Any]) -> Path:
        overlay = {"schema": str(schema.resolve()), "data": {"class_path": "ParquetData", "init_args": options}}
        return write_text(out / "data.yaml", self._head + _yaml(overlay))

    @property
    def _head(self) -> str:
        return f"# Imported from {self.origin}.\n"

    def _fit(self, out: Path) -> str:
        return f"hyrec fit --config {self.config} --config {quote(str(out / 'data.yaml'))}"


@dataclass(kw_only=True)
class ImportedRows(Imported):
    """Rows that are ready to train on.

    Args:
        schema: What the data is.
        data: Options of ``ParquetData``: the files of each split, or ``path``.
    """

    schema: Schema
    data: dict[str, Any]

    def write(self, out: Path) -> list[Path]:
        """Write ``schema.yaml``, and ``data.yaml``: a config that names schema and files."""
        schema = write_text(out / "schema.yaml", self._head + _yaml(self.schema.to_dict()))
        return [schema, self._write_data(out, schema, self.data)]

    def next_commands(self, out: Path) -> list[str]:
        """Return the command that trains."""
        return [self._fit(out)]


@dataclass(kw_only=True)
class ImportedLog(Imported):
    """Logs as they were collected, which ``hyrec data build`` makes rows of.

    Args:
        folder: The folder with the logs.
        text: A recipe to be written. Empty: ``shipped`` is one.
        shipped: Name of a recipe that needs no changes, as ``--recipe`` takes it.
    """

    folder: Path
    text: str = ""
    shipped: str = ""

    def write(self, out: Path) -> list[Path]:
        """Write ``recipe.yaml`` where none ships, and ``data.yaml``: a config that names what will be built."""
        recipes = [write_text(out / "recipe.yaml", self._head + self.text)] if self.text else []
        files = {split: str((out / _BUILT / f"{split}.parquet").resolve()) for split in ("train", "validate", "test")}
        return [*recipes, self._write_data(out, out / _BUILT / "schema.yaml", files)]

    def next_commands(self, out: Path) -> list[str]:
        """Return the commands that build and train."""
        recipe, built = self.shipped or str(out / "recipe.yaml"), str(out / _BUILT)
        build = f"hyrec data build --recipe {quote(recipe)} --input {quote(str(self.folder))} --out {quote(built)}"
        return [build, self._fit(out)]


def _yaml(content: dict[str, Any]) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))


def _together(columns: list[tuple[str, str]]) -> list[list[str]]:
    """Return a row for each text, in order of appearance, with all columns that it is said of.

    Names that begin alike are written once: ``seq_1, seq_2`` as ``seq_1, 2``.
    """
    rows = []
    for text in dict.fromkeys(text for _, text in columns):
        names = [name for name, said in columns if said == text]
        runs = []
        for head, run in groupby(names, key=lambda name: name.rpartition("_")[0]):
            first, *others = run
            runs += [first, *(other[len(head) + 1 :] if head else other for other in others)]
        rows.append([text, str(len(names)), ", ".join(runs)])
    return rows
