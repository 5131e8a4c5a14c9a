"""From values to final ids: fitted on the training span, written to files that serving can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.schema import MISSING_ID, NUM_RESERVED_IDS, OOV_ID


@dataclass(frozen=True)
class Vocabulary:
    """The values that have an id of their own, the most frequent first; equal counts in order of value.

    Args:
        values: Known values, int64 or string, without nulls.
        counts: How often each was seen.
        num_rare: Values that were seen too rarely and share the id for out-of-vocabulary values.
    """

    values: pl.Series
    counts: pl.Series
    num_rare: int = 0

    @property
    def size(self) -> int:
        """Rows of the embedding table, reserved ids included; at least one row more than those."""
        return NUM_RESERVED_IDS + max(1, len(self.values))

    @classmethod
    def fit(cls, table: str, columns: list[pl.Series], min_count: int = 1) -> Vocabulary:
        """Count the values of all ``columns`` together, nulls left out.

        Raises:
            RecipeError: When columns of strings and of numbers are to share one table.
        """
        kinds = {str(column.dtype) for column in columns if column.null_count() < len(column)}
        if len(kinds) > 1:
            raise RecipeError(
                f"The table {table!r} is shared by columns of {' and '.join(sorted(kinds))} "
                f"({', '.join(column.name for column in columns)}): give them tables of their own."
            )
        known_parts = [column.alias("value").drop_nulls() for column in columns]
        values = pl.concat([part for part in known_parts if len(part)] or known_parts[:1])
        counted = values.to_frame().group_by("value").len("count").sort("count", "value", descending=[True, False])
        known = counted.filter(pl.col("count") >= min_count)
        return cls(known["value"], known["count"].cast(pl.Int64), counted.height - known.height)

    def encode(self, values: pl.Series) -> pl.Series:
        """Return ids, ``int32``: null becomes the missing id, an unknown value the out-of-vocabulary id."""
        ids = pl.Series(range(NUM_RESERVED_IDS, NUM_RESERVED_IDS + len(self.values)), dtype=pl.Int32)
        known = values.is_not_null()
        if len(self.values) and known.any():
            out = values.replace_strict(self.values, ids, default=OOV_ID, return_dtype=pl.Int32)
        else:
            out = pl.repeat(OOV_ID, len(values), dtype=pl.Int32, eager=True)
        missing = pl.repeat(MISSING_ID, len(values), dtype=pl.Int32, eager=True)
        encoded: pl.Series = out.zip_with(known, missing)
        return encoded

    def save(self, path: Path) -> None:
        """Write ``value``, ``id`` and ``count`` as Parquet."""
        ids = pl.Series("id", range(NUM_RESERVED_IDS, NUM_RESERVED_IDS + len(self.values)), dtype=pl.Int32)
        frame = pl.DataFrame([self.values.alias("value"), ids, self.counts.alias("count")])
        frame.write_parquet(path, compression="zstd")


def id_values(values: pl.Series, where: str) -> pl.Series:
    """Return the values as int64 or strings, so that a number reads the same from CSV and Parquet.

    A column of whole numbers that came as floats (as CSV columns with missing entries do) becomes int64.

    Raises:
        RecipeError: For fractions and for types that are no ids.
    """
    dtype = values.dtype
    whole: pl.Series
    if dtype.is_integer() or dtype in (pl.Boolean, pl.Null):
        whole = values.cast(pl.Int64)
        return whole
    if dtype.is_float():
        values = values.fill_nan(None)
        whole = values.cast(pl.Int64, strict=False)
        if not (whole.cast(dtype) == values).all():
            raise RecipeError(f"{where} has fractions, which are no ids. Use kind: dense, perhaps with bucketize.")
        return whole
    if dtype in (pl.String, pl.Date, pl.Categorical, pl.Enum) or dtype.is_temporal():
        text: pl.Series = values.cast(pl.String)
        return text
    raise RecipeError(f"{where} has type {dtype}, which is no id. Ids are whole numbers or strings.")
