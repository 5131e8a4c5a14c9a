"""FuxiCTR and BARS: CSV or Parquet, described by ``dataset_config.yaml``, raw or encoded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from hyrec.data.drafting.columns import ITEM, USER, words
from hyrec.data.importing.fuxictr_config import FuxiColumn, FuxiConfig, whole
from hyrec.data.importing.fuxictr_rows import FuxiRows
from hyrec.data.importing.imported import ImportedRows
from hyrec.data.logs.columns import statistics
from hyrec.data.logs.files import column_names, find_files
from hyrec.data.logs.history import Ints
from hyrec.data.logs.output import data_set_folder, save_vocabularies
from hyrec.data.logs.vocabulary import Vocabulary
from hyrec.data.logs.writer import Store
from hyrec.data.parquet.policy import DataError
from hyrec.feature import Feature, Role
from hyrec.messages import unknown
from hyrec.schema import Schema, SequenceSpec, Task

_ROLES: dict[str, Role] = {"user": "user", "item": "item", "context": "context"}
_COPY = re.compile(r"copy_from\((.+)\)")
_READ = {
    "name", "active", "dtype", "type", "source", "splitter", "max_len", "padding", "share_embedding", "fill_na",
    "min_categr_count", "preprocess", "normalizer", "feature_encoder", "category_processor", "vocab_size",
    "padding_idx",
}  # fmt: skip
"""Options of columns that say something of the data."""


def import_fuxictr(folder: Path, out: Path) -> ImportedRows:
    """Write the rows of a data set with final ids to ``out``, a Parquet file for each split.

    Vocabularies hold the values that at least ``min_categr_count`` training rows have, columns that share an embedding
    counted together. Empty values, and those that ``fill_na`` writes for them, are missing. Files that FuxiCTR has
    encoded are read alike: their ids are values, 0 is none. Python that ``preprocess`` names is not run.

    Raises:
        DataError: For what the folder lacks or describes wrongly.
    """
    config = FuxiConfig.find(folder)
    with data_set_folder(out) as (made, working):
        mapping = _Mapping(config, Store(working))
        schema = mapping.schema()
        mapping.rows.write(made, schema.fingerprint)
        save_vocabularies(made, mapping.vocabularies)
        sizes = ", ".join(f"{split} {mapping.rows.num_rows(split):,}" for split in config.files)
    notes = [f"Rows: {sizes}, as the files split them."]
    notes += [f"Named and not there: {', '.join(config.absent)}."] if config.absent else []
    notes += ["Nothing validates: give it valid_data."] if "validate" not in config.files else []
    notes += [f"Keys of {config.name} that say nothing here: {', '.join(config.unknown)}."] if config.unknown else []
    return ImportedRows(
        origin=f"{folder} (FuxiCTR, {config.name})",
        schema=schema,
        data={split: str((out / f"{split}.parquet").resolve()) for split in config.files},
        mapped=mapping.mapped,
        left_out=mapping.left_out,
        notes=notes + mapping.notes,
        config="pkg:hyrec/hyformer.yaml" if schema.sequences else "pkg:hyrec/rankmixer.yaml",
    )


class _Mapping:
    """From columns of the config to features and sequences; what they hold goes to the rows."""

    def __init__(self, config: FuxiConfig, store: Store) -> None:
        self.config = config
        folder, pattern = config.files["train"]
        self.names = column_names(find_files([pattern], folder)[0], [], "train_data")
        self.mapped: list[tuple[str, str]] = []
        self.left_out: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.features: dict[str, Feature] = {}
        self.sequences: dict[str, SequenceSpec] = {}
        self.keys: list[str] = []
        self.used = {spec.name: (spec, source) for spec in config.columns if (source := self._source(spec))}
        for label in config.labels:
            if label not in self.names:
                raise DataError(unknown("The training rows have no label", label, self.names, allowed="Columns"))
        self.rows = FuxiRows(config, {*config.labels, *(source for _, source in self.used.values())}, store)
        self.vocabularies = self._fit()
        self._add_columns()
        if others := sorted({key for spec, _ in self.used.values() for key in spec.options} - _READ):
            self.notes.append(f"Options of columns that are not taken over: {', '.join(others)}.")

    def schema(self) -> Schema:
        """Return the schema; say of every other column of the files that the config does not name it."""
        for label in self.config.labels:
            for split in self.rows.sources:
                self.rows.keep(split, label, self.rows.numbers(split, label))
            self.mapped.append((label, f"task {label}: positive above 0"))
        said = {column for column, _ in (*self.mapped, *self.left_out)}
        self.left_out += [(name, "the config does not name it") for name in self.names if name not in said]
        return Schema(
            self.features,
            {label: Task(label) for label in self.config.labels},
            self.sequences,
            group_column=self._group(),
            id_columns=self.keys,
            fingerprint={table: vocabulary.fingerprint for table, vocabulary in sorted(self.vocabularies.items())},
        )

    def _group(self) -> str:
        """Return the column that metrics group by; of a feature, whose ids merge rare values, a copy of its values."""
        group = self.config.group
        if not group or group in self.keys:
            return group
        if group not in self.used:
            self.notes.append(f"Metrics group by nothing: group_id {group} is no column that is read.")
            return ""
        for split in self.rows.sources:
            self.rows.keep(split, f"{group}_key", self.rows.raw(split, self.used[group][1]))
        self.notes.append(f"Metrics group by {group} (group_id), copied to {group}_key.")
        return f"{group}_key"

    def _source(self, spec: FuxiColumn) -> str:
        """Return the column of the files that a column is read from; nothing, and say why, where it is left out."""
        preprocess = str(spec.options.get("preprocess") or "")
        copied = _COPY.fullmatch(preprocess)
        source = copied[1].strip() if copied else spec.name
        if spec.options.get("active") is False:
            self.left_out.append((spec.name, "active: false in the config"))
        elif spec.name in self.config.labels:
            self.notes.append(f"No feature, for it is a label: {spec.name}.")
        elif spec.type == "embedding":
            self.left_out.append((spec.name, "an embedding from elsewhere"))
        elif source not in self.names and preprocess:
            self.left_out.append((spec.name, f"made by {preprocess}, Python that is not run"))
        elif source not in self.names:
            why, what = ", which the training rows lack", f"{self.config.path} names the column"
            raise DataError(unknown(what, source, self.names, why=why, allowed="Columns"))
        else:
            if preprocess and not copied:
                self.notes.append(f"Raw values: {spec.name}, for preprocess: {preprocess} is Python that is not run.")
            if processor := spec.options.get("category_processor"):
                self.notes.append(f"Values as they are: {spec.name}, without category_processor: {processor}.")
            return source
        return ""

    def _table(self, name: str) -> str:
        """Return the table of a column: that of the column it shares with, and so on."""
        seen = [name]
        while name in self.used and (shared := self.used[name][0].options.get("share_embedding")):
            name = str(shared)
            if name in seen:
                raise DataError(f"share_embedding leads round in a circle: {' to '.join([*seen, name])}.")
            seen.append(name)
        return name

    def _fit(self) -> dict[str, Vocabulary]:
        by_table: dict[str, list[tuple[FuxiColumn, str]]] = {}
        for spec, source in self.used.values():
            if spec.type in ("categorical", "sequence"):
                by_table.setdefault(self._table(spec.name), []).append((spec, source))
        fitted = {}
        for table, uses in by_table.items():
            counts = {whole(spec.options, "min_categr_count", self.config.min_count) for spec, _ in uses}
            fitted[table] = self.rows.fit(table, uses, min(counts))
        return fitted

    def _add_columns(self) -> None:
        lengths: dict[str, list[Ints]] = {}
        for spec, source in self.used.values():
            role, why = self._role(spec)
            if spec.type == "meta":
                self._add_key(spec.name, source)
            elif spec.type == "numeric":
                self._add_number(spec, source, role, why)
            elif spec.type == "sequence":
                lengths[spec.name] = self._encode_lists(spec, source)
            else:
                vocabulary = self.vocabularies[self._table(spec.name)]
                for split in self.rows.sources:
                    self.rows.keep(split, spec.name, vocabulary.encode(self.rows.values(split, spec, source)))
                self.features[spec.name] = Feature(role=role, **self._ids(spec.name))
                self.mapped.append((spec.name, f"id, {role}{why}"))
        for name, own in lengths.items():
            spec = self.used[name][0]
            if not self._is_history(spec):
                kept, (role, why) = self._kept(name, own), self._role(spec)
                self.features[name] = Feature("multi_id", role=role, max_length=kept, **self._ids(name))
                self.mapped.append(
                    (name, f"list of ids, its first {kept}, pooled as FuxiCTR's default encoder does, {role}{why}")
                )
        self._add_histories({name: own for name, own in lengths.items() if self._is_history(self.used[name][0])})

    def _ids(self, name: str) -> dict[str, Any]:
        table = self._table(name)
        return {
            "column": name,
            "vocab_size": self.vocabularies[table].size,
            "table": "" if table == name else table,
        }

    def _add_key(self, name: str, source: str) -> None:
        for split in self.rows.sources:
            self.rows.keep(split, name, self.rows.raw(split, source))
        self.keys.append(name)
        grouped = ", which metrics group by" if name == self.config.group else ""
        self.mapped.append((name, f"id beside each score, no feature{grouped}"))

    def _add_number(self, spec: FuxiColumn, source: str, role: Role, why: str) -> None:
        for split in self.rows.sources:
            values = self.rows.numbers(split, source)
            self.rows.keep(split, spec.name, values)
            if split == "train":
                mean, std, _ = statistics(values.to_numpy(), 0, [])
        self.features[spec.name] = Feature("dense", role=role, transform="standardize", mean=mean, std=std)
        asked = spec.options.get("normalizer")
        how = f"for {asked}" if asked else "the config has no normalizer"
        self.mapped.append((spec.name, f"number, standardized ({how}), {role}{why}"))

    def _encode_lists(self, spec: FuxiColumn, source: str) -> list[Ints]:
        """Encode the lists of a column; return how long they are, by split."""
        lengths = []
        for split in self.rows.sources:
            entries, offsets = self.rows.lists(split, spec, source)
            ids = self.vocabularies[self._table(spec.name)].encode(entries)
            self.rows.keep(split, spec.name, ids, offsets)
            lengths.append(np.diff(offsets))
        return lengths

    def _is_history(self, spec: FuxiColumn) -> bool:
        """Whether a list is of events rather than of values that are pooled."""
        encoder = spec.options.get("feature_encoder", "default")
        return "share_embedding" in spec.options or encoder in (None, "null", "None", "none")

    def _add_histories(self, lengths: dict[str, list[Ints]]) -> None:
        """Make a sequence of the lists that have as many entries as one another in every row."""
        left = dict(lengths)
        while left:
            first, own = next(iter(left.items()))
            names = [
                name
                for name, of in left.items()
                if all(map(np.array_equal, own, of)) and self._cut(name) == self._cut(first)
            ]
            sides = {name: Feature(**self._ids(name)) for name in names}
            self.sequences[first] = SequenceSpec(sides, max_length=self._kept(first, own))
            alike = f"events of {first}, alike long in every row" if len(names) > 1 else f"events of {first}"
            self.mapped += [(name, f"{alike}; guessed: oldest first, the newest are kept") for name in names]
            left = {name: of for name, of in left.items() if name not in names}

    def _kept(self, name: str, lengths: list[Ints]) -> int:
        """Return how many entries of a list are kept: as many as the config says, else those of the longest."""
        return self._cut(name)[0] or max((int(some.max(initial=0)) for some in lengths), default=0) or 1

    def _cut(self, name: str) -> tuple[int, str]:
        options = self.used[name][0].options
        return whole(options, "max_len", 0), str(options.get("padding", "post"))

    def _role(self, spec: FuxiColumn) -> tuple[Role, str]:
        """Return whose property a column is, and how that is known."""
        if role := _ROLES.get(str(spec.options.get("source") or "")):
            return role, ""
        shared = {self._table(other.name) for other, _ in self.used.values() if "share_embedding" in other.options}
        if spec.name in shared:
            return "item", " (guessed: a sequence shares its embedding)"
        for name, vocabulary in (("user", USER), ("item", ITEM)):
            if words(spec.name) & vocabulary:
                return _ROLES[name], " (guessed by its name)"
        return "context", " (guessed: nothing tells)"
