"""What the data is: features, sequences, tasks, and the ids that are reserved. Nothing about any model.

A schema is written in ``schema.yaml``, checked once when it is loaded, and never changed afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from hyrec.condition import Condition
from hyrec.feature import (
    MISSING_ID,
    NUM_RESERVED_IDS,
    OOV_ID,
    PADDING_ID,
    Feature,
    Role,
    SchemaError,
    Transform,
    validate_feature,
)
from hyrec.mappings import build_dataclass, plain_dataclass, read_as
from hyrec.messages import suggest

__all__ = [
    "MISSING_ID", "NUM_RESERVED_IDS", "OOV_ID", "PADDING_ID", "Feature", "Role", "Schema", "SchemaError",
    "SequenceSpec", "Task", "TimeSplit", "Transform",
]  # fmt: skip


@dataclass(frozen=True)
class SequenceSpec:
    """One behaviour sequence: aligned list columns, one entry an event.

    Args:
        features: Side information of an event by name: ``id``, ``dense`` of width 1, or ``multi_id`` (a list of lists
            a row) with a ``max_length``.
        time_column: List column of event times, in the schema's ``time_unit``. Empty: the events have no times.
        separator: Between the entries of those columns that a file stores as texts (``17^4^33``), as of a feature.
        order: How the file stores the events. In memory they are oldest first, always.
        max_length: Most recent events that are kept.
    """

    features: dict[str, Feature]
    time_column: str = ""
    separator: str = ""
    order: Literal["oldest_first", "newest_first"] = "oldest_first"
    max_length: int = 100


@dataclass(frozen=True)
class Task:
    """One binary label, which may be written as a condition: ``long_view: play_time_ms >= 10000``.

    Args:
        column: Column of the label. Empty: the task's own name.
        positive: Values that count as positive. Empty: every value above ``threshold``.
        threshold: Used when ``positive`` is empty. Values that equal it are negative: of ratings 1 to 5,
            ``threshold: 4`` makes only 5 positive, ``threshold: 3`` makes 4 and 5.
        condition: What a positive fulfils, as ``rating >= 4``, instead of ``column``, ``positive`` and ``threshold``.
            A missing label stays unknown.
    """

    column: str = ""
    positive: list[float] = field(default_factory=list)
    threshold: float = 0.0
    condition: Condition | None = None

    def __post_init__(self) -> None:
        if self.condition is None:
            return
        if self.positive or self.threshold or self.column not in ("", self.condition.column):
            raise SchemaError(
                f"A task has the condition {str(self.condition)!r} and column, positive or threshold beside it: the "
                "condition says it all."
            )
        value = self.condition.value
        if any(isinstance(part, str) for part in (value if isinstance(value, list) else [value])):
            raise SchemaError(f"A task has the condition {str(self.condition)!r}; labels are numbers, true or false.")
        object.__setattr__(self, "column", self.condition.column)

    @classmethod
    def from_text(cls, text: str) -> Task:
        """Return the task whose positives fulfil a condition."""
        return cls(condition=Condition.from_text(text))

    def is_positive(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which known labels are positive."""
        if self.condition is not None:
            return self.condition.of_numbers(labels)
        return np.isin(labels, self.positive) if self.positive else labels > self.threshold

    @property
    def rule(self) -> str:
        """Which values are positive, in words."""
        if self.condition is not None:
            return f"{self.condition.op} {self.condition.value}"
        if self.positive:
            return f"one of {', '.join(f'{value:g}' for value in self.positive)}"
        return f"above {self.threshold:g}"


@dataclass(frozen=True)
class TimeSplit:
    """Time split of one set of files: rows before ``validate_from`` train, rows from ``test_from`` on test.

    Args:
        validate_from: First moment of the validation rows: a day (2022-05-03 or 20220503), ISO date-time (UTC), or a
            number in ``time_unit``.
        test_from: First moment of the test rows.
    """

    validate_from: str = ""
    test_from: str = ""


@dataclass(frozen=True)
class Schema:
    """Everything hyrec knows about a data set.

    The order in which features, sequences and tasks are written has no meaning: they are kept sorted (features
    by group and name), so that two files that differ only in order build the same model.

    Args:
        features: Non-sequential features by name.
        sequences: Behaviour sequences by name.
        tasks: Labels by task name.
        groups: Order of the semantic groups. Empty: alphabetical.
        layout: ``flat`` files hold a row per impression; ``requests`` files hold a row per request, with item and
            cross features and labels as lists over its candidates.
        group_column: Column that query-level AUC groups by (query, request or user).
        time_column: Column of the impression's time.
        time_unit: Unit of all times in the files.
        weight_column: Column of sample weights. Empty: every sample weighs one.
        id_columns: Columns that ``hyrec predict`` copies beside each score.
        split: Time split, for files that are not split already.
        fingerprint: Digests of each embedding table's vocabulary and of how each dense feature is made and
            transformed; files and checkpoints of others are refused. Behind that of a vocabulary that has grown stand
            those of before, whose ids it kept.

    Raises:
        SchemaError: For anything that cannot be used, with the feature, what was wrong and what to write instead.
    """

    features: dict[str, Feature]
    tasks: dict[str, Task]
    sequences: dict[str, SequenceSpec] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    layout: Literal["flat", "requests"] = "flat"
    group_column: str = ""
    time_column: str = ""
    time_unit: Literal["s", "ms", "us"] = "s"
    weight_column: str = ""
    id_columns: list[str] = field(default_factory=list)
    split: TimeSplit = field(default_factory=TimeSplit)
    fingerprint: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _validate(self)
        features = {n: self.features[n] for group in self.group_names for n in sorted(self.features_of_group(group))}
        sequences = {
            n: replace(s, features=dict(sorted(s.features.items()))) for n, s in sorted(self.sequences.items())
        }
        vars(self).update(features=features, sequences=sequences, tasks=dict(sorted(self.tasks.items())))

    def group_of(self, feature: str) -> str:
        """Return the semantic group of a non-sequential feature."""
        return self.features[feature].group or self.features[feature].role

    @property
    def group_names(self) -> list[str]:
        """Semantic groups in token order."""
        used = set(map(self.group_of, self.features))
        return [g for g in self.groups if g in used] or sorted(used)

    def features_of_group(self, group: str) -> list[str]:
        """Return the names of a group's features."""
        return [name for name in self.features if self.group_of(name) == group]

    def is_per_candidate(self, feature: str) -> bool:
        """Whether the feature differs between the candidates of one request."""
        return self.features[feature].role in ("item", "cross")

    def every_feature(self) -> list[tuple[str, str, Feature]]:
        """Return place, embedding table (which plain dense features do not use) and spec of all features."""
        found = [(f"features.{name}", f.table or name, f) for name, f in self.features.items()]
        for sequence, spec in self.sequences.items():
            place = f"sequences.{sequence}.features"
            found += [(f"{place}.{name}", f.table or f"{sequence}.{name}", f) for name, f in spec.features.items()]
        return found

    @property
    def table_sizes(self) -> dict[str, int]:
        """Rows of every embedding table, by table name."""
        return {table: f.num_ids for _, table, f in self.every_feature() if f.is_embedded}

    def table_of(self, feature: str, sequence: str = "") -> str:
        """Return the embedding table of a feature, or of a sequence's side information."""
        spec = self.sequences[sequence].features[feature] if sequence else self.features[feature]
        return spec.table or (f"{sequence}.{feature}" if sequence else feature)

    @classmethod
    def load(cls, path: str | Path) -> Schema:
        """Read and check a ``schema.yaml``.

        Raises:
            SchemaError: When the file is missing, is not YAML, has an unknown key or a value that cannot be used.
        """
        return read_as(cls.from_dict, Path(path), "schema file", SchemaError)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Schema:
        """Build a schema from plain mappings, as ``yaml.safe_load`` returns them."""
        if isinstance(content, Mapping) and set(content) == {"schema"}:
            content = content["schema"]
        return build_dataclass(cls, content, "schema", SchemaError)

    def to_dict(self) -> dict[str, Any]:
        """Return plain mappings without the entries that equal their defaults."""
        return dict(plain_dataclass(self))

    def save(self, path: str | Path) -> None:
        """Write ``schema.yaml``."""
        Path(path).write_text(yaml.safe_dump(self.to_dict(), sort_keys=False))


def _validate(schema: Schema) -> None:
    if not schema.features:
        raise SchemaError("features is empty: a ranking model needs at least one non-sequential feature.")
    if not schema.tasks:
        raise SchemaError("tasks is empty: name at least one, for example tasks: {click: {column: is_click}}.")
    for name, spec in schema.sequences.items():
        if not spec.features:
            raise SchemaError(f"sequences.{name}.features is empty: an event needs at least one feature.")
        if spec.max_length < 1:
            raise SchemaError(f"sequences.{name}.max_length must be at least 1, got {spec.max_length}.")
    first: dict[str, tuple[int, str]] = {}
    for where, table, feature in schema.every_feature():
        validate_feature(feature, where)
        if where.startswith("sequences.") and (feature.kind == "weighted_ids" or feature.width != 1):
            raise SchemaError(
                f"{where} has kind {feature.kind!r} and width {feature.width}: "
                "an event's features are 'id', 'multi_id', or 'dense' of width 1."
            )
        if where.startswith("sequences.") and feature.kind == "multi_id" and not feature.max_length:
            raise SchemaError(
                f"{where} of kind 'multi_id' needs a max_length, for example 8: the lists of all events take as much "
                "room as the longest."
            )
        size, user = first.setdefault(table if feature.is_embedded else "", (feature.num_ids, where))
        if size != feature.num_ids:
            raise SchemaError(
                f"{where} and {user} share the table {table!r} but differ in size: {feature.num_ids} and {size} "
                "ids. Give both the same vocab_size or hash_size, or another table."
            )
    used = set(map(schema.group_of, schema.features))
    if schema.groups and (unknown := [g for g in schema.groups if g not in used]):
        raise SchemaError(f"groups names {unknown[0]!r}, which no feature has.{suggest(unknown[0], used)}")
    if schema.groups and (lost := sorted(used - set(schema.groups))):
        raise SchemaError(f"groups lists an order but leaves out {', '.join(lost)}; add them or drop 'groups'.")
    if len(set(schema.groups)) != len(schema.groups):
        raise SchemaError(f"groups names a group twice: {schema.groups}.")
    if any(spec.time_column for spec in schema.sequences.values()) and not schema.time_column:
        raise SchemaError("A sequence has event times but the impression has none: set time_column, to compute ages.")
    if (schema.split.validate_from or schema.split.test_from) and not schema.time_column:
        raise SchemaError("split needs time_column, the column of the impression's time.")
