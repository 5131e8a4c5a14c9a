"""UniRank (arXiv 2607.19987): blocks of rows, whole histories of users, and items, with a ``meta_data.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyrec.data.importing.imported import ImportedRows
from hyrec.data.importing.unirank_blocks import ACTION, ITEM, LENGTH, SEQUENCE, TIME, USER, event_column, find_parts
from hyrec.data.importing.unirank_rows import Seen, write_block
from hyrec.data.logs.output import data_set_folder
from hyrec.data.moments import UNITS, misfit
from hyrec.data.parquet.policy import DataError
from hyrec.feature import Feature, Role
from hyrec.mappings import read_mapping
from hyrec.schema import Schema, SequenceSpec, Task

_META, _CONFIGS = "meta_data.json", ("dataset_config.yaml", "config/dataset_config.yaml")
_OFFSET = 2
"""Ids count from 1, and 0 is padding or a value that was too rare: read as out of vocabulary."""
_LENGTH = 100
"""Events that the paper's main comparison keeps (``max_len``)."""
_USER_ID, _ITEM_ID = "user_id", "item_id"


def import_unirank(folder: Path, out: Path) -> ImportedRows:
    """Write the rows of a data set to ``out``, a Parquet file a block, with the events of the block stored once beside.

    A row sees the events of its user that are strictly earlier, oldest first; UniRank itself takes those that stand
    before it in the list, also where they happened at its own moment. Rows have the columns of their item.

    Raises:
        DataError: For what the folder lacks or describes wrongly.
    """
    parts, told = find_parts(folder), _Told.find(folder)
    seen = Seen()
    with data_set_folder(out) as (made, _):
        for split, blocks in parts.items():
            (made / split).mkdir()
            for part in blocks:
                write_block(part, made / split, split, told.labels, seen)
    if not seen.rows["train"]:
        raise DataError(f"{folder}/train/data holds no rows.")
    data = {
        split: [str((out / split / part.data.name).resolve()) for part in blocks]
        for split, blocks in parts.items()
        if seen.rows[split]
    }
    mapping = _Mapping(told, seen)
    return ImportedRows(
        origin=f"{folder} (UniRank)",
        schema=mapping.schema(),
        data=data,
        mapped=mapping.mapped,
        left_out=mapping.left_out,
        notes=mapping.notes(),
    )


@dataclass(frozen=True)
class _Told:
    """What ``meta_data.json`` and, if it is there, the data set's entry of ``dataset_config.yaml`` say.

    Args:
        labels: Columns of labels.
        sizes: Rows of the table of each column, 0 included.
        actions: Names of actions by id.
        inactive: Columns that the config switches off.
        notes: What else there is to know.
    """

    labels: list[str]
    sizes: Mapping[str, int]
    actions: Mapping[str, int]
    inactive: set[str]
    notes: list[str]

    @classmethod
    def find(cls, folder: Path) -> _Told:
        """Read what lies in the folder; a config that describes several data sets is asked for the folder's name."""
        path, meta = folder / _META, dict[str, Any]()
        if path.is_file():
            try:
                meta = json.loads(path.read_text(encoding="utf-8"))
                labels, sizes, actions = (dict(meta).get(key) or {} for key in ("label", "vocab_size", "action_vocab"))
                labels, sizes, actions = list(labels), dict(sizes), dict(actions)
            except (ValueError, TypeError) as error:
                raise DataError(f"{path} is not as UniRank writes it, with label and vocab_size ({error}).") from error
        else:
            labels, sizes, actions = [], {}, {}
        notes, columns = [], list[dict[str, Any]]()
        for config in (folder / name for name in _CONFIGS if (folder / name).is_file()):
            entries = {name: entry for name, entry in read_mapping(config, str(config), DataError).items() if entry}
            name = folder.name if folder.name in entries else next(iter(entries)) if len(entries) == 1 else ""
            if not name:
                notes.append(f"{config} describes several data sets, none of them {folder.name}: it says nothing here.")
                continue
            columns = entries[name].get("feature_cols") or []
            labels = [str(one["name"]) for one in entries[name].get("label_col") or []] or labels
            notes.append(f"Described by {config}, {name}.")
        if not labels:
            raise DataError(
                f"{folder} names no labels: it needs {_META} with 'label', or {_CONFIGS[0]} with label_col."
            )
        sizes = {str(one["name"]): int(one["vocab_size"]) for one in columns if one.get("vocab_size")} | sizes
        inactive = {str(one["name"]) for one in columns if one.get("active") is False}
        return cls(labels, sizes, actions, inactive, notes)


class _Mapping:
    """From the columns that were seen to features and a sequence."""

    def __init__(self, told: _Told, seen: Seen) -> None:
        self.told, self.seen = told, seen
        self.mapped: list[tuple[str, str]] = []
        self.left_out: list[tuple[str, str]] = []
        fitting = [unit for unit in UNITS if not misfit(seen.moments, unit, "")[0]]
        self.unit: Any = fitting[0] if fitting and not seen.untimed else ""

    def schema(self) -> Schema:
        """Return the schema; say of every column what it became."""
        features, events = {}, {}
        for name in self.seen.own:
            if self._usable(name):
                features[name] = self._own(name)
        for name in self.seen.of_items:
            if self._usable(name):
                features[name] = Feature(role="item", **self._size(name))
                events[name] = Feature(column=event_column(name), table=name, **self._size(name))
                self.mapped.append((name, f"id of the item, and side information of events of {SEQUENCE}"))
        if self._usable(ACTION):
            events[ACTION] = Feature(column=event_column(ACTION), **self._size(ACTION))
            known = ", ".join(sorted(self.told.actions, key=lambda name: self.told.actions[name])[:4])
            self.mapped.append(
                (ACTION, f"side information of events of {SEQUENCE}{f' ({known}, ...)' if known else ''}")
            )
        self.mapped += [(name, f"task {name}: positive above 0") for name in self.told.labels]
        self.mapped += [
            (USER, f"which events of {SEQUENCE} a row sees"),
            (LENGTH, f"which events of {SEQUENCE} a row sees"),
            (ITEM, "which item a row and an event are of"),
        ]
        if self.unit:
            self.mapped.append(("full_timestamp_seq", f"{TIME}, moments of rows and events in {self.unit}"))
        ids = [name for name in (_USER_ID, _ITEM_ID) if name in (*self.seen.own, *self.seen.of_items)]
        return Schema(
            features,
            {label: Task(label) for label in self.told.labels},
            {SEQUENCE: SequenceSpec(events, event_column(TIME) if self.unit else "", max_length=_LENGTH)},
            group_column=_USER_ID if _USER_ID in self.seen.own else "",
            time_column=TIME if self.unit else "",
            time_unit=self.unit or "s",
            id_columns=ids,
        )

    def notes(self) -> list[str]:
        """Return what else there is to know."""
        seen, sizes = self.seen, ", ".join(f"{split} {rows:,}" for split, rows in self.seen.rows.items())
        notes = [
            f"Rows: {sizes}, as the files split them.",
            f"Ids: offset {_OFFSET}; 0, UniRank's padding and rare values, is out of vocabulary, and none in lists.",
            f"{SEQUENCE} keeps the {_LENGTH} newest events (sequences.{SEQUENCE}.max_length in schema.yaml).",
        ]
        if seen.untimed:
            notes.append("Events have no times: a row sees those that stand before it.")
        elif not self.unit:
            notes.append(f"No {TIME}: the moments, as {seen.moments[0]}, are in no unit of time since 1970.")
        if seen.cut:
            notes.append(
                f"{seen.cut:,} rows do not see events of their own moment that stand before them; UniRank shows those."
            )
        larger = [name for name, size in self.told.sizes.items() if seen.sizes.get(name, 0) > size]
        notes += [f"Larger than described, by the files: {', '.join(larger)}."] if larger else []
        return notes + self.told.notes

    def _own(self, name: str) -> Feature:
        role: Role = "context" if name in self.seen.by_row else "user"
        why = "it differs between rows of a user" if name in self.seen.by_row else "all training rows of a user agree"
        if name in self.seen.lists:
            self.mapped.append((name, "list of ids of the user (guessed: lists), without the zeros that fill it up"))
            return Feature("multi_id", role="user", max_length=self.seen.lists[name] or 1, **self._size(name))
        self.mapped.append((name, f"id, {role}" + ("" if name == _USER_ID else f" (guessed: {why})")))
        return Feature(role=role, **self._size(name))

    def _usable(self, name: str) -> bool:
        if name in self.told.inactive:
            self.left_out.append((name, "the config says active: false"))
        elif name in self.seen.no_ids:
            self.left_out.append((name, f"{self.seen.no_ids[name]}: UniRank's features are whole numbers"))
        else:
            return True
        return False

    def _size(self, name: str) -> dict[str, Any]:
        size = max(int(self.told.sizes.get(name, 0)), self.seen.sizes[name], 2)
        return {"vocab_size": size + _OFFSET, "offset": _OFFSET}
