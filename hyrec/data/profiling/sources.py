"""Which files are profiled, by split: those of a built folder, or files that are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from hyrec.data.logs.files import csv_header
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.parquet.policy import DataError
from hyrec.messages import suggest
from hyrec.schema import Schema

SPLITS = ("train", "validate", "test")
_NAMES = {"train": "train", "training": "train", "val": "validate", "valid": "validate", "validate": "validate",
          "validation": "validate", "test": "test", "eval": "test"}  # fmt: skip
_FORMS = (".parquet", ".csv", ".tsv")


@dataclass(frozen=True)
class Sources:
    """What is profiled.

    Args:
        name: What the profile calls the data: a folder, or the first of the files.
        schema: What the files hold. None: their columns are told and nothing else.
        splits: Files by split. ``rows`` holds those that no split was named for.
        vocabulary: Folder with the values that ids stand for, where a build left one.
        zone: Time zone of days: that of the build's recipe.
    """

    name: str
    schema: Schema | None
    splits: dict[str, list[Path]] = field(default_factory=dict)
    vocabulary: Path | None = None
    zone: str = "UTC"


def find_sources(paths: Sequence[str], schema: str = "") -> Sources:
    """Find files and schema.

    Args:
        paths: A folder with ``train``, ``validate`` and ``test`` (Parquet, CSV, or folders of Parquet), or files.
        schema: A schema's file. Empty: the folder's ``schema.yaml``, if there is one.

    Raises:
        DataError: For paths that do not exist, folders without such files and files of other kinds.
        SchemaError: For a schema that cannot be used.
    """
    if len(paths) == 1 and Path(paths[0]).is_dir():
        return _of_folder(Path(paths[0]), schema)
    files = [_file(path) for path in paths]
    spec = Schema.load(schema) if schema else None
    splits: dict[str, list[Path]] = {}
    for file in files:
        words = re.split(r"[^a-z]+", file.stem.lower())
        named = next((_NAMES[word] for word in words if word in _NAMES), "rows")
        splits.setdefault(named if spec else "rows", []).append(file)
    return Sources(str(files[0]), spec, {name: splits[name] for name in (*SPLITS, "rows") if name in splits})


def _of_folder(folder: Path, schema: str) -> Sources:
    own = folder / "schema.yaml"
    spec = Schema.load(schema or own) if schema or own.is_file() else None
    splits: dict[str, list[Path]] = {}
    for split in SPLITS:
        found = [path for form in _FORMS if (path := folder / f"{split}{form}").is_file()][:1]
        below = sorted(p for p in (folder / split).rglob("*.parquet") if p.is_file())
        if found or below:
            splits[split] = found or below
    if not splits or spec is None:
        every = sorted(path for form in _FORMS for path in folder.glob(f"*{form}"))
        splits = {"rows": every} if every else {}
    if not splits:
        raise DataError(
            f"{folder} holds no train, validate or test as .parquet, .csv or .tsv, and no other such file."
            f"{'' if spec else ' It has no schema.yaml either.'}"
        )
    vocabulary = folder / "vocabulary"
    recipe = folder / "recipe.yaml"
    zone = Recipe.load(recipe).log.time_zone if spec and recipe.is_file() else "UTC"
    return Sources(str(folder), spec, splits, vocabulary if vocabulary.is_dir() else None, zone)


def _file(path: str) -> Path:
    file = Path(path)
    if file.is_dir():
        raise DataError(f"{path!r} is a folder: name one folder alone, or files.")
    if not file.is_file():
        near = [str(p) for p in file.parent.iterdir()] if file.parent.is_dir() else []
        raise DataError(f"There is no file {path!r}.{suggest(path, near)}")
    return file


def as_parquet(file: Path, folder: Path, *, as_written: bool = False) -> Path:
    """Return a file as Parquet: itself, or a CSV file that is streamed to ``folder``.

    ``as_written``: digits of which some begin with a zero stay text, as the id ``0053`` is none of a number.

    Raises:
        DataError: For a CSV file that cannot be read.
    """
    if file.suffix.lower() not in (".csv", ".tsv"):
        return file
    target = folder / f"{len(list(folder.iterdir()))}-{file.stem}.parquet"
    try:
        separator, _ = csv_header(file, [], file.name, "")
        # Types are those of all rows: an id that is a number in the first hundred may be a text later.
        form: dict[str, Any] = {"separator": separator, "null_values": "", "glob": False}
        lazy = pl.scan_csv(file, infer_schema_length=None, **form)
        if as_written:
            texts = pl.scan_csv(file, infer_schema=False, **form)
            whole = [name for name, kind in lazy.collect_schema().items() if kind.is_integer()]
            led = texts.select(pl.col(whole).str.contains(r"^\s*[-+]?0\d").any()).collect()
            text = {name: pl.String for name in whole if led[name].item()}
            lazy = pl.scan_csv(file, infer_schema_length=None, schema_overrides=text, **form)
        lazy.sink_parquet(target, row_group_size=16384)
    except (pl.exceptions.PolarsError, OSError, RecipeError) as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise DataError(f"{file} is not a readable CSV file: {reason}") from error
    return target
