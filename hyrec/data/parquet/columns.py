"""The columns that a schema reads of a file, and whether a file has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
from pyarrow import types

from hyrec.data.parquet.arrow import depth_of, is_text, is_whole
from hyrec.data.parquet.policy import DataError
from hyrec.messages import unknown
from hyrec.schema import Feature, Schema, SequenceSpec

Holds = Literal["id", "hashed id", "number", "time", "key", "any"]
_SHAPES = ("one value a row", "a list a row", "a list of lists a row")


@dataclass(frozen=True)
class Column:
    """What the schema expects of one column of a file.

    Args:
        name: Name in the file.
        use: Where the schema names it, for messages.
        holds: What the values are.
        depths: Allowed levels of lists: 0 a scalar, 1 a list, 2 a list of lists.
        optional: Whether a file may lack it.
        separator: Between the entries of lists that are stored as texts. Empty: there are none.
        peers: Columns of hashed ids that share the table.
    """

    name: str
    use: str
    holds: Holds
    depths: tuple[int, ...]
    optional: bool = False
    separator: str = ""
    peers: tuple[str, ...] = ()


def columns_of(name: str, feature: Feature) -> tuple[str, str]:
    """Return the columns of a feature's values and of its weights; those of a map are its keys and its values."""
    column, weights = feature.column or name, feature.weight_column
    return (f"{column}.key", f"{column}.value") if weights == column else (column, weights)


def candidate_column(schema: Schema) -> str:
    """Return the list column whose lengths say how many candidates a request has; empty in the flat layout."""
    if schema.layout != "requests":
        return ""
    features = [n for n in schema.features if schema.is_per_candidate(n)]
    for name in sorted(features, key=lambda n: schema.features[n].kind != "id"):
        return columns_of(name, schema.features[name])[0]
    name, task = next(iter(schema.tasks.items()))
    return task.column or name


def columns_read(
    schema: Schema, features: Mapping[str, Feature], sequences: Mapping[str, SequenceSpec], *, optional: bool
) -> list[Column]:
    """Return the columns of some features and sequences, and of all that an impression has besides.

    Args:
        schema: The data.
        features: Those that are read.
        sequences: Those that are read.
        optional: Whether a file may lack labels, group and weight.
    """
    hashed: dict[str, list[str]] = {}
    for place, table, feature in schema.every_feature():
        if feature.hash_size:
            hashed.setdefault(table, []).append(columns_of(place.rpartition(".")[2], feature)[0])
    grouped, columns = schema.layout == "requests", []

    def add(column: str, use: str, feature: Feature, depth: int, separator: str, table: str) -> None:
        holds: Holds = "number" if feature.kind == "dense" else ("hashed id" if feature.hash_size else "id")
        peers = tuple(hashed.get(table, ()))
        columns.append(Column(column, use, holds, (depth,), separator=separator, peers=peers))

    for name, feature in features.items():
        depth = int(feature.kind in ("multi_id", "weighted_ids") or feature.width > 1)
        depth += int(grouped and schema.is_per_candidate(name))
        (column, weights), use, separator = columns_of(name, feature), f"features.{name}", feature.separator
        add(column, use, feature, depth, separator, schema.table_of(name))
        if weights:
            columns.append(Column(weights, f"{use}.weight_column", "number", (depth,), separator=separator))
    for name, spec in sequences.items():
        use, separator = f"sequences.{name}", spec.separator
        for side, feature in spec.features.items():
            place, depth = f"{use}.features.{side}", 2 if feature.kind == "multi_id" else 1
            add(feature.column or side, place, feature, depth, separator, schema.table_of(side, name))
        if spec.time_column:
            columns.append(Column(spec.time_column, f"{use}.time_column", "time", (1,), separator=separator))
    either = (0, 1) if grouped else (0,)
    for name, task in schema.tasks.items():
        columns.append(Column(task.column or name, f"tasks.{name}", "number", either[-1:], optional))
    if schema.group_column:
        columns.append(Column(schema.group_column, "group_column", "key", either, optional))
    if schema.weight_column:
        columns.append(Column(schema.weight_column, "weight_column", "number", either, optional))
    if schema.time_column:
        columns.append(Column(schema.time_column, "time_column", "time", (0,)))
    columns += [Column(name, "id_columns", "any", either) for name in schema.id_columns]
    if grouped and candidate_column(schema) not in {column.name for column in columns}:
        columns.append(Column(candidate_column(schema), "layout: requests", "any", (1, 2)))
    return columns


def check_columns(fields: pa.Schema, columns: Iterable[Column], file: str, names: Sequence[str]) -> None:
    """Check that a file has the columns, with types that can be read.

    Args:
        fields: The columns that were found in the file.
        columns: Those that are needed.
        file: Its path.
        names: All names in the file.

    Raises:
        DataError: For a column that is missing (with the closest name there is) or has another type.
    """
    for column in columns:
        if column.name not in fields.names:
            if column.optional:
                continue
            why = f", which {column.use} reads"
            raise DataError(unknown(f"{file} has no column", column.name, names, why=why, allowed="Columns"))
        kind = fields.field(column.name).type
        depth, inner = depth_of(kind)
        if types.is_struct(inner):
            raise DataError(
                f"{file}: column {column.name!r} has type {kind}; {column.use} needs one of its fields, such as "
                f"{f'{column.name}.{inner.field(0).name}'!r}."
            )
        if depth not in column.depths and not (types.is_null(inner) and depth < max(column.depths)):
            joined = is_text(inner) and depth + 1 in column.depths
            raise DataError(
                f"{file}: column {column.name!r} has type {kind}, but {column.use} needs "
                f"{' or '.join(_SHAPES[d] for d in column.depths)}."
                f"{' Set separator, if the text joins the entries of a list.' if joined else ''}"
            )
        if problem := _type_problem(inner, column.holds):
            raise DataError(f"{file}: column {column.name!r} has type {kind}; {column.use} {problem}")
        for peer in column.peers:
            other = depth_of(fields.field(peer).type)[1] if peer in fields.names else inner
            if not types.is_null(inner) and not types.is_null(other) and is_text(inner) != is_text(other):
                raise DataError(
                    f"{file}: columns {column.name!r} ({inner}) and {peer!r} ({other}) share a hashed table, in which "
                    "a number and its text are two ids. Cast one of them, or give it a table of its own."
                )


def _type_problem(kind: pa.DataType, holds: Holds) -> str:
    whole = is_whole(kind)
    if types.is_null(kind) or holds == "any":
        return ""
    if holds in ("id", "hashed id", "key"):
        if whole or (holds != "id" and is_text(kind)):
            return ""
        if is_text(kind):
            return "has a vocab_size, which needs integers: use hash_size, or map the strings to integers first."
        return "needs integers or strings: cast the column, for example to int64."
    if holds == "time":
        if types.is_integer(kind) or types.is_floating(kind) or types.is_timestamp(kind) or types.is_date(kind):
            return ""
        return "needs a number in the schema's time_unit, or an Arrow timestamp."
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_floating(kind):
        return ""
    return "needs numbers."
