"""Files of an unknown data set, read as ``hyrec data build`` reads them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from hyrec.data.drafting.columns import Guess, Kind, declared, guess
from hyrec.data.logs.files import csv_header, find_files, guarded
from hyrec.data.logs.ids import from_csv, id_values, one_form
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.files import is_leftover
from hyrec.messages import listed, suggest

_SAMPLE, _BLOCKS = 200_000, 5
"""Rows that kinds are guessed from, and how many places they come from; neighbours stay together, as of one request."""


@dataclass(frozen=True)
class RawTable:
    """Files with the same columns, whose rows follow one another.

    Args:
        files: The files.
        pattern: Name or glob, from ``directory`` on, that finds all of them and no others.
        columns: Their columns.
        separators: Of the CSV files.
        declared: Kind and separator of columns of which a format says what they hold.
        headerless: Whether ``columns`` were given: the first line holds values.
    """

    files: list[Path]
    pattern: str
    columns: list[str]
    separators: dict[Path, str]
    declared: dict[str, tuple[Kind, str]] = field(default_factory=dict)
    headerless: bool = False

    @property
    def name(self) -> str:
        """What the files are called, without ending."""
        return Path(self.pattern).name.partition(".")[0].strip("*_-.") or "table"

    @property
    def named(self) -> dict[str, list[str]]:
        """What a recipe says of it beside its files: the names of its columns, where no header does."""
        return {"columns": self.columns} if self.headerless else {}

    @cached_property
    def num_rows(self) -> int:
        """Rows of all files."""
        return sum(self._collected(self._rows(path).select(pl.len())).item() for path in self.files)

    @cached_property
    def sample(self) -> pl.DataFrame:
        """Blocks of rows from all over the files, every column in the type that suits its entries."""
        rows = pl.concat([self._rows(path) for path in self.files], how="vertical_relaxed")
        if self.num_rows > _SAMPLE:
            starts = [self.num_rows * block // _BLOCKS for block in range(_BLOCKS)]
            rows = pl.concat([rows.slice(start, _SAMPLE // _BLOCKS) for start in starts])
        frame = self._collected(rows)
        return frame.with_columns([self._typed(column, as_id=False) for column in frame])

    @cached_property
    def guesses(self) -> dict[str, Guess]:
        """What each column holds, as it is declared or seems to."""
        said = self.declared
        return {of.name: declared(of, *said[of.name]) if of.name in said else guess(of) for of in self.sample}

    def column(self, name: str, *, as_id: bool = False) -> pl.Series:
        """Read one column of all rows; ``as_id`` as for a CSV column of ids."""
        parts = [self._collected(self._rows(path).select(name)).to_series() for path in self.files]
        parts = [self._typed(part, as_id=as_id) for part in parts]
        return pl.concat([part.to_frame() for part in one_form(parts)], how="vertical_relaxed").to_series()

    def ids(self, name: str) -> pl.Series:
        """Read one column of all rows as ids."""
        return id_values(self.column(name, as_id=True), f"{self.pattern}, column {name!r},")

    def _rows(self, path: Path) -> pl.LazyFrame:
        if path in self.separators:
            form: dict[str, Any] = {"has_header": False, "new_columns": self.columns} if self.headerless else {}
            form |= {"separator": self.separators[path], "infer_schema": False, "null_values": "", "glob": False}
            return pl.scan_csv(path, **form)
        return pl.scan_parquet(path, glob=False)

    def _collected(self, rows: pl.LazyFrame) -> pl.DataFrame:
        return guarded(self.files[0], "CSV" if self.separators else "Parquet", lambda: pl.DataFrame(rows.collect()))

    def _typed(self, column: pl.Series, *, as_id: bool) -> pl.Series:
        typed = from_csv(column, as_id=as_id) if self.separators else column
        if typed.dtype in (pl.Categorical, pl.Enum):
            typed = typed.cast(pl.String)
        elif typed.dtype.is_decimal():
            typed = typed.cast(pl.Float64)
        elif typed.dtype.is_float():
            typed = typed.fill_nan(None)
        return typed


def open_tables(names: Iterable[str], headers: Mapping[str, list[str]] | None = None) -> tuple[Path, list[RawTable]]:
    """Find files and those in folders, and put files of the same columns together.

    Args:
        names: Files and folders.
        headers: Names of the columns of CSV files without a header, by the name of a file or a glob.

    Returns:
        The folder that holds all of them, and the tables.

    Raises:
        RecipeError: For what is missing, holds nothing, or has no name of its own.
    """
    files = sorted({file.resolve() for name in names for file in _files(Path(name))})
    directory = Path(os.path.commonpath([file.parent for file in files]))
    alike: dict[tuple[bool, tuple[str, ...]], list[Path]] = {}
    unmatched = {*(headers or {})}
    separators: dict[Path, str] = {}
    for file in files:
        given = next((glob for glob in sorted(headers or {}, key="*".__eq__) if fnmatch(file.name, glob)), None)
        unmatched.discard(given or "")
        if file.suffix == ".parquet":
            columns = guarded(file, "Parquet", pq.read_schema, file).names
        else:
            separators[file], columns = csv_header(file, [], file.name, "")
            if headers and given is not None:
                columns = _header(file, columns, headers[given])
            if twice := sorted({name for name in columns if columns.count(name) > 1}):
                raise RecipeError(f"{file.name} holds the column {twice[0]!r} twice; name or drop one of them.")
        alike.setdefault((given is not None and file in separators, tuple(columns)), []).append(file)
    if unmatched:
        raise RecipeError(
            f"--columns names {sorted(unmatched)[0]!r}, which is none of the files. "
            f"{listed([file.name for file in files], 'Files')}"
        )
    shown = directory.relative_to(Path.cwd()) if directory.is_relative_to(Path.cwd()) else directory
    return shown, [
        RawTable(
            own,
            _pattern(own, directory),
            [*columns],
            {f: separators[f] for f in own if f in separators},
            headerless=headerless,
        )
        for (headerless, columns), own in alike.items()
    ]


def _header(file: Path, first: list[str], names: list[str]) -> list[str]:
    """Return the names that were given for a file, whose first line holds values."""
    if first == names:
        raise RecipeError(f"--columns: {file.name} has these names in its first line already. Leave it out.")
    if len(first) != len(names):
        raise RecipeError(
            f"--columns names {len(names)} columns of {file.name}, and its first line has {len(first)}: "
            f"{', '.join(first[:12])}. Name all of them in their order."
        )
    return names


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = [file for file in sorted(path.iterdir()) if file.is_file() and not is_leftover((file.name,), set())]
        found = [file for file in found if {".csv", ".tsv", ".parquet"} & set(file.suffixes)]
        if not found:
            below = next(
                (file for file in sorted(path.glob("*/*")) if file.suffix in (".csv", ".tsv", ".parquet")), None
            )
            hint = f" Those in folders below are named one by one, as {path}/*/*{below.suffix}." if below else ""
            raise RecipeError(f"The folder {str(path)!r} holds no CSV or Parquet files.{hint}")
        return found
    if not path.is_file():
        near = [str(other) for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise RecipeError(f"There is no file {str(path)!r}.{suggest(str(path), near)}")
    return [path]


def _pattern(files: list[Path], directory: Path) -> str:
    names = [file.relative_to(directory).as_posix() for file in files]
    if len(names) == 1:
        return names[0]
    parts = [name.split("/") for name in names]
    alike = [[*zip(*parts, strict=True)]] if len({len(own) for own in parts}) == 1 else []
    globs = ["/".join(_glob([*names], loose=True) for names in of) for of in alike]  # also finds what comes later
    globs += [_glob(names, loose=False)]
    for pattern in globs:
        if [file.resolve() for file in find_files([pattern], directory)] == files:
            return pattern
    raise RecipeError(
        f"{', '.join(names[:3])} have the same columns, but {globs[-1]} finds other files as well. "
        "Name them alike, as log_1.csv and log_2.csv, or put them into a folder of their own."
    )


def _glob(names: list[str], *, loose: bool) -> str:
    """Return a glob of names; a ``loose`` one leaves the rest of numbers, dates and ``key=value`` open."""
    if len({*names}) == 1:
        return names[0]
    start = _common_start(names)
    end = _common_start([name[len(start) :][::-1] for name in names])[::-1]
    if loose and "=" in start:
        return f"{start.partition('=')[0]}=*"
    if loose:
        start, end = re.sub(r"\d[\d-]*$", "", start), re.sub(r"^[\d-]*\d", "", end)
    return f"{start}*{end}"


def _common_start(texts: list[str]) -> str:
    alike = itertools.takewhile(lambda letters: len({*letters}) == 1, zip(*texts, strict=False))
    return "".join(letters[0] for letters in alike)
