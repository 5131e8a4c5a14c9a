"""Columns of raw files that are no columns of a table: fields of structs and maps, and names of folders."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.nested import depth_of, field_inside, follow, type_inside
from hyrec.parquet import open_parquet

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def read_column(path: Path, column: str) -> pl.Series:
    """Read a column of a Parquet file, or what a dotted name leads to in one."""
    fields = pq.read_schema(path)
    if column in fields.names or (inside := field_inside(fields, column)) is None:
        return pl.read_parquet(path, columns=[column], glob=False)[column]
    top, steps = inside
    array = open_parquet(path).read(columns=[top])[top]
    found = [follow(chunk, steps) for chunk in array.chunks]
    return pl.Series(column, pa.chunked_array(found, None if found else type_inside(array.type, steps)))


def named_by_folders(path: Path) -> dict[str, str | None]:
    """Return what the names of a file's folders say of all its rows, as writers of partitions name them."""
    pairs = [part.partition("=") for part in path.parts[:-1] if "=" in part]
    return {unquote(name): None if value == _NO_VALUE else unquote(value) for name, _, value in pairs}


def refuse_structs(path: Path, fields: pa.Schema, wanted: list[str], where: str) -> None:
    """Refuse structs and maps that are wanted as a whole, with a name of what is in them.

    Raises:
        RecipeError: Naming the first.
    """
    for name in wanted:
        kind = depth_of(fields.field(name).type)[1] if fields.names.count(name) == 1 else pa.null()
        if pa.types.is_struct(kind) or pa.types.is_map(kind):
            inside = "key" if pa.types.is_map(kind) else kind.field(0).name
            raise RecipeError(
                f"{where}: column {name!r} of {path.name} is {kind}; a recipe reads what is in it by name, as "
                f"{f'{name}.{inside}'!r}."
            )
