"""The rows of FuxiCTR's files, a column at a time: values as text, lists, numbers, and their final ids."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from hyrec.data.importing.fuxictr_config import FuxiColumn, FuxiConfig
from hyrec.data.logs.columns import flat
from hyrec.data.logs.files import FoundFiles, Source, open_files
from hyrec.data.logs.history import Ints
from hyrec.data.logs.vocabulary import Vocabulary, count_values
from hyrec.data.logs.writer import ColumnReader, Store, column, write
from hyrec.data.packing import to_offsets
from hyrec.data.parquet.policy import DataError

_PADDING = "0"
"""Id of encoded files that stands for nothing."""


@dataclass
class FuxiRows:
    """Reads columns of every split, encodes them, and keeps them until they are written.

    Args:
        config: What the files hold.
        columns: Columns that will be read.
        store: Where encoded columns wait.
    """

    config: FuxiConfig
    columns: Iterable[str]
    store: Store
    sources: dict[str, Source] = field(init=False)
    _made: dict[str, dict[str, ColumnReader]] = field(init=False)

    def __post_init__(self) -> None:
        self.sources = {
            split: open_files(FoundFiles([pattern]), folder, f"{split}_data", self.columns, self.store.folder)
            for split, (folder, pattern) in self.config.files.items()
        }
        self._made = {split: {} for split in self.sources}

    def num_rows(self, split: str) -> int:
        """Return how many rows a split has."""
        source = self.sources[split]
        return sum(source.num_rows([*source.csv, *source.parquet]))

    def values(self, split: str, spec: FuxiColumn, name: str) -> pl.Series:
        """Return the values of a categorical column as text, null where there is none."""
        return self._texts(self._read(split, name, as_id=True), spec)

    def lists(self, split: str, spec: FuxiColumn, name: str) -> tuple[pl.Series, Ints]:
        """Return the entries of a sequence column as text, and where the list of each row begins and ends."""
        values = self._read(split, name, as_id=True)
        if isinstance(values.dtype, pl.Array):
            values = values.arr.to_list()
        if not isinstance(values.dtype, pl.List):
            text = values.cast(pl.String).replace("", None)
            values = text.str.split(str(spec.options.get("splitter", "^")))
        entries, offsets = flat(values)
        entries = self._texts(entries, spec)
        if self.config.is_encoded and entries.null_count():
            known = entries.is_not_null().to_numpy()
            offsets = to_offsets(known)[offsets]
            entries = entries.drop_nulls()
        return entries, offsets

    def numbers(self, split: str, name: str) -> pl.Series:
        """Return a column of numbers.

        Raises:
            DataError: For one of something else.
        """
        values = self._read(split, name, as_id=False)
        if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
            raise DataError(
                f"{split}: the column {name!r} is {values.dtype}, as {values.drop_nulls()[:1].to_list()}; "
                f"{self.config.path} says numbers."
            )
        numbers: pl.Series = values.cast(pl.Float64).fill_nan(None).cast(pl.Float32)
        return numbers

    def fit(self, table: str, uses: list[tuple[FuxiColumn, str]], min_count: int) -> Vocabulary:
        """Count the values of columns that share a table in the rows that train."""
        seen = []
        for spec, name in uses:
            if spec.type == "sequence":
                values, _ = self.lists("train", spec, name)
            else:
                values = self.values("train", spec, name)
            seen.append((name, count_values(values, np.ones(len(values), np.int64))))
        return Vocabulary.fit(table, seen, min_count)

    def keep(self, split: str, name: str, values: pl.Series | np.ndarray, offsets: Ints | None = None) -> None:
        """Keep a column, of lists where there are offsets, until it is written."""
        array = values.rechunk().to_arrow() if isinstance(values, pl.Series) else pa.array(values)
        if offsets is not None:
            array = pa.LargeListArray.from_arrays(pa.array(offsets), array)
        self._made[split][name] = column(self.store.put(array))

    def write(self, folder: Path, fingerprint: dict[str, str], row_group_size: int = 8192) -> None:
        """Write ``SPLIT.parquet`` for every split."""
        for split, columns in self._made.items():
            rows = np.arange(self.num_rows(split))
            write(folder / f"{split}.parquet", rows, columns, [], fingerprint, row_group_size)

    def raw(self, split: str, name: str) -> pl.Series:
        """Return a column as it is, for keys that are copied."""
        return self.sources[split].read(name, as_id=True)

    def _read(self, split: str, name: str, *, as_id: bool) -> pl.Series:
        source = self.sources[split]
        return source.text(name) if as_id and source.csv else source.read(name, as_id=as_id)

    def _texts(self, values: pl.Series, spec: FuxiColumn) -> pl.Series:
        """Return values as text: whole numbers alike however they are stored, and null for what the config calls so."""
        written = pl.col("v").fill_nan(None) if values.dtype.is_float() else pl.col("v")
        text, nothing = written.cast(pl.String), str(spec.options.get("fill_na", ""))
        if spec.options.get("dtype") != "str":
            text, nothing = text.str.replace(r"\.0+$", ""), re.sub(r"\.0+$", "", nothing)
        nothing = _PADDING if self.config.is_encoded else nothing
        return values.alias("v").to_frame().select(text.replace(list({"", nothing}), None)).to_series()
