"""What an importer found: a schema, where the rows are, and what became of every column."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from hyrec.files import write_text
from hyrec.plain_text import table
from hyrec.schema import Schema


@dataclass
class Imported:
    """A data set of another format, as hyrec reads it.

    Args:
        origin: Where it comes from, in words.
        schema: What the data is.
        data: Options of ``ParquetData``: the files of each split, or ``path``.
        mapped: Columns with what they became.
        left_out: Columns with the reason.
        notes: What else there is to know, a line each.
        config: A model's config to begin with.
    """

    origin: str
    schema: Schema
    data: dict[str, Any]
    mapped: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    config: str = "pkg:hyrec/hyformer.yaml"

    def write(self, out: Path) -> None:
        """Write ``schema.yaml``, and ``data.yaml``: a config that names schema and files."""
        out.mkdir(parents=True, exist_ok=True)
        head = f"# Imported from {self.origin}.\n"
        write_text(out / "schema.yaml", head + _yaml(self.schema.to_dict()))
        schema = str((out / "schema.yaml").resolve())
        overlay = {"schema": schema, "data": {"class_path": "ParquetData", "init_args": self.data}}
        write_text(out / "data.yaml", head + _yaml(overlay))

    def report(self) -> str:
        """Return what was mapped to what, and what was left out and why."""
        parts = [table(["became", "columns", "which"], _together(self.mapped), right=[1])]
        if self.left_out:
            parts.append(table(["left out because", "columns", "which"], _together(self.left_out), right=[1]))
        return "\n\n".join([*parts, *(["\n".join(self.notes)] if self.notes else [])])


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
