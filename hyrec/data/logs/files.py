"""The files that a recipe names, read a column at a time. CSV files become Parquet once, in a working folder."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hyrec.data.logs.found_columns import named_by_folders, read_column, refuse_structs
from hyrec.data.logs.ids import from_csv, id_values, like_built, one_form
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.nested import field_inside
from hyrec.files import is_leftover
from hyrec.messages import listed, suggest, unknown

_SEPARATORS = (",", "\t", ";", "|")
_KEPT = "the built logs"
_T = TypeVar("_T")


class Files(Protocol):
    """What a recipe says of files: log, event log, table or snapshot."""

    @property
    def files(self) -> list[str]:
        """Names or globs in the order of preference."""
        ...

    @property
    def separator(self) -> str:
        """What stands between columns; empty: found out."""
        ...

    @property
    def columns(self) -> list[str]:
        """Names of columns of files without a header."""
        ...


@dataclass(frozen=True)
class FoundFiles:
    """Files that no recipe describes: names or globs, and what :class:`Files` says besides."""

    files: list[str]
    separator: str = ""
    columns: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Source:
    """Files of one kind, whose rows follow one another.

    Args:
        where: What the recipe calls them, for messages.
        names: Names of the files.
        csv: What became of the CSV files: Parquet whose columns are all text.
        parquet: The Parquet files.
        columns: Columns that may be read.
        kept: Those of the files that an earlier build has kept of its logs.
        absent: Columns that a file lacks, and need not have; they are null.
        folders: Of Parquet files, the columns that are in the names of their folders, as in ``day=2024-05-01``.
    """

    where: str
    names: list[str]
    csv: list[Path]
    parquet: list[Path]
    columns: frozenset[str]
    kept: frozenset[Path] = frozenset()
    absent: dict[Path, frozenset[str]] = field(default_factory=dict)
    folders: dict[Path, dict[str, str | None]] = field(default_factory=dict)

    def read(self, column: str, *, as_id: bool = False) -> pl.Series:
        """Read one column of all files, in one type that holds every value.

        ``as_id``: its values are ids, which CSV files may write in more ways than a number has.
        """
        parts = self._parts(column, as_id)
        if as_id and self.kept:
            built = [part for part, name in parts if name == _KEPT]
            parts = [(like_built(part, built), name) for part, name in parts]
        moments = {part.dtype.is_temporal() for part, _ in parts if part.dtype.is_temporal() or part.dtype.is_numeric()}
        try:
            if len(moments) == 2:  # polars would take timestamps for numbers of whatever unit they have
                raise pl.exceptions.SchemaError("numbers and timestamps")
            alike = one_form([part for part, _ in parts])
            return pl.concat([part.to_frame() for part in alike], how="vertical_relaxed").to_series()
        except pl.exceptions.PolarsError as error:
            kinds = {str(part.dtype): name for part, name in parts}
            found = " and ".join(f"{kind} in {name}" for kind, name in list(kinds.items())[:3])
            raise RecipeError(f"{self.where}: column {column!r} is {found}; write all files alike.") from error

    def _parts(self, column: str, as_id: bool) -> list[tuple[pl.Series, str]]:
        """Read a column of what a build has kept and of the new CSV files and each Parquet file, with their names.

        Each is of the type that suits its own entries: new files do not change how those of the build read.
        """
        csv = [name for name in self.names if not name.endswith(".parquet")][:1]
        texts = {_KEPT: [path for path in self.csv if path in self.kept]}
        texts |= {name: [path for path in self.csv if path not in self.kept] for name in csv}
        parts = [
            (from_csv(replace(self, csv=paths).text(column), as_id=as_id), name)
            for name, paths in texts.items()
            if paths
        ]
        in_folders = self._of_folders(column, as_id)
        for path in self.parquet:
            part = in_folders[path] if path in in_folders else self.column_of(path, column)
            if part.dtype.is_decimal():
                part = id_values(part, column) if part.dtype.scale == 0 else part.cast(pl.Float64)  # type: ignore[attr-defined]
            parts.append((part, _KEPT if path in self.kept else path.name))
        return parts

    def _of_folders(self, column: str, as_id: bool) -> dict[Path, pl.Series]:
        """Return a column of those files whose folders name it, in the type that suits all of these."""
        paths = [path for path in self.parquet if column in self.folders.get(path, ())]
        if not paths:
            return {}
        lengths = self.num_rows(paths)
        texts = [
            pl.repeat(self.folders[path][column], n, dtype=pl.String, eager=True)
            for path, n in zip(paths, lengths, strict=True)
        ]
        typed, ends = from_csv(pl.concat(texts).alias(column), as_id=as_id), np.cumsum(lengths)
        return {path: typed[end - n : end] for path, n, end in zip(paths, lengths, ends.tolist(), strict=True)}

    def text(self, column: str) -> pl.Series:
        """Read one column of the CSV files, as it is written."""
        return pl.concat([self.column_of(path, column) for path in self.csv])

    def num_rows(self, paths: Iterable[Path]) -> list[int]:
        """Return how many rows each of the files has."""
        return [pq.read_metadata(path).num_rows for path in paths]

    def after(self, earlier: Source) -> Source:
        """Return these files behind those that a build has kept."""
        csv, parquet = [*earlier.csv, *self.csv], [*earlier.parquet, *self.parquet]
        return replace(self, csv=csv, parquet=parquet, kept=earlier.kept)

    def is_kept(self) -> NDArray[np.bool_]:
        """Mark the rows that a build has kept."""
        paths = [*self.csv, *self.parquet]
        return np.repeat([path in self.kept for path in paths], self.num_rows(paths))

    def places(self) -> NDArray[np.int64]:
        """Return where each row stands in the new files, one after another by name, from 0 on; -1 for kept rows."""
        csv, parquet = (iter([p for p in paths if p not in self.kept]) for paths in (self.csv, self.parquet))
        start, first = 0, {}
        for name in self.names:
            path = next(parquet if name.endswith(".parquet") else csv)
            first[path] = start
            start += self.num_rows([path])[0]
        paths = [*self.csv, *self.parquet]
        sizes = self.num_rows(paths)
        return np.concatenate(
            [
                np.arange(n) + first[path] if path in first else np.full(n, -1)
                for path, n in zip(paths, sizes, strict=True)
            ]
        )

    def column_of(self, path: Path, column: str) -> pl.Series:
        """Read one column of one of the files; null where the file lacks it."""
        if column in self.absent.get(path, ()):
            dtype = pl.String if path in self.csv else pl.Null
            return pl.repeat(None, self.num_rows([path])[0], dtype=dtype, eager=True).alias(column)
        return guarded(path, "Parquet", read_column, path, column)


def find_files(patterns: list[str], directory: Path) -> list[Path]:
    """Return the files of the first pattern that matches any.

    Names that begin with ``.`` or ``_``, and folders of such names, are what writers leave behind: they are
    read only where the pattern says so itself.
    """
    for pattern in patterns:
        asked = {".", "..", *Path(pattern).parts}
        found = []
        for path in directory.glob(pattern):
            below = path.relative_to(directory).parts if path.is_relative_to(directory) else (path.name,)
            if path.is_file() and not is_leftover(below, asked):
                found.append(path)
        if found:
            return sorted(found)
    return []


def open_files(
    spec: Files,
    directory: Path,
    where: str,
    columns: Iterable[str],
    folder: Path,
    optional: Iterable[str] = (),
    *,
    may_be_empty: bool = False,
) -> Source:
    """Find files, check their columns, and lay CSV files down as Parquet in ``folder``.

    Of the names or globs, the first that matches counts; ``where`` is what the recipe calls them. Without a separator
    CSV files have the one that makes their header hold the columns. Names of folders hold columns as well, as in
    ``day=2024-05-01``. ``optional`` columns may be missing, and all rows where the files ``may_be_empty``.

    Raises:
        RecipeError: For files or columns that are missing and files that cannot be read.
    """
    paths, wanted = find_files(spec.files, directory), sorted(columns)
    if not paths:
        there = sorted(p.name for p in directory.iterdir()) if directory.is_dir() else []
        hint = suggest(spec.files[0], there) if spec.files else ""
        raise RecipeError(
            f"{where}: {directory} holds none of {', '.join(spec.files)}.{hint} {listed(there, 'It holds')}"
        )
    csv: list[Path] = []
    parquet: list[Path] = []
    absent: dict[Path, frozenset[str]] = {}
    folders: dict[Path, dict[str, str | None]] = {}
    for path in paths:
        of_folders = named_by_folders(path)
        if path.suffix == ".parquet":
            fields = guarded(path, "Parquet", pq.read_schema, path)
            inside = [name for name in wanted if name not in fields.names and field_inside(fields, name)]
            folders[path] = {name: value for name, value in of_folders.items() if name not in fields.names}
            names = [*fields.names, *inside, *folders[path]]
            absent[path] = frozenset({*optional} - {*names})
            _check_columns(path, names, [name for name in wanted if name not in absent[path]], where)
            refuse_structs(path, fields, wanted, where)
            parquet.append(path)
            continue
        between, names = csv_header(path, wanted, where, spec.separator, spec.columns)
        more = {name: value for name, value in of_folders.items() if name not in names}
        csv.append(folder / f"{where}-{len(csv)}.parquet")
        absent[csv[-1]] = frozenset({*optional} - {*names, *more})
        there = [name for name in wanted if name not in absent[csv[-1]]]
        _check_columns(path, [*names, *more], there, where, is_csv=True)
        form: dict[str, Any] = {"separator": between, "infer_schema": False, "null_values": "", "glob": False}
        if spec.columns:
            form |= {"has_header": False, "new_columns": spec.columns}
        rows = pl.scan_csv(path, **form)
        rows = rows.with_columns(pl.lit(value, pl.String).alias(name) for name, value in more.items()).select(there)
        guarded(path, "CSV", rows.sink_parquet, csv[-1], compression="lz4")
    if not (may_be_empty or any(pq.read_metadata(path).num_rows for path in [*csv, *parquet])):
        held = "no rows" if spec.columns else "a header and no rows"
        raise RecipeError(f"{where}: {', '.join(p.name for p in paths[:3])} holds {held}.")
    names = [path.relative_to(directory).as_posix() if path.is_relative_to(directory) else path.name for path in paths]
    return Source(where, names, csv, parquet, frozenset(wanted), absent=absent, folders=folders)


def guarded(path: Path, kind: str, read: Callable[..., _T], *args: Any, **options: Any) -> _T:
    """Return ``read(...)``; what the reading library says of a file becomes one sentence of ours.

    Raises:
        RecipeError: If the file cannot be read.
    """
    try:
        return read(*args, **options)
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        if is_full(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        advice = "It may be truncated; write or copy it again."
        if kind == "CSV":
            advice = "It has to be UTF-8 with a header, one separator, and quotes around texts that hold it."
        raise RecipeError(f"{path} cannot be read as {kind}: {reason}. {advice}") from error


def is_full(error: BaseException) -> bool:
    """Whether an error says that the disk, a quota or a limit of file sizes lets no more be written."""
    numbers = [getattr(error, "errno", None), *map(int, re.findall(r"os error (\d+)", str(error)))]
    return not {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}.isdisjoint(numbers) or "No space left" in str(error)


def csv_header(
    path: Path, wanted: list[str], where: str, separator: str, columns: Sequence[str] = ()
) -> tuple[str, list[str]]:
    """Return the separator and the names in the first line; of several separators the one that finds most.

    A file without a header has the names ``columns``, as many as its first line has entries.
    """
    first_line = {"has_header": False, "n_rows": 1, "infer_schema": False, "truncate_ragged_lines": True, "glob": False}
    found: dict[str, list[str]] = {}
    refused: list[RecipeError] = []

    def read(between: str) -> None:
        try:
            line = guarded(path, "CSV", pl.read_csv, path, separator=between, **first_line)
            found[between] = ["" if name is None else str(name) for name in line.row(0)]
        except RecipeError as error:  # by another separator, what follows a quoted name is no CSV
            refused.append(error)

    for between in [separator] if separator else _SEPARATORS:
        read(between)
    if not found:
        raise refused[0]
    if columns:
        best = max(found, key=lambda between: (len(found[between]) == len(columns), len(found[between])))
        _check_named(path, found[best], list(columns), where)
        return best, list(columns)
    best = max(found, key=lambda between: (len({*wanted} & {*found[between]}), len(found[between])))
    return best, found[best]


def _check_named(path: Path, first: list[str], columns: list[str], where: str) -> None:
    key = f"{where.rpartition('.')[0]}.columns"
    if len(first) != len(columns):
        raise RecipeError(
            f"{key} names {len(columns)} columns, and the first line of {path.name} has {len(first)}: "
            f"{', '.join(first[:12])}. Name all of them in their order; another separator goes to "
            f"{where.rpartition('.')[0]}.separator."
        )
    if first == columns:
        raise RecipeError(f"{key}: {path.name} has these names in its first line already. Leave {key} out.")


def column_names(path: Path, wanted: list[str], where: str, separator: str = "") -> list[str]:
    """Return the names of a Parquet or CSV file's columns; the arguments are those of ``csv_header``."""
    if path.suffix == ".parquet":
        return list(guarded(path, "Parquet", pq.read_schema, path).names)
    return csv_header(path, wanted, where, separator)[1]


def _check_columns(path: Path, names: list[str], wanted: list[str], where: str, *, is_csv: bool = False) -> None:
    part = where.rpartition(".")[0]
    for column in wanted:
        if names.count(column) > 1:
            raise RecipeError(f"{where}: {path.name} holds the column {column!r} twice; name or drop one of them.")
        if column in names:
            continue
        problem = unknown(f"{where}: {path.name} has no column", column, names, allowed="Columns")
        if is_csv and not {*wanted} & {*names}:
            problem += (
                f"\nThe first line of a CSV file names its columns: where there is none, {part}.columns does. Columns "
                f"that are parted by something else than {', '.join(map(repr, _SEPARATORS))} need {part}.separator."
            )
        raise RecipeError(problem)
