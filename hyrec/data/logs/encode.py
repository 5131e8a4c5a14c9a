"""Turns columns into final ids and floats, with everything that is fitted taken from the training span."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from hyrec.data.logs.columns import Signature, column_values, flat, signature, statistics
from hyrec.data.logs.history import Ints
from hyrec.data.logs.reading import LIST, Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Column, RecipeError
from hyrec.data.logs.vocabulary import Vocabulary, id_values
from hyrec.schema import Feature, Role

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class _Use:
    """One use of a column: a feature (``sequence`` empty) or side information of a sequence."""

    name: str
    column: Column
    sequence: str = ""
    snapshot: str = ""

    @property
    def table(self) -> str:
        return self.column.table or (f"{self.sequence}.{self.name}" if self.sequence else self.name)

    @property
    def where(self) -> str:
        return f"sequences.{self.sequence}.features.{self.name}" if self.sequence else f"features.{self.name}"


@dataclass(frozen=True)
class Encoded:
    """A column in its final form.

    Args:
        feature: Its entry in the schema.
        values: One value a row, or the packed entries of the lists.
        offsets: ``(N + 1,)`` for lists.
    """

    feature: Feature
    values: pa.Array
    offsets: Ints | None = None


@dataclass
class Encoder:
    """Fits vocabularies and statistics once and encodes every column with them.

    Args:
        recipe: The recipe.
        logs: What was read.
        train_rows: Rows that train: what features are fitted on.
        train_events: Rows before validation: what side information is fitted on.
    """

    recipe: Recipe
    logs: Logs
    train_rows: Mask
    train_events: Mask
    vocabularies: dict[str, Vocabulary] = field(init=False, default_factory=dict)
    _cache: dict[tuple[Signature, bool], pl.Series] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_table: dict[str, list[_Use]] = {}
        for use in self._uses():
            if use.column.kind != "dense":
                by_table.setdefault(use.table, []).append(use)
        for table, uses in by_table.items():
            self.vocabularies[table] = Vocabulary.fit(table, self._sightings(uses), _min_count(table, uses))

    def feature(self, name: str) -> Encoded:
        """Encode one feature for every row of the log."""
        use = _Use(name, self.recipe.features[name])
        column = use.column
        tables = self.recipe.tables
        role: Role = column.role or (tables[column.source].role if column.source != LOG else "context")
        values = self._values(use, past=False)
        if column.kind == "dense":
            dense = self.dense(use.column, values.to_numpy(), self.train_rows, column.group, role, f"f_{name}")
            return Encoded(dense, pa.array(values.to_numpy(), from_pandas=True))
        vocabulary = self.vocabularies[use.table]
        feature = Feature(
            kind=column.kind,
            column=f"f_{name}",
            vocab_size=vocabulary.size,
            table=column.table,
            group=column.group,
            role=role,
            max_length=column.max_length,
        )
        if column.kind == "multi_id":
            entries, offsets = flat(values)
            return Encoded(feature, vocabulary.encode(id_values(entries, use.where)).to_arrow(), offsets)
        return Encoded(feature, vocabulary.encode(values).to_arrow())

    def dense(
        self, column: Column, values: NDArray[np.float32], train: Mask, group: str, role: Role, stored: str
    ) -> Feature:
        """Describe a dense column, with its statistics over the rows that ``train`` marks."""
        mean, std, boundaries = statistics(values[train], column.num_buckets, column.boundaries)
        standardize = column.transform == "standardize"
        return Feature(
            kind="dense",
            column=stored,
            table=column.table,
            group=group,
            role=role,
            transform=column.transform,
            mean=mean if standardize else 0.0,
            std=std if standardize else 1.0,
            boundaries=boundaries if column.transform == "bucketize" else [],
        )

    def side_information(self, sequence: str, name: str, fulfilled: Mask) -> Encoded:
        """Encode side information for every row of the log, then every event of the snapshot.

        Args:
            sequence: The sequence.
            name: The side information.
            fulfilled: Rows of the log that are events of the sequence.
        """
        spec = self.recipe.sequences[sequence]
        use = _Use(name, spec.features[name], sequence, spec.snapshot)
        rows, past = self._values(use, past=False), self._values(use, past=True)
        stored = f"s_{sequence}__{name}"
        if use.column.kind == "dense":
            values = np.concatenate([rows.to_numpy(), past.to_numpy()])
            train = np.concatenate([self.train_events & fulfilled, (self.logs.past[LIST] == spec.snapshot).to_numpy()])
            feature = self.dense(use.column, values, train, "", "user", stored)
            return Encoded(feature, pa.array(values, from_pandas=True))
        vocabulary = self.vocabularies[use.table]
        ids = pl.concat([vocabulary.encode(rows), vocabulary.encode(past)])
        feature = Feature(column=stored, vocab_size=vocabulary.size, table=use.column.table)
        return Encoded(feature, ids.rechunk().to_arrow())

    def _uses(self) -> Iterator[_Use]:
        for name, column in self.recipe.features.items():
            yield _Use(name, column)
        for sequence, spec in self.recipe.sequences.items():
            for name, column in spec.features.items():
                yield _Use(name, column, sequence, spec.snapshot)

    def _sightings(self, uses: list[_Use]) -> list[pl.Series]:
        """Return what a vocabulary is counted on: every row and snapshot event once for each column."""
        on_events = {signature(use.name, use.column) for use in uses if use.sequence}
        seen: dict[tuple[Signature, str], pl.Series] = {}
        for use in uses:
            sig = signature(use.name, use.column)
            mask = self.train_events if sig in on_events else self.train_rows
            values = self._values(use, past=False)
            if (sig, LOG) not in seen:
                seen[sig, LOG] = self._ids(values.filter(pl.Series(mask)), use)
            if use.snapshot and self.logs.past.height:
                listed = self._values(use, past=True).filter(self.logs.past[LIST] == use.snapshot)
                seen[sig, f"snapshot {use.snapshot}"] = self._ids(listed, use)
        return list(seen.values())

    def _ids(self, values: pl.Series, use: _Use) -> pl.Series:
        return id_values(flat(values)[0], use.where) if use.column.kind == "multi_id" else values

    def _values(self, use: _Use, *, past: bool) -> pl.Series:
        key = signature(use.name, use.column), past
        if key not in self._cache:
            frame, time = (self.logs.past, None) if past else (self.logs.rows, self.logs.time)
            self._cache[key] = column_values(frame, time, use.name, use.column, self.recipe, use.where)
        return self._cache[key]


def _min_count(table: str, uses: list[_Use]) -> int:
    asked = {use.column.min_count: use.where for use in uses if use.column.min_count}
    if len(asked) > 1:
        (one, first), (two, second) = sorted(asked.items())[:2]
        raise RecipeError(
            f"{first}.min_count is {one} and {second}.min_count is {two}, but both use the table {table!r}: "
            "say it once, or give them tables of their own."
        )
    return next(iter(asked), 1)
