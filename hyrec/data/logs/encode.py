"""Turns columns into final ids and floats, with everything that is fitted taken from the training span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from hyrec.data.logs.columns import Signature, column_values, flat, signature, statistics
from hyrec.data.logs.history import Positions
from hyrec.data.logs.ids import id_values
from hyrec.data.logs.reading import Logs
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import LOG, Column, RecipeError
from hyrec.data.logs.rows import Mask, Values
from hyrec.data.logs.snapshot import LIST
from hyrec.data.logs.vocabulary import Vocabulary, count_values
from hyrec.data.logs.writer import Store, Stored
from hyrec.schema import MISSING_ID, OOV_ID, Feature, Role

_Place: TypeAlias = Literal["log", "asked", "past"]
"""Whose values: all rows of the use's log, those that are asked for, or the events of the snapshot."""


@dataclass(frozen=True)
class _Use:
    """One use of a column: a feature (``sequence`` empty) or side information of a sequence."""

    name: str
    column: Column
    sequence: str = ""
    snapshot: str = ""
    log: str = LOG

    @property
    def table(self) -> str:
        return self.column.table or (f"{self.sequence}.{self.name}" if self.sequence else self.name)

    @property
    def where(self) -> str:
        return f"sequences.{self.sequence}.features.{self.name}" if self.sequence else f"features.{self.name}"


@dataclass(frozen=True)
class Encoded:
    """A column in its final form: its schema entry, its values or lists, and of shared lists the one of each row."""

    feature: Feature
    stored: Stored
    index: Stored | None = None

    def share(self, mask: Mask, counted: int) -> float:
        """Return the share of one reserved id in the marked rows; for dense features that of missing values."""
        values, weights = self.stored.load(), mask.astype(np.int64)
        if self.index is not None:
            weights = np.bincount(self.index.load().to_numpy()[mask], minlength=len(values))
        if self.feature.kind == "multi_id":
            offsets = values.offsets.to_numpy()
            values, weights = values.values, np.repeat(weights, np.diff(offsets))
        if self.feature.kind == "dense":
            hit = values.is_null().to_numpy(zero_copy_only=False)
            weights = weights if counted == MISSING_ID else np.zeros_like(weights)
        else:
            ids = values.to_numpy()
            hit = ids == counted
            weights = np.where(ids == MISSING_ID, 0, weights) if counted == OOV_ID else weights
        total = int(weights.sum())
        return float(weights[hit].sum() / total) if total else 0.0


@dataclass
class Encoder:
    """Fits vocabularies and statistics once and encodes every column with them; encoded columns wait in the store.

    Features are fitted on ``train_rows``, which train, side information on ``train_events``: by log, the
    events before validation.
    With the vocabularies of an earlier build and its features by column, ``fitted``, nothing is fitted.
    """

    recipe: Recipe
    logs: Logs
    store: Store
    train_rows: Mask
    train_events: Mapping[str, Mask]
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    fitted: dict[str, Feature] = field(default_factory=dict)
    _encoded: dict[tuple[Signature, str, str, _Place], Stored] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        if self.vocabularies:
            return
        by_table: dict[str, list[_Use]] = {}
        for use in self._uses():
            if use.column.kind != "dense":
                by_table.setdefault(use.table, []).append(use)
        for table, uses in by_table.items():
            self.vocabularies[table] = Vocabulary.fit(table, self._sightings(uses), _min_count(table, uses))

    def feature(self, name: str) -> Encoded:
        """Encode one feature for every row that is asked for."""
        use = _Use(name, self.recipe.features[name])
        column = use.column
        tables = self.recipe.tables
        of_log: Role = "cross" if column.derive == "cross" else "context"
        role: Role = column.role or (tables[column.source].role if column.source != LOG else of_log)
        if column.kind == "dense":
            stored = self._column(use, self._asked)
            values = stored.load().to_numpy(zero_copy_only=False)
            return Encoded(self.dense(column, values, self.train_rows, column.group, role, f"f_{name}"), stored)
        feature = Feature(
            kind=column.kind,
            column=f"f_{name}",
            vocab_size=self.vocabularies[use.table].size,
            table=column.table,
            group=column.group,
            role=role,
            max_length=column.max_length,
        )
        if column.kind == "multi_id":
            return Encoded(feature, *self._lists(use, self._asked))
        return Encoded(feature, self._column(use, self._asked))

    def dense(
        self, column: Column, values: NDArray[np.float32], train: Mask, group: str, role: Role, stored: str
    ) -> Feature:
        """Describe a dense column, with its statistics over the rows that ``train`` marks."""
        if self.fitted:
            return self.fitted[stored]
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

    def side_information(self, sequence: str, name: str, fulfilled: Mask, events: Positions) -> Encoded:
        """Encode side information for the events of a sequence, in the order in which they are wanted.

        ``fulfilled`` marks the rows of the sequence's log that are events; numbers of ``events`` beyond that log are of
        the snapshot.
        """
        spec = self.recipe.sequences[sequence]
        use = _Use(name, spec.features[name], sequence, spec.snapshot, spec.log)
        places: list[_Place] = ["log", "past"] if spec.log == LOG else ["log"]
        if use.column.kind == "multi_id":
            return self._event_lists(use, places, events)
        both = [self._column(use, place).load().to_numpy(zero_copy_only=False) for place in places]
        values = np.concatenate(both) if len(both[-1]) else both[0]
        if use.column.kind == "dense":
            train = self.train_events[spec.log] & fulfilled
            if "past" in places:
                train = np.concatenate([train, (self.logs.past.column(LIST) == spec.snapshot).to_numpy()])
            feature = self.dense(use.column, values, train, "", "user", f"s_{sequence}__{name}")
        else:
            size = self.vocabularies[use.table].size
            feature = Feature(column=f"s_{sequence}__{name}", vocab_size=size, table=use.column.table)
        return Encoded(feature, self.store.put(pa.array(values[events], from_pandas=True)))

    @property
    def _asked(self) -> _Place:
        return "log" if self.logs.asked is None else "asked"

    def _uses(self) -> Iterator[_Use]:
        for name, column in self.recipe.features.items():
            yield _Use(name, column)
        for sequence, spec in self.recipe.sequences.items():
            for name, column in spec.features.items():
                yield _Use(name, column, sequence, spec.snapshot, spec.log)

    def _sightings(self, uses: list[_Use]) -> list[tuple[str, pl.DataFrame]]:
        """Return what a vocabulary is counted on: every row and snapshot event once for each column."""
        on_events = {(signature(use.name, use.column), use.log) for use in uses if use.sequence}
        seen: dict[tuple[Signature, str], tuple[str, pl.DataFrame]] = {}
        for use in uses:
            sig = signature(use.name, use.column)
            if (sig, use.log) not in seen:
                mask = self.train_events[use.log] if (sig, use.log) in on_events else self.train_rows
                seen[sig, use.log] = self._count(use, mask, "log")
            if use.snapshot and self.logs.past.height:
                listed = (self.logs.past.column(LIST) == use.snapshot).to_numpy()
                seen[sig, f"snapshot {use.snapshot}"] = self._count(use, listed, "past")
        return list(seen.values())

    def _count(self, use: _Use, mask: Mask, place: _Place) -> tuple[str, pl.DataFrame]:
        values = self._values(use, place)
        entries, weights = values.entries, values.weights(mask)
        if use.column.kind == "multi_id":
            entries, offsets = flat(entries)
            entries, weights = id_values(entries, use.where), np.repeat(weights, np.diff(offsets))
        return values.entries.name, count_values(entries, weights)

    def _column(self, use: _Use, place: _Place) -> Stored:
        dense = use.column.kind == "dense"
        key = signature(use.name, use.column), use.log, "" if dense else use.table, place
        if key not in self._encoded:
            values = self._values(use, place)
            encoded = values.entries.to_numpy() if dense else self._ids(use, values.entries)
            taken = values.take(encoded, np.nan if dense else MISSING_ID)
            self._encoded[key] = self.store.put(pa.array(taken, from_pandas=True))
        return self._encoded[key]

    def _event_lists(self, use: _Use, places: list[_Place], events: Positions) -> Encoded:
        """Encode a list for each of the events; those of each place are numbered behind those of the one before."""
        lists, position, held = [], [], 0
        for place in places:
            stored, index = self._lists(use, place)
            lists.append(stored.load())
            own = np.arange(len(lists[-1])) if index is None else index.load().to_numpy()
            position.append(own + held)
            held += len(lists[-1])
        feature = Feature(
            kind="multi_id",
            column=f"s_{use.sequence}__{use.name}",
            vocab_size=self.vocabularies[use.table].size,
            table=use.column.table,
            max_length=use.column.max_length,
        )
        taken = pa.array(np.concatenate(position)[events])
        return Encoded(feature, self.store.put(pa.concat_arrays(lists).take(taken)))

    def _lists(self, use: _Use, place: _Place) -> tuple[Stored, Stored | None]:
        values = self._values(use, place)
        entries, offsets = flat(values.entries)
        ids = pa.array(self._ids(use, id_values(entries, use.where)))
        if values.index is None:
            return self.store.put(pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), ids)), None
        none_at_the_end = pa.array(np.append(offsets, offsets[-1]), pa.int32())
        lists = self.store.put(pa.ListArray.from_arrays(none_at_the_end, ids))
        return lists, self.store.put(pa.array(values.positions()))

    def _ids(self, use: _Use, values: pl.Series) -> NDArray[np.int32]:
        return self.vocabularies[use.table].encode(values, written=bool(self.fitted))

    def _values(self, use: _Use, place: _Place) -> Values:
        rows, time = (self.logs.past, None) if place == "past" else (self.logs.rows, self.logs.time)
        if use.log != LOG:
            rows, time = self.logs.events[use.log].rows, self.logs.events[use.log].time
        if place == "asked":
            rows, time = self.logs.asked_rows
        return column_values(rows, time, use.name, use.column, self.recipe, use.where)


def _min_count(table: str, uses: list[_Use]) -> int:
    asked = {use.column.min_count: use.where for use in uses if use.column.min_count}
    if len(asked) > 1:
        (one, first), (two, second) = sorted(asked.items())[:2]
        raise RecipeError(
            f"{first}.min_count is {one} and {second}.min_count is {two}, but both use the table {table!r}: "
            "say it once, or give them tables of their own."
        )
    return next(iter(asked), 1)
