"""The folder of a data set: all of it is new, or all of it is what was there."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pyarrow as pa

from hyrec.data.event_file import FOLDER as EVENTS
from hyrec.data.event_file import file_name
from hyrec.data.logs.files import is_full
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.state import FOLDER
from hyrec.data.logs.vocabulary import Vocabulary
from hyrec.schema import Schema

_PARTS = ("train", "validate", "test", "predict")
_FILES = ("schema.yaml", "recipe.yaml", "report.json", *(f"{name}.parquet" for name in _PARTS))


@contextmanager
def data_set_folder(out: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a folder for a data set and one for work; without an error the first takes the place of ``out``.

    Files of somebody else in ``out`` stay. When the body raises, nothing is left of either folder.

    Raises:
        RecipeError: When ``out`` is no folder, and for what the libraries cannot do.
        OSError: When the disk is full.
    """
    if out.exists() and not out.is_dir():
        raise RecipeError(f"--out {str(out)!r} is a file; name a folder, which is made when missing.")
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.parent
    if out.is_dir() and (out.is_mount() or not os.access(beside, os.W_OK)):
        beside = out  # moving is whole only within one file system
    try:
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", suffix=".building", dir=beside) as name:
            made, working = Path(name) / "made", Path(name) / "working"
            made.mkdir()
            working.mkdir()
            yield made, working
            _move(made, out, aside=Path(name) / "old")
    except (OSError, pl.exceptions.PolarsError, pa.ArrowException) as error:
        if is_full(error):
            raise OSError(
                errno.ENOSPC,
                f"The disk of {beside} is full: nothing was written to {out}. A build needs room for the data set and "
                "for its columns, about as much again; free some, or name an --out on another disk",
            ) from error
        if isinstance(error, OSError):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise RecipeError(
            f"The logs hold something that cannot be worked with ({type(error).__name__}): {reason}"
        ) from error


def save_fitted(folder: Path, recipe: Recipe, schema: Schema, vocabularies: Mapping[str, Vocabulary]) -> None:
    """Write what a build has fitted beside its rows: what later rows are encoded with."""
    save_vocabularies(folder, vocabularies)
    schema.save(folder / "schema.yaml")
    recipe.save(folder / "recipe.yaml")


def save_vocabularies(folder: Path, vocabularies: Mapping[str, Vocabulary]) -> None:
    """Write the vocabulary of every embedding table."""
    (folder / "vocabulary").mkdir()
    for table, vocabulary in vocabularies.items():
        vocabulary.save(folder / "vocabulary" / f"{table}.parquet")


def _move(made: Path, out: Path, aside: Path) -> None:
    """Put what was made in the place of ``out``."""
    ours = {out / path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    if (made / "recipe.yaml").is_file():  # a data set, of which new rows are no part: another one is gone
        ours |= _data_set(out)
    there = {path for path in out.rglob("*") if not path.is_dir()} if out.is_dir() else set()
    in_use = out.is_mount() or Path.cwd().is_relative_to(out) or made.is_relative_to(out)
    if there <= ours and not in_use:
        if out.is_dir():
            out.rename(aside)
        try:
            made.rename(out)
        except OSError:
            if aside.is_dir():
                aside.rename(out)
            raise
        return
    # Without its schema.yaml a data set cannot be read by mistake: it goes first and comes last.
    for path in sorted(ours & there, key=lambda path: path.name != "schema.yaml"):
        path.unlink()
    for path in sorted((p for p in made.rglob("*") if p.is_file()), key=lambda path: path.name == "schema.yaml"):
        (out / path.relative_to(made)).parent.mkdir(parents=True, exist_ok=True)
        path.replace(out / path.relative_to(made))


def _data_set(out: Path) -> set[Path]:
    """Return the files that a data set in ``out`` may have, whether they are there or not."""
    files = {*(out / FOLDER).glob("*.parquet")} | {out / name for name in _FILES}
    try:
        report = json.loads((out / "report.json").read_text(encoding="utf-8"))
        tables, sequences = report["vocabulary"], report["history_lengths"]
    except (OSError, ValueError, KeyError, TypeError):
        return files  # no earlier data set, or none of ours
    files |= {out / EVENTS / file_name(sequence) for sequence in sequences}
    return files | {out / "vocabulary" / f"{table}.parquet" for table in tables}
