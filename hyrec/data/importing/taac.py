"""TAAC-2026 (KDD Cup 2026): flat Parquet with sequences newest first, described by a ``schema.json``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pyarrow import types

from hyrec.data.importing.imported import ImportedRows
from hyrec.data.importing.taac_schema import Domain, TaacSchema
from hyrec.data.packing import Array
from hyrec.data.parquet import arrow
from hyrec.data.parquet.arrow import Lists
from hyrec.data.parquet.file import guard
from hyrec.data.parquet.policy import DataError
from hyrec.data.parquet.source import find_files
from hyrec.feature import NUM_RESERVED_IDS, Feature, Role, Transform
from hyrec.messages import unknown
from hyrec.parquet import open_parquet
from hyrec.schema import Schema, SequenceSpec, Task, TimeSplit

_TASK, _LABEL, _TIME, _LEAK, _IDS = "conversion", "label_type", "timestamp", "label_time", ("user_id", "item_id")
_POSITIVE = 2.0
_LENGTHS, _LENGTH = {"seq_a": 256, "seq_b": 256, "seq_c": 512, "seq_d": 512}, 256
"""Events that the official baseline keeps; of another sequence, as of the shortest of these."""
_LOOKED_AT = 4096
"""Rows that are looked at to learn how large weights are and how long lists of numbers."""
_COUNTS = 10.0
"""Weights beyond it are counts or seconds, of which the model sees ``log1p``."""
_LOG = f", log1p of them: above {_COUNTS:g} in the first {_LOOKED_AT:,} rows"
_TRAIN, _TIMES = 0.9, 2_000_000


def import_taac(folder: Path, out: Path) -> ImportedRows:
    """Describe the files of a folder, which are read where they lie; nothing is written to ``out``.

    Ids count from 0 and get rows of their own, 0 too (the official baseline reads it as padding); nulls and negative
    ids become missing, ids beyond the vocabulary out of vocabulary. A list of ids and a list of numbers with one
    feature id are ids with weights. The last tenth of the rows by time validates.

    Raises:
        DataError: For a folder without Parquet or ``schema.json``, and for files without label or time.
    """
    described, path = TaacSchema.find(folder)
    files = find_files(str(folder), "FOLDER")
    mapping = _Mapping(described, files)
    split, told = _split(files)
    found = ImportedRows(
        origin=f"{folder} (TAAC-2026, {path.name})",
        schema=mapping.schema(split),
        data={"path" if split.validate_from else "train": str(folder.resolve())},
        mapped=mapping.mapped,
        left_out=mapping.left_out,
        notes=[
            f"Ids: offset {NUM_RESERVED_IDS}, so that 0 is a value of its own; null and negative ids are missing.",
            told,
        ],
        config="pkg:hyrec/taac.yaml",
    )
    if described.unknown:
        found.notes.append(f"Keys of {path.name} that say nothing here: {', '.join(described.unknown)}.")
    return found


class _Mapping:
    """From the columns of ``schema.json`` and of the files to features and sequences."""

    def __init__(self, described: TaacSchema, files: Sequence[str]) -> None:
        self.described, self.file = described, files[0]
        self.opened = guard(self.file, "", lambda: open_parquet(self.file))
        self.kinds: dict[str, pa.DataType] = {one.name: one.type for one in self.opened.schema_arrow}
        self.mapped: list[tuple[str, str]] = []
        self.left_out: list[tuple[str, str]] = []
        for column, what in ((_LABEL, "label"), (_TIME, "moment of the impression")):
            if column not in self.kinds:
                told = unknown(f"{self.file} has no column", column, self.kinds, why=f", the {what}", allowed="Columns")
                remedy = "Import the training rows; rows to score need no import, only --data.predict."
                raise DataError(f"{told} {remedy}")
        self.features: dict[str, Feature] = {}
        self._add_ids()
        self._add_numbers()
        self.sequences = {
            name: spec for name, domain in described.domains.items() if (spec := self._sequence(name, domain))
        }

    def schema(self, split: TimeSplit) -> Schema:
        """Return the schema; say of every other column of the files what it is."""
        ids = [column for column in _IDS if column in self.kinds]
        self.mapped += [(column, "id beside each score, no feature") for column in ids]
        self.mapped += [(_TIME, "moment of the impression"), (_LABEL, f"task {_TASK}: positive where {_POSITIVE:g}")]
        said = {column for column, _ in (*self.mapped, *self.left_out)}
        for column in self.kinds:
            if column == _LEAK:
                self.left_out.append((column, "it tells the label: only labelled rows have it"))
            elif column not in said:
                self.left_out.append((column, "schema.json does not name it"))
        return Schema(
            self.features,
            {_TASK: Task(_LABEL, [_POSITIVE])},
            self.sequences,
            time_column=_TIME,
            id_columns=ids,
            split=split,
        )

    def _add_ids(self) -> None:
        for column, (vocabulary, width) in self.described.ids.items():
            if not self._usable(column, vocabulary):
                continue
            role = _role(column)
            size: dict[str, Any] = {"vocab_size": vocabulary + NUM_RESERVED_IDS, "offset": NUM_RESERVED_IDS}
            if not self._is_list(column, width):
                self.features[column] = Feature("id", role=role, **size)
                self.mapped.append((column, f"id of the {role}"))
                continue
            size["max_length"] = width
            weights = column.replace("_int_", "_dense_")
            if self.described.numbers.get(weights) != width or not self._is_list(weights, width):
                self.features[column] = Feature("multi_id", role=role, **size)
                self.mapped.append((column, f"list of ids of the {role}"))
                continue
            log = bool((np.abs(self._look(weights)[1]) > _COUNTS).any())
            transform: Transform = "log1p" if log else "none"
            self.features[column] = Feature(
                "weighted_ids", weight_column=weights, role=role, transform=transform, **size
            )
            self.mapped.append((column, f"list of ids of the {role} with weights"))
            self.mapped.append((weights, f"weights of the ids of that number{_LOG if log else ''}"))

    def _add_numbers(self) -> None:
        weights = {feature.weight_column for feature in self.features.values()}
        for column, width in self.described.numbers.items():
            if column in weights or not self._usable(column, width, "width"):
                continue
            role, is_list = _role(column), self._is_list(column, width)
            lengths = self._look(column)[0] if is_list else np.zeros(0, np.int64)
            if is_list and width == 1:
                self.left_out.append((column, "lists of one number: write the number itself"))
            elif (lengths != width).any():
                self.left_out.append((column, f"lists of other lengths than the {width} of schema.json"))
            else:
                group = f"{role}_dense"
                width = width if is_list else 1
                self.features[column] = Feature("dense", role=role, group=group, width=width)
                self.mapped.append((column, f"numbers of the {role}, group {group}"))

    def _sequence(self, name: str, domain: Domain) -> SequenceSpec | None:
        features = {}
        for number, vocabulary in domain.features.items():
            column = f"{domain.prefix}_{number}"
            if number == domain.time or not self._usable(column, vocabulary):
                continue
            features[column] = Feature(vocab_size=vocabulary + NUM_RESERVED_IDS, offset=NUM_RESERVED_IDS)
        time = "" if domain.time is None else f"{domain.prefix}_{domain.time}"
        if time and time not in self.kinds:
            self.left_out.append((time, "schema.json names it, the files do not have it"))
            time = ""
        if not features:
            self.left_out += [(time, f"no other column of {name} can be used")] if time else []
            return None
        length = _LENGTHS.get(name, _LENGTH)
        self.mapped += [(column, f"events of {name}, newest first, the {length} newest") for column in features]
        self.mapped += [(time, f"times of {name}")] if time else []
        return SequenceSpec(features, time, order="newest_first", max_length=length)

    def _usable(self, column: str, size: int, what: Literal["vocabulary", "width"] = "vocabulary") -> bool:
        """Whether a column is there and has values; otherwise it is left out, with the reason."""
        if what == "vocabulary" and types.is_floating(arrow.depth_of(self.kinds.get(column, pa.null()))[1]):
            kind = self.kinds[column]
            raise DataError(f"{self.file}: column {column!r} has type {kind}, but ids are integers: cast it to int64.")
        if column not in self.kinds:
            self.left_out.append((column, "schema.json names it, the files do not have it"))
        elif size < 1:
            self.left_out.append((column, f"its {what} is {size} in schema.json"))
        else:
            return True
        return False

    def _is_list(self, column: str, width: int) -> bool:
        kind = self.kinds.get(column)
        return kind is not None and (arrow.is_list(kind) or (types.is_null(kind) and width > 1))

    def _look(self, column: str) -> tuple[Array, Array]:
        """Return the lengths of a column's lists that are not null, and their numbers, in the first rows."""
        batches = self.opened.iter_batches(batch_size=_LOOKED_AT, columns=[column])
        batch = guard(self.file, "", lambda: next(batches, None))
        if batch is None:
            return np.zeros(0, np.int64), np.zeros(0)
        lists = Lists.of(batch.column(0))
        there = np.ones(len(lists.starts), bool) if lists.null is None else ~lists.null
        values, null = arrow.numbers(lists.values)
        values = values.astype(np.float64)
        return lists.lengths[there], values[np.isfinite(values) & (~null if null is not None else True)]


def _role(column: str) -> Role:
    return "item" if column.startswith("item_") else "user"


def _split(files: Sequence[str]) -> tuple[TimeSplit, str]:
    """Return where the last tenth of the rows begins, and words for it."""
    step = max(1, sum(guard(path, "", partial(_num_rows, path)) for path in files) // _TIMES)
    every = np.sort(np.concatenate([guard(path, "", partial(_times, path, step)) for path in files]))
    if not len(every):
        raise DataError(f"{files[0]} and the other files hold no row with a {_TIME}.")
    bound = every[int(_TRAIN * len(every))]
    if bound == every[0]:  # more than nine tenths in one moment
        later = every[every > bound]
        if not len(later):
            return TimeSplit(), "Split: none, all rows are of one moment; they train, and nothing validates."
        bound = later[0]
    share = float((every >= bound).mean())
    return TimeSplit(str(int(bound))), f"Split: rows from {_TIME} {int(bound)} on validate ({share:.1%}), others train."


def _num_rows(path: str) -> int:
    return int(open_parquet(path).metadata.num_rows)


def _times(path: str, step: int) -> Array:
    """Return every ``step``-th moment of a file."""
    times = [np.zeros(0)]
    for batch in open_parquet(path).iter_batches(columns=[_TIME]):
        values, null = arrow.seconds(batch.column(0), "s")
        times.append((values if null is None else values[~null])[::step])
    return np.concatenate(times)
