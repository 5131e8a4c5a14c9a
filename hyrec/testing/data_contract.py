"""The contract of data sets: every batch is what the schema says, and all ways to read the rows agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, get_args

import torch
from torch import Tensor

from hyrec.batch import Batch, Jagged
from hyrec.data.base import RankingData, Split
from hyrec.data.parquet.policy import DataError
from hyrec.schema import Feature, Schema
from hyrec.testing.class_contract import CLASS_RULES
from hyrec.testing.rules import Examined, Rule, RuleResult, broken, demand_equal, demand_subclass, examine, skip

MAX_BATCHES = 4
"""Batches of each split that are looked at."""
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass
class DataSubject(Examined):
    """A data class under examination; without a schema only its form is, and data ``may_be_missing``."""

    cls: type[RankingData]
    schema: Schema | None
    may_be_missing: bool
    given: ClassVar[str] = "schema: Schema"

    @cached_property
    def data(self) -> RankingData:
        """The data set, built and prepared once."""
        if self.schema is None:
            skip("not checked: it needs data (schema=..., or --config on the command line)")
        try:
            data = self.cls(self.schema, **self.init_args)
            data.prepare_data()
            for stage in ("fit", "test"):
                data.setup(stage)
        except (DataError, OSError) as error:
            if self.may_be_missing:
                skip(f"the data cannot be read here: {str(error).splitlines()[0]}")
            raise
        return data

    @property
    def splits(self) -> list[Split]:
        """Splits that have rows of their own."""
        return [split for split in SPLITS if split != "predict" and self.data.has(split)]

    @property
    def held_out(self) -> list[Split]:
        """Splits that are not trained on."""
        return [split for split in self.splits if split != "train"]

    def batches(self, split: Split) -> Iterator[Batch]:
        """Yield the first batches of a split, as Lightning gets them."""
        loader = getattr(self.data, "val_dataloader" if split == "validate" else f"{split}_dataloader")()
        for number, batch in enumerate(loader):
            if number == MAX_BATCHES:
                return
            if not isinstance(batch, Batch):
                broken(f"the loader of {split!r} yields a {type(batch).__name__} instead of a hyrec.Batch")
            yield batch


def check_data(
    cls: type,
    /,
    *,
    schema: Schema | None,
    may_be_missing: bool = False,
    raise_on_failure: bool = True,
    **init_args: Any,
) -> list[RuleResult]:
    """Check a data class against every rule of the data slot, as :func:`check_component` does.

    Args:
        cls: The class; a subclass of ``RankingData``.
        schema: What the data is. None: rules about rows are skipped.
        may_be_missing: Skip the rules about rows when the data cannot be read, instead of failing.
        raise_on_failure: Raise when a rule is broken, instead of only returning what was found.
        init_args: The class's options, as in YAML.
    """
    demand_subclass(cls, RankingData, "check_data takes a subclass of hyrec.data.base.RankingData")
    subject = DataSubject(cls, init_args, schema, may_be_missing)
    return examine(subject, (*CLASS_RULES, *DATA_RULES), raise_on_failure=raise_on_failure)


def _builds(subject: DataSubject) -> None:
    if "train" not in subject.splits:
        broken("has('train') is false: there is nothing to fit")


def _batches(subject: DataSubject) -> None:
    schema = subject.data.schema
    for split in subject.splits:
        for batch in subject.batches(split):
            _demand_names(batch, schema, split)
            for name, value in batch.features.items():
                _demand_feature(value, schema.features[name], batch.num_samples, f"{split}: features.{name}")
            for name, events in batch.sequences.items():
                where, rows = f"{split}: sequences.{name}", int(events.offsets[-1])
                if events.offsets.shape != (batch.num_requests + 1,) or bool((events.offsets.diff() < 0).any()):
                    broken(f"{where}.offsets do not ascend from request to request, R = {batch.num_requests}")
                if events.max_length < max(1, int(events.offsets.diff().max())):
                    broken(f"{where}.max_length is {events.max_length}, shorter than the longest request")
                for side, values in events.features.items():
                    spec = schema.sequences[name].features[side]
                    wide = (spec.max_length,) if spec.kind == "multi_id" else ()
                    if tuple(values.shape[1:]) != wide:
                        broken(f"{where}.features.{side} is {_shape(values)} instead of {('N', *wide)}")
                    _demand_values(values[:rows], spec, f"{where}.features.{side}")


def _labels(subject: DataSubject) -> None:
    for split in subject.splits:
        known = 0
        for batch in subject.batches(split):
            for task, label in batch.labels.items():
                if label.shape != (batch.num_samples,) or not label.is_floating_point():
                    broken(f"{split}: labels.{task} is {_shape(label)} instead of floating point (B,)")
                if not bool((label.isnan() | (label == 0) | (label == 1)).all()):
                    broken(f"{split}: labels.{task} holds values other than 0, 1 and NaN")
                known += int((~label.isnan()).sum())
        if not known:
            broken(f"{split}: no sample has a known label")


def _histories(subject: DataSubject) -> None:
    if not any(spec.time_column for spec in subject.data.schema.sequences.values()):
        skip("no sequence has times")
    for split in subject.splits:
        for batch in subject.batches(split):
            for name, events in batch.sequences.items():
                if events.time is None:
                    continue
                for request, (start, stop) in enumerate(zip(events.offsets[:-1], events.offsets[1:], strict=True)):
                    time = events.time[int(start) : int(stop)]
                    time = time[~time.isnan()]
                    if bool((time.diff() < 0).any()):
                        broken(f"{split}: sequences.{name} is not oldest first")
                    if batch.time is not None and bool((time > batch.time[request]).any()):
                        broken(f"{split}: sequences.{name} holds an event newer than its impression")


def _repeatable(subject: DataSubject) -> None:
    for split in subject.held_out:
        first, second = (_labels_of(subject.batches(split)) for _ in range(2))
        demand_equal(second, first, f"{split}: read again", exact=True)


def _scan(subject: DataSubject) -> None:
    data = subject.data
    names = list(data.schema.features)[:1]
    for split in subject.held_out:
        batches = []
        for batch in data.scan(split, names):
            if list(batch.features) != names or batch.sequences:
                broken(f"scan({split!r}, {names}) returns features {list(batch.features)} and {list(batch.sequences)}")
            batches.append(batch)
            if sum(b.num_samples for b in batches) > MAX_BATCHES * 1024:
                break
        sides = _labels_of(iter(batches)), _labels_of(subject.batches(split))
        size = min(len(next(iter(side.values()))) for side in sides)
        got, want = ({task: label[:size] for task, label in side.items()} for side in sides)
        demand_equal(got, want, f"{split}: labels by scan and by the loader", exact=True)


def _id_columns(subject: DataSubject) -> None:
    wanted = subject.data.schema.id_columns
    for split in subject.held_out:
        for batch in subject.batches(split):
            if batch.row is None:
                broken(f"{split}: batches have no row, so that predictions cannot be traced back")
            table = subject.data.id_columns(split, batch.row)
            if table.column_names != wanted or table.num_rows != batch.num_samples:
                broken(
                    f"{split}: id_columns returned {table.num_rows} rows of {table.column_names} for "
                    f"{batch.num_samples} samples and the schema's {wanted}"
                )


def _demand_names(batch: Batch, schema: Schema, split: str) -> None:
    for what in ("features", "sequences", "labels"):
        got, want = set(getattr(batch, what)), set(getattr(schema, "tasks" if what == "labels" else what))
        if got != want:
            broken(f"{split}: {what} are {', '.join(sorted(got)) or 'none'}; the schema has {', '.join(sorted(want))}")
    for name, events in batch.sequences.items():
        if set(events.features) != set(schema.sequences[name].features):
            broken(f"{split}: sequences.{name} has {sorted(events.features)}, not what the schema says")
        if (events.time is None) != (not schema.sequences[name].time_column):
            broken(f"{split}: sequences.{name} has times exactly when the schema names no time_column")


def _demand_feature(value: Any, feature: Feature, num_samples: int, where: str) -> None:
    if feature.kind in ("multi_id", "weighted_ids"):
        if not isinstance(value, Jagged) or value.offsets.shape != (num_samples + 1,):
            broken(f"{where} is {_shape(value)} instead of a Jagged over B = {num_samples}")
        if (value.weights is not None) != (feature.kind == "weighted_ids"):
            broken(f"{where} has weights exactly when its kind, {feature.kind!r}, has none")
        _demand_values(value.values, feature, where)
        return
    want = (num_samples, feature.width) if feature.kind == "dense" else (num_samples,)
    if not isinstance(value, Tensor) or tuple(value.shape) != want:
        broken(f"{where} is {_shape(value)} instead of {want}")
    _demand_values(value, feature, where)


def _demand_values(values: Tensor, feature: Feature, where: str) -> None:
    if feature.kind == "dense":
        if not values.is_floating_point() or bool(values.isinf().any()):
            broken(f"{where} of kind dense must be floating point and finite, or NaN where missing")
        return
    if values.dtype != torch.int64:
        broken(f"{where} holds ids of type {values.dtype} instead of torch.int64")
    if len(values) and not 0 <= int(values.min()) <= int(values.max()) < feature.num_ids:
        broken(f"{where} holds ids {int(values.min())} to {int(values.max())}; the table has {feature.num_ids}")


def _labels_of(batches: Iterator[Batch]) -> dict[str, Tensor]:
    read = list(batches)
    return {task: torch.cat([b.labels[task] for b in read]) for task in read[0].labels} if read else {}


def _shape(value: Any) -> str:
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


_READ = ("signature", "builds", "batches")
_SCAN_NEEDS = (*_READ, "labels", "repeatable")
DATA_RULES = (
    Rule("builds", "it can be built, prepared and set up, and has rows to train on", _builds, ("signature",)),
    Rule("batches", "every batch has the names, types, shapes and id ranges of the schema", _batches, _READ[:2]),
    Rule("labels", "labels are 0, 1 or NaN where unknown, and every split knows some", _labels, _READ),
    Rule("histories", "events are oldest first, and none is newer than its impression", _histories, _READ),
    Rule("repeatable", "validation and test rows come in the same order every time", _repeatable, _READ),
    Rule("scan", "scan reads the rows of the loader in the same order, and only what is asked for", _scan, _SCAN_NEEDS),
    Rule("id_columns", "id_columns returns the schema's id columns of the samples asked for", _id_columns, _READ),
)
"""Rules of the data slot that need data, in the order in which they are checked."""
