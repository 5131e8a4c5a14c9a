"""From values to final ids: fitted on the training span, written to files that serving can read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hyrec.data.logs.history import slices
from hyrec.data.logs.ids import one_form
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.files import digest
from hyrec.parquet import read_parquet, write_parquet
from hyrec.schema import MISSING_ID, NUM_RESERVED_IDS, OOV_ID


@dataclass(frozen=True)
class Vocabulary:
    """The values that have an id of their own, the most frequent first; equal counts in order of value.

    Args:
        values: Known values, whole numbers or strings, without nulls.
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
    def fit(cls, table: str, sightings: list[tuple[str, pl.DataFrame]], min_count: int = 1) -> Vocabulary:
        """Count the values of several columns together, each with its name and as :func:`count_values` says.

        Raises:
            RecipeError: When columns of strings and of numbers are to share one table.
        """
        seen = [sighting for sighting in sightings if sighting[1].height] or sightings[:1]
        values = one_form([counts["value"] for _, counts in seen])
        if len(kinds := {str(part.dtype) for part in values}) > 1:
            raise RecipeError(
                f"The table {table!r} is shared by columns of {' and '.join(sorted(kinds))} "
                f"({', '.join(name for name, _ in seen)}): give them tables of their own."
            )
        parts = [counts.with_columns(value) for value, (_, counts) in zip(values, seen, strict=True)]
        counted = pl.concat(parts).group_by("value").sum().sort("count", "value", descending=[True, False])
        known = counted.filter(pl.col("count") >= min_count)
        return cls(known["value"], known["count"], counted.height - known.height)

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what ``save`` has written."""
        frame = pl.from_arrow(read_parquet(path, ["value", "count"]))
        assert isinstance(frame, pl.DataFrame)
        return cls(frame["value"], frame["count"])

    def grown(self, table: str, seen: Vocabulary) -> Vocabulary:
        """Return this vocabulary with the values of another one that it lacks behind its own, which keep their ids.

        Raises:
            RecipeError: When it holds numbers and the other one texts that are none.
        """
        is_new = self.encode(seen.values, written=True) == OOV_ID
        values, counts = seen.values.filter(is_new), seen.counts.filter(is_new)
        if not len(values):
            return self
        own, more = one_form([self.values, values])
        if len(own) and own.dtype != more.dtype:
            raise RecipeError(
                f"The table {table!r} has ids of {own.dtype}, and new values are {more.dtype}, as {more[0]!r}: it "
                "cannot hold both. Leave those rows out, or build anew from all logs."
            )
        parts = pl.concat([own, more]) if len(own) else more
        return Vocabulary(parts, pl.concat([self.counts, counts], rechunk=True))

    def encode(self, values: pl.Series, *, written: bool = False) -> NDArray[np.int32]:
        """Return ids: null becomes the missing id, an unknown value the out-of-vocabulary id.

        ``written``: numbers and text may be compared, because both were written as text.
        """
        ids = np.full(len(values), OOV_ID, dtype=np.int32)
        known = pl.Series(range(NUM_RESERVED_IDS, NUM_RESERVED_IDS + len(self.values)), dtype=pl.Int32)
        own = self.values
        if written and values.dtype == pl.String:
            own = own.cast(pl.String)
        comparable = own.dtype == pl.String or values.dtype != pl.String
        for some in slices(len(values)) if len(self.values) and comparable else []:
            part = values[some].cast(own.dtype, strict=False)
            ids[some] = part.replace_strict(own, known, default=OOV_ID, return_dtype=pl.Int32).to_numpy()
        ids[values.is_null().to_numpy()] = MISSING_ID
        return ids

    @property
    def fingerprint(self) -> str:
        """Digest of the values in the order of their ids."""
        values = self.values.cast(pl.String).str.join("\0")[0]
        return digest(f"{self.values.dtype}\0{values}")

    def save(self, path: Path) -> None:
        """Write ``value``, ``id`` and ``count`` as Parquet."""
        ids = pl.Series("id", range(NUM_RESERVED_IDS, NUM_RESERVED_IDS + len(self.values)), dtype=pl.Int32)
        frame = pl.DataFrame([self.values.alias("value"), ids, self.counts.alias("count")])
        write_parquet(frame.to_arrow(), path)


def count_values(values: pl.Series, weights: NDArray[np.int64]) -> pl.DataFrame:
    """Return the distinct values in ``value``, nulls left out, and in ``count`` the sum of the weights of each."""
    frame = pl.DataFrame([values.alias("value"), pl.Series("count", weights)])
    return frame.filter(pl.col("count") > 0).drop_nulls().group_by("value").sum()
